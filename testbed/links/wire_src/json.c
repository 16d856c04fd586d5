#define _GNU_SOURCE
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARRAY 1000000

static void skip_space(char **at)
{
    *at += strspn(*at, " \t\r");
}

/* Names here are plain ASCII, so a string with an escape or a control character in it is refused, never unescaped. */
static const char *read_string(char **at)
{
    char *start = *at + 1, *end = start;
    if (**at != '"')
        return NULL;
    while (*end >= ' ' && *end <= '~' && *end != '"' && *end != '\\')
        end++;
    if (*end != '"')
        return NULL;
    *end = '\0';
    *at = end + 1;
    return start;
}

static bool read_word(char **at, const char *word)
{
    bool found = strncmp(*at, word, strlen(word)) == 0;
    *at += found ? strlen(word) : 0;
    return found;
}

static bool read_number(char **at, double *number)
{
    size_t length = strspn(*at, "0123456789+-.eE"); /* keeps strtod away from hex, inf and nan */
    char *end;
    *number = strtod(*at, &end);
    bool whole = length > 0 && end == *at + length && isfinite(*number);
    *at = end;
    return whole;
}

static bool read_boolean(char **at, double *number)
{
    *number = strncmp(*at, "true", 4) == 0;
    return read_word(at, "true") || read_word(at, "false");
}

static bool read_array(char **at, struct member *member)
{
    size_t room = 0;
    member->kind = ARRAY;
    do {
        ++*at;
        skip_space(at);
        if (member->size == 0 && **at == ']')
            break;
        if (member->size == MAX_ARRAY)
            return false;
        if (member->size == room) {
            room = MAX(64, 2 * room);
            double *grown = realloc(member->array, room * sizeof *grown);
            if (!grown)
                return false;
            member->array = grown;
        }
        if (!read_boolean(at, &member->array[member->size]) && !read_number(at, &member->array[member->size]))
            return false;
        member->size++;
        skip_space(at);
    } while (**at == ',');
    return *(*at)++ == ']';
}

static bool read_value(char **at, struct member *member)
{
    if (**at == '"') {
        member->kind = TEXT;
        return (member->text = read_string(at)) != NULL;
    }
    if (**at == '[')
        return read_array(at, member);
    member->kind = NOTHING;
    if (read_word(at, "null"))
        return true;
    member->kind = BOOLEAN;
    if (read_boolean(at, &member->number))
        return true;
    member->kind = NUMBER;
    return read_number(at, &member->number);
}

static bool read_member(char **at, const char *line, struct object *object)
{
    struct member *member = &object->members[object->count++];
    skip_space(at);
    member->key = read_string(at);
    skip_space(at);
    if (!member->key || *(*at)++ != ':')
        return complain("column %zd: want a plain key and a colon", *at - line);
    skip_space(at);
    if (!read_value(at, member))
        return complain("column %zd: want a plain string, a number, a boolean, null, or an array of up to %d numbers",
                        *at - line, MAX_ARRAY);
    for (struct member *other = object->members; other < member; other++)
        if (strcmp(other->key, member->key) == 0)
            return complain("%s: given twice", member->key);
    skip_space(at);
    return **at == ',' || **at == '}' || complain("column %zd: want , or }", *at - line);
}

bool read_object(char *line, struct object *object)
{
    char *at = line;
    skip_space(&at);
    if (*at != '{')
        return complain("want one JSON object per line");
    do {
        if (object->count == (int)(sizeof object->members / sizeof *object->members))
            return complain("too many members");
        at++;
        if (!read_member(&at, line, object))
            return false;
    } while (*at == ',');
    at++;
    skip_space(&at);
    return *at == '\0' || complain("column %zd: want the end of the line", at - line);
}

void clear_object(struct object *object)
{
    for (int i = 0; i < object->count; i++)
        free(object->members[i].array);
}

struct member *find_member(struct object *object, const char *key)
{
    for (int i = 0; i < object->count; i++) {
        if (strcmp(object->members[i].key, key) == 0) {
            object->members[i].used = true;
            return &object->members[i];
        }
    }
    return NULL;
}

const char *want_name(struct object *object, const char *key, size_t longest)
{
    const struct member *member = find_member(object, key);
    if (!member)
        complain("%s: missing", key);
    else if (member->kind != TEXT || !*member->text || strlen(member->text) > longest)
        complain("%s: want a name of 1 to %zu characters", key, longest);
    else
        return member->text;
    return NULL;
}

bool all_used(const struct object *object)
{
    for (int i = 0; i < object->count; i++)
        if (!object->members[i].used)
            return complain("%s: not known here", object->members[i].key);
    return true;
}
