/* Reads the profiles of a request: keys a_to_b.<field> and b_to_a.<field>, named as in profile.py. */
#define _GNU_SOURCE
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct field {
    const char *name;
    size_t offset;
    double lowest, highest;
} FIELDS[] = {
    {"delay_ms", offsetof(struct profile, delay_ms), 0, 60e3},
    {"jitter_ms", offsetof(struct profile, jitter_ms), 0, 60e3},
    {"loss", offsetof(struct profile, loss), 0, 1},
    {"loss_bursts.p", offsetof(struct profile, p), 0, 1},
    {"loss_bursts.r", offsetof(struct profile, r), 0, 1},
    {"loss_bursts.loss_bad", offsetof(struct profile, loss_bad), 0, 1},
    {"loss_bursts.loss_good", offsetof(struct profile, loss_good), 0, 1},
    {"duplicate", offsetof(struct profile, duplicate), 0, 1},
    {"corrupt", offsetof(struct profile, corrupt), 0, 1},
    {"rate_bps", offsetof(struct profile, rate_bps), 1, 1e12},
    {"queue.packets", offsetof(struct profile, queue_packets), 0, 1e9},
    {"queue.bytes", offsetof(struct profile, queue_bytes), 0, 1e12},
};

static const char *const DISTRIBUTIONS[] = {"uniform", "normal", "pareto", "table", NULL};
static const char *const DISCIPLINES[] = {"tail-drop", "codel", "codel-ecn", NULL};

/* One side of a request. A member that is null is as good as absent: it has the default. */
struct side {
    struct object *request;
    const char *name;
    char key[48]; /* of the member looked up last */
};

static struct member *member_of(struct side *side, const char *field)
{
    snprintf(side->key, sizeof side->key, "%s.%s", side->name, field);
    struct member *member = find_member(side->request, side->key);
    return member && member->kind != NOTHING ? member : NULL;
}

static bool want_number(struct side *side, const char *field, double lowest, double highest, double *value)
{
    const struct member *member = member_of(side, field);
    if (!member)
        return true;
    if (member->kind != NUMBER || !(member->number >= lowest && member->number <= highest))
        return complain("%s: want a number from %g to %g", side->key, lowest, highest);
    *value = member->number;
    return true;
}

static bool want_choice(struct side *side, const char *field, const char *const choices[], int *value)
{
    const struct member *member = member_of(side, field);
    if (!member)
        return true;
    for (int i = 0; choices[i] && member->kind == TEXT; i++) {
        if (strcmp(choices[i], member->text) == 0) {
            *value = i;
            return true;
        }
    }
    return complain("%s: want one of %s, %s, %s%s%s", side->key, choices[0], choices[1], choices[2],
                    choices[3] ? ", " : "", choices[3] ? choices[3] : "");
}

static bool want_array(struct side *side, const char *field, double lowest, double highest, const struct member **array)
{
    const struct member *member = *array = member_of(side, field);
    if (!member)
        return true;
    if (member->kind != ARRAY)
        return complain("%s: want an array of numbers", side->key);
    for (size_t i = 0; i < member->size; i++)
        if (!(member->array[i] >= lowest && member->array[i] <= highest))
            return complain("%s: entry %zu: want a number from %g to %g", side->key, i, lowest, highest);
    return true;
}

static bool want_jitter(struct side *side, struct profile *profile)
{
    int distribution = NORMAL;
    const struct member *table, *reorder = member_of(side, "reorder");
    if (reorder && reorder->kind != BOOLEAN)
        return complain("%s: want true or false", side->key);
    profile->reorder = reorder && reorder->number;
    if (!want_choice(side, "distribution", DISTRIBUTIONS, &distribution) ||
        !want_array(side, "jitter_table", -60e3, 60e3, &table))
        return false;
    profile->distribution = (enum distribution)distribution;
    profile->table_size = table ? table->size : 0;
    if ((profile->table_size > 0) != (distribution == TABLE))
        return complain("%s: the distribution table has one, and no other has", side->key);
    if (profile->table_size) {
        profile->table = malloc(table->size * sizeof *table->array);
        if (!profile->table)
            return complain("%s: no memory for it", side->key);
        memcpy(profile->table, table->array, table->size * sizeof *table->array);
    }
    return true;
}

static bool want_loss(struct side *side, struct profile *profile)
{
    const struct member *trace;
    if (!want_array(side, "loss_trace", 0, 1, &trace))
        return false;
    profile->trace_size = trace ? trace->size : 0;
    bool bursts = member_of(side, "loss_bursts.p") || member_of(side, "loss_bursts.r");
    if (bursts && !(profile->p > 0 && profile->r > 0))
        return complain("%s.loss_bursts: want p and r above 0: the chain never leaves one of its states", side->name);
    if (!bursts && (member_of(side, "loss_bursts.loss_bad") || member_of(side, "loss_bursts.loss_good")))
        return complain("%s.loss_bursts: want p and r", side->name);
    if ((profile->loss > 0) + bursts + (profile->trace_size > 0) > 1)
        return complain("%s: want only one of loss, loss_bursts and loss_trace", side->name);
    if (profile->trace_size) {
        profile->trace = malloc(trace->size);
        if (!profile->trace)
            return complain("%s.loss_trace: no memory for it", side->name);
        for (size_t i = 0; i < trace->size; i++)
            profile->trace[i] = trace->array[i] != 0;
    }
    return true;
}

static bool want_queue(struct side *side, struct profile *profile)
{
    double ms = INFINITY;
    int discipline = TAIL_DROP;
    if (!want_number(side, "queue.ms", 0, 60e3, &ms) ||
        !want_choice(side, "queue.discipline", DISCIPLINES, &discipline))
        return false;
    profile->discipline = (enum discipline)discipline;
    int bounds = isfinite(ms) + isfinite(profile->queue_bytes) + isfinite(profile->queue_packets);
    if (bounds > 1 || (bounds == 0 && profile->rate_bps > 0))
        return complain("%s.queue: a limited link has exactly one of packets, bytes and ms", side->name);
    if (isfinite(ms) && profile->rate_bps > 0)
        profile->queue_bytes = ms * profile->rate_bps / 8000;
    return true;
}

static bool want_profile(struct side *side, struct profile *profile)
{
    *profile = (struct profile){.loss_bad = 1, .queue_packets = INFINITY, .queue_bytes = INFINITY};
    for (const struct field *f = FIELDS; f < FIELDS + sizeof FIELDS / sizeof *FIELDS; f++)
        if (!want_number(side, f->name, f->lowest, f->highest, (double *)((char *)profile + f->offset)))
            return false;
    return want_jitter(side, profile) && want_loss(side, profile) && want_queue(side, profile);
}

void free_profile(struct profile *profile)
{
    free(profile->table);
    free(profile->trace);
}

/* What these hold is the caller's to free, whatever the outcome. */
bool want_profiles(struct object *request, struct profile profile[2])
{
    return want_profile(&(struct side){.request = request, .name = "a_to_b"}, &profile[A_TO_B]) &&
           want_profile(&(struct side){.request = request, .name = "b_to_a"}, &profile[B_TO_A]);
}
