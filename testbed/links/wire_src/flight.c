/* Frames on their way, per direction, and a heap of all directions that have any by the time of their next event. */
#define _GNU_SOURCE
#include "wire.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* the clock of the kernel's receive stamps */
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

struct packet *new_packet(uint32_t length)
{
    struct packet *packet = malloc(sizeof *packet + length);
    if (packet) {
        packet->length = packet->wire_bytes = length;
        packet->wire_packets = 1;
    }
    return packet;
}

/* ---- packets of a direction ---- */

void queue_append(struct queue *queue, struct packet *packet)
{
    packet->next = NULL;
    *queue->tail = packet;
    queue->tail = &packet->next;
    queue->packets++;
    queue->bytes += packet->length;
}

struct packet *queue_pop(struct queue *queue)
{
    struct packet *packet = queue->head;
    queue->head = packet->next;
    if (!queue->head)
        queue->tail = &queue->head;
    queue->packets--;
    queue->bytes -= packet->length;
    return packet;
}

void discard(struct direction *d, struct packet *packet, _Atomic uint64_t *counter)
{
    bump(counter, 1);
    d->backlog -= footprint(packet);
    free(packet);
}

static bool before(const struct packet *a, const struct packet *b)
{
    return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static bool push_overtaking(struct direction *d, struct packet *packet)
{
    if (d->overtaking_count == d->overtaking_room) {
        size_t room = MAX(64, 2 * d->overtaking_room);
        struct packet **grown = realloc(d->overtaking, room * sizeof *grown);
        if (!grown)
            return false;
        d->overtaking = grown;
        d->overtaking_room = room;
    }
    size_t at = d->overtaking_count++;
    for (; at > 0 && before(packet, d->overtaking[(at - 1) / 2]); at = (at - 1) / 2)
        d->overtaking[at] = d->overtaking[(at - 1) / 2];
    d->overtaking[at] = packet;
    return true;
}

static struct packet *pop_overtaking(struct direction *d)
{
    struct packet *first = d->overtaking[0], *last = d->overtaking[--d->overtaking_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < d->overtaking_count; at = child) {
        if (child + 1 < d->overtaking_count && before(d->overtaking[child + 1], d->overtaking[child]))
            child++;
        if (!before(d->overtaking[child], last))
            break;
        d->overtaking[at] = d->overtaking[child];
    }
    d->overtaking[at] = last;
    return first;
}

/* Sends the packet on its way: it has left the line at `departure`. */
void launch(struct direction *d, struct packet *packet, int64_t departure)
{
    packet->due = departure + llround(draw_delay_ms(d) * 1e6);
    packet->order = d->order++;
    if (packet->due < d->last_due && d->profile.reorder) {
        if (!push_overtaking(d, packet))
            discard(d, packet, &d->counters.dropped_error);
        return;
    }
    packet->due = d->last_due = MAX(packet->due, d->last_due);
    queue_append(&d->flight, packet);
}

static const struct packet *next_of(const struct direction *d)
{
    if (!d->overtaking_count)
        return d->flight.head;
    return d->flight.head && before(d->flight.head, d->overtaking[0]) ? d->flight.head : d->overtaking[0];
}

struct packet *land(struct direction *d, int64_t now)
{
    const struct packet *next = next_of(d);
    if (!next || next->due > now)
        return NULL;
    struct packet *packet = next == d->flight.head ? queue_pop(&d->flight) : pop_overtaking(d);
    d->backlog -= footprint(packet);
    return packet;
}

void discard_all(struct direction *d)
{
    while (d->waiting.head)
        free(queue_pop(&d->waiting));
    while (d->flight.head)
        free(queue_pop(&d->flight));
    while (d->overtaking_count)
        free(pop_overtaking(d));
    d->backlog = 0;
    d->line_free = d->last_due = 0;
    reschedule(d);
}

/* ---- which direction is next ---- */

static struct direction *heap[2 * MAX_LINKS];
static size_t heap_size;

static void heap_swap(size_t a, size_t b)
{
    struct direction *moved = heap[a];
    heap[a] = heap[b];
    heap[b] = moved;
    heap[a]->slot = a;
    heap[b]->slot = b;
}

static bool sooner(size_t a, size_t b)
{
    return heap[a]->next_event < heap[b]->next_event;
}

static void heap_settle(size_t slot)
{
    for (; slot > 0 && sooner(slot, (slot - 1) / 2); slot = (slot - 1) / 2)
        heap_swap(slot, (slot - 1) / 2);
    for (;;) {
        size_t first = slot, left = 2 * slot + 1;
        for (size_t child = left; child < left + 2 && child < heap_size; child++)
            if (sooner(child, first))
                first = child;
        if (first == slot)
            return;
        heap_swap(slot, first);
        slot = first;
    }
}

static void heap_remove(struct direction *d)
{
    size_t slot = d->slot;
    heap_swap(slot, --heap_size);
    d->slot = NOT_QUEUED;
    if (slot < heap_size)
        heap_settle(slot);
}

/* To be called when anything has been added to a direction, or taken from it. */
void reschedule(struct direction *d)
{
    const struct packet *next = next_of(d);
    int64_t line = line_next(d);
    d->next_event = next && next->due < line ? next->due : line;
    if (d->next_event == NEVER) {
        if (d->slot != NOT_QUEUED)
            heap_remove(d);
        return;
    }
    if (d->slot == NOT_QUEUED) {
        d->slot = heap_size;
        heap[heap_size++] = d;
    }
    heap_settle(d->slot);
}

struct direction *next_direction(void)
{
    return heap_size ? heap[0] : NULL;
}
