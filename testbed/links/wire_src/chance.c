/* What a direction draws: every direction has a stream of its own, so links do not influence each other. */
#define _GNU_SOURCE
#include "wire.h"

#include <math.h>

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

double uniform(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)next_random(state) * limit) >> 64);
}

static double normal(uint64_t *state) /* Box and Muller */
{
    double radius = sqrt(-2 * log(1 - uniform(state)));
    return radius * cos(2 * M_PI * uniform(state));
}

/* Shape 3 has mean 3/2 and variance 3/4. */
static double pareto(uint64_t *state)
{
    return (1 / cbrt(1 - uniform(state)) - 1.5) / sqrt(0.75);
}

double draw_delay_ms(struct direction *d)
{
    const struct profile *profile = &d->profile;
    double deviation = 0;
    if (profile->distribution == TABLE)
        deviation = profile->table[random_below(&d->random, profile->table_size)];
    else if (profile->jitter_ms == 0)
        return profile->delay_ms;
    else if (profile->distribution == UNIFORM)
        deviation = profile->jitter_ms * (2 * uniform(&d->random) - 1);
    else if (profile->distribution == NORMAL)
        deviation = profile->jitter_ms * normal(&d->random);
    else
        deviation = profile->jitter_ms * pareto(&d->random);
    return fmax(0, profile->delay_ms + deviation);
}

/* A packet meets the state that the chain is in, and then the chain moves. */
static bool draw_burst_loss(struct direction *d)
{
    const struct profile *profile = &d->profile;
    bool lost = uniform(&d->random) < (d->bad ? profile->loss_bad : profile->loss_good);
    if (uniform(&d->random) < (d->bad ? profile->r : profile->p))
        d->bad = !d->bad;
    return lost;
}

bool draw_loss(struct direction *d)
{
    const struct profile *profile = &d->profile;
    if (profile->trace_size) {
        bool lost = profile->trace[d->trace_at];
        d->trace_at = (d->trace_at + 1) % profile->trace_size;
        return lost;
    }
    if (profile->p > 0 || profile->r > 0)
        return draw_burst_loss(d);
    return profile->loss > 0 && uniform(&d->random) < profile->loss;
}
