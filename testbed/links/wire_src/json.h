/* A strict reader of flat JSON objects: plain strings, numbers, booleans, null, and arrays of numbers. */
#ifndef JSON_H
#define JSON_H

#include "wire.h"

struct member {
    const char *key;
    enum { TEXT, NUMBER, BOOLEAN, NOTHING, ARRAY } kind;
    const char *text;
    double number, *array; /* a boolean is the number 0 or 1, in an array too */
    size_t size;
    bool used;
};

struct object {
    int count;
    struct member members[64];
};

/* These point into `line`, which they alter; call clear_object() in any case. False with a complaint. */
bool read_object(char *line, struct object *object);
void clear_object(struct object *object);

struct member *find_member(struct object *object, const char *key); /* NULL where it is absent */
const char *want_name(struct object *object, const char *key, size_t longest);
bool all_used(const struct object *object);

#endif
