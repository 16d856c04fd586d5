/*
 * The limited line: it sends one packet after the other, each for length / rate, and the others wait.
 *
 * It runs in virtual time. A packet starts when the line is free, at a moment that is computed and not measured; the
 * data thread only has to come round before the packet has been sent. How late it comes costs no rate.
 */
#define _GNU_SOURCE
#include "wire.h"

#include <math.h>
#include <stdlib.h>

#define CODEL_TARGET 5000000     /* RFC 8289, section 4.3 */
#define CODEL_INTERVAL 100000000 /* section 4.3 */
#define FULL_FRAME 1514

static int64_t codel_law(const struct codel *codel, int64_t from)
{
    return from + llround(CODEL_INTERVAL / sqrt(codel->count));
}

/* RFC 8289, section 5.6: has every packet of the last interval waited for longer than the target? */
static bool codel_late(struct direction *d, int64_t now, int64_t sojourn)
{
    struct codel *codel = &d->codel;
    if (sojourn < CODEL_TARGET || d->waiting.bytes <= FULL_FRAME) {
        codel->first_above = 0;
        return false;
    }
    if (codel->first_above == 0)
        codel->first_above = now + CODEL_INTERVAL;
    return now >= codel->first_above;
}

/* RFC 8289, section 5.5, turned inside out: asked about each packet that leaves the queue. */
static bool codel_signals(struct direction *d, int64_t now, int64_t sojourn)
{
    struct codel *codel = &d->codel;
    if (!codel_late(d, now, sojourn)) {
        codel->dropping = false;
        return false;
    }
    if (codel->dropping) {
        if (now < codel->drop_next)
            return false;
        codel->count++;
        codel->drop_next = codel_law(codel, codel->drop_next);
        return true;
    }
    codel->dropping = true;
    uint32_t delta = codel->count - codel->last_count;
    codel->count = delta > 1 && now - codel->drop_next < 16LL * CODEL_INTERVAL ? delta : 1;
    codel->drop_next = codel_law(codel, now);
    codel->last_count = codel->count;
    return true;
}

/* False if the queue discipline takes the packet. */
static bool admitted(struct direction *d, struct packet *packet, int64_t start)
{
    if (d->profile.discipline == TAIL_DROP || !codel_signals(d, start, start - packet->stamp))
        return true;
    if (d->profile.discipline == CODEL || !mark_congestion(packet))
        return false;
    bump(&d->counters.marked_ecn, 1);
    return true;
}

int64_t line_next(const struct direction *d)
{
    return d->waiting.head ? MAX(d->line_free, d->waiting.head->stamp) : NEVER;
}

/* Start everything that could start until then. */
void line_run(struct direction *d, int64_t until)
{
    int64_t start;
    while ((start = line_next(d)) <= until && d->waiting.head) {
        struct packet *packet = queue_pop(&d->waiting);
        if (!admitted(d, packet, start)) {
            discard(d, packet, &d->counters.dropped_queue);
            continue;
        }
        double rate = d->profile.rate_bps;
        d->line_free = start + (rate > 0 ? llround(packet->length * 8e9 / rate) : 0);
        launch(d, packet, d->line_free);
    }
}

/* What is being sent is not in the queue; an idle line takes a packet whatever the queue's size. */
void line_enqueue(struct direction *d, struct packet *packet)
{
    line_run(d, packet->stamp);
    bool idle = !d->waiting.head && d->line_free <= packet->stamp;
    if (!idle && ((double)d->waiting.packets + 1 > d->profile.queue_packets ||
                  (double)(d->waiting.bytes + packet->length) > d->profile.queue_bytes)) {
        discard(d, packet, &d->counters.dropped_queue);
        return;
    }
    queue_append(&d->waiting, packet);
    line_run(d, packet->stamp);
}
