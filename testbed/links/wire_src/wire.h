/*
 * wire: a user-space link engine for kernels without sch_netem.
 *
 * A link is a pair of interfaces of this process's network namespace. Whatever arrives at one leaves at the other,
 * later and not always: that is its profile, one per direction (profile.py says what each field means).
 *
 * A frame is due `delay` after the moment at which the kernel received it (SO_TIMESTAMPNS), not after the moment at
 * which we came round to reading it. How late we read therefore does not matter, and the only error left is how late we
 * send. That is kept small by a timer that fires --spin-us before the frame is due, and polling from there on.
 *
 *      control thread   text in, text out: parses requests, opens and closes sockets, prints events. Ordinary priority.
 *      data thread      receives, impairs, sends. SCHED_FIFO where permitted. It never sees a name or a line of text,
 *                       and never calls what may wait for the kernel (close() of a packet socket does: for an RCU
 *                       grace period).
 *
 * They meet at one mailbox (`struct command`, one at a time, synchronous) and at the counters (relaxed atomics: one
 * writer). A link whose interface goes away is taken down by the data thread alone; the others do not notice.
 *
 *      main.c      arguments, start, stop                 data.c      the data thread: send, wait
 *      control.c   clients, requests, counters            receive.c   arrivals
 *      links.c     the links: open, close                 line.c      the limited line, its queue, CoDel
 *      profile.c   reads profiles                         flight.c    frames on their way, and which direction is next
 *      json.c      reads flat JSON objects                chance.c    loss, jitter: what a direction draws
 *                                                         frame.c     tags, segmentation, checksums, corruption
 *
 * Frames carry virtio-net headers (PACKET_VNET_HDR): TCP super-packets and unfinished checksums pass as they are. Where
 * the profile speaks of packets, super-packets are first cut into what the wire would carry.
 */
#ifndef WIRE_H
#define WIRE_H

#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_LINKS 4096
#define MAX_FRAME (65536 + 256)   /* a TCP super-packet and its headers */
#define MAX_NAME 63
#define BATCH 32                  /* frames read or written per system call */
#define MAX_BACKLOG (256UL << 20) /* bytes of memory per direction, so that no profile can eat the machine */
#define BUCKETS 496               /* of the lateness histogram: 8 per power of two of nanoseconds */
#define NOT_QUEUED SIZE_MAX
#define NEVER INT64_MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

enum distribution { UNIFORM, NORMAL, PARETO, TABLE };
enum discipline { TAIL_DROP, CODEL, CODEL_ECN };

struct profile {
    double delay_ms, jitter_ms;
    enum distribution distribution;
    bool reorder;
    double loss, duplicate, corrupt;
    double p, r, loss_bad, loss_good;                    /* Gilbert and Elliott; p = r = 0: none */
    double rate_bps;                                     /* 0: no limit */
    double queue_packets, queue_bytes;                   /* INFINITY: no bound of this kind */
    enum discipline discipline;
    double *table;                                       /* of jitter, in milliseconds */
    size_t table_size;
    uint8_t *trace;                                      /* of losses */
    size_t trace_size;
};

struct counters {
    _Atomic uint64_t packets, bytes, dropped_loss, dropped_queue, dropped_error, duplicated, corrupted, marked_ecn;
    _Atomic uint64_t lateness[BUCKETS];
};

struct packet {
    struct packet *next;
    int64_t stamp, due;
    uint64_t order;                   /* among packets due at the same moment */
    uint32_t length;                  /* of the frame */
    uint32_t wire_packets, wire_bytes; /* what a super-packet stands for */
    struct virtio_net_hdr offload;
    uint8_t frame[];
};

/* Bytes of memory; malloc adds 16 at most. */
static inline size_t footprint(const struct packet *packet)
{
    return sizeof *packet + 16 + packet->length;
}

#define SENT_FROM offsetof(struct packet, offload) /* header and frame are read and written in one piece */

struct queue {
    struct packet *head, **tail;
    size_t packets, bytes;
};

/* State variables of RFC 8289, section 5.3. */
struct codel {
    int64_t first_above, drop_next;
    uint32_t count, last_count;
    bool dropping;
};

struct direction {
    struct link *link;
    int rx_fd, tx_fd;
    const char *rx_ifname, *tx_ifname;
    struct profile profile;
    uint64_t random;
    bool bad;        /* the state of the Gilbert-Elliott chain */
    size_t trace_at; /* the next entry of the loss trace */

    struct queue waiting; /* for the limited line */
    int64_t line_free;    /* when it has sent what it is sending */
    struct codel codel;

    struct queue flight;         /* on their way, in order */
    struct packet **overtaking;  /* a heap of those on their way that come before the last of `flight` */
    size_t overtaking_count, overtaking_room;
    size_t backlog;              /* bytes of memory in all of these */
    int64_t last_due;            /* of the last in `flight` */
    uint64_t order;

    int64_t next_event;
    size_t slot; /* where it is in the heap of directions */
    struct counters counters;
    uint64_t overruns; /* what the kernel had no room for; belongs to the control thread */
};

enum { A_TO_B, B_TO_A };

struct link {
    struct link *next; /* the list belongs to the control thread */
    char name[MAX_NAME + 1], ifname[2][IFNAMSIZ];
    atomic_bool alive;   /* false once an interface has gone */
    atomic_bool carrier; /* false after the operation `down` */
    struct direction direction[2];
};

/* CHANGE swaps the profiles, so that the sender can free the old ones. */
struct command {
    enum { ADD, CHANGE, REMOVE, DOWN, UP } kind;
    struct link *link;
    struct profile profile[2];
};

/* What the data thread tells of its own accord: this link is down, because of this interface. */
struct notice {
    char link[MAX_NAME + 1], ifname[IFNAMSIZ];
};

static inline void bump(_Atomic uint64_t *counter, uint64_t by)
{
    /* One writer: a plain load and store, no locked instruction. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

/* chance.c */
double uniform(uint64_t *state); /* in [0, 1) */
uint64_t random_below(uint64_t *state, uint64_t limit);
bool draw_loss(struct direction *d);
double draw_delay_ms(struct direction *d);

/* frame.c */
struct layout {
    uint32_t network[4]; /* where the IP headers begin, outermost first */
    int layers;
    uint32_t transport, payload;
    uint8_t protocol;
};
struct packet *put_tag(struct packet *packet, uint16_t tpid, uint16_t tci);
bool read_layout(const struct packet *packet, struct layout *layout);
struct packet *cut_segment(const struct packet *whole, const struct layout *layout, uint32_t number);
void finish_checksum(struct packet *packet);
bool mark_congestion(struct packet *packet);
void flip_bit(struct packet *packet, uint64_t bit);

/* line.c */
void line_enqueue(struct direction *d, struct packet *packet);
void line_run(struct direction *d, int64_t until);
int64_t line_next(const struct direction *d);

/* flight.c */
int64_t clock_ns(void);
struct packet *new_packet(uint32_t length);
void discard(struct direction *d, struct packet *packet, _Atomic uint64_t *counter);
void queue_append(struct queue *queue, struct packet *packet);
struct packet *queue_pop(struct queue *queue);
void launch(struct direction *d, struct packet *packet, int64_t departure);
struct packet *land(struct direction *d, int64_t now); /* the next one that is due, or NULL */
void discard_all(struct direction *d);
void reschedule(struct direction *d);
struct direction *next_direction(void); /* NULL: nothing is on its way */

/* receive.c */
int receive(struct direction *d);

/* data.c */
void interface_gone(struct link *link, const char *ifname);
bool means_gone(int error);
extern int64_t spin_ns;
extern int notice_fd;
bool start_data_thread(void);                   /* true if it goes before ordinary processes */
void command_data_thread(struct command *command);

/* json.c, profile.c */
struct object;
void free_profile(struct profile *profile);
bool want_profiles(struct object *request, struct profile profile[2]);

/* links.c */
extern uint64_t seed;
extern struct link *links;
struct link *find_link(const char *name);
bool open_link(const char *name, const char *a, const char *b, struct profile profile[2]);
bool set_interfaces(const struct link *link, bool up);
void close_link(struct link *link);
void close_all_links(void);

/* control.c */
void serve_control(int listener, int terminated);

/* main.c: complain() keeps the text for the reply and returns false; die() is for what nobody can mend. */
extern char complaint[512];
bool __attribute__((format(printf, 1, 2))) complain(const char *format, ...);
void __attribute__((format(printf, 1, 2), noreturn)) die(const char *format, ...);

#endif
