/*
 * wire: a user-space link engine for kernels without sch_netem.
 *
 * A link is a pair of interfaces of this process's network namespace. Whatever arrives at one leaves at the other,
 * later, in the same order, and not always: that is its profile, one per direction (profile.py says what each field
 * means).
 *
 * A frame is due `delay` after the moment at which the kernel received it (SO_TIMESTAMPNS), not after the moment at
 * which we came round to reading it. How late we read therefore does not matter, and the only error left is how late we
 * send. That is kept small by a timer that fires --spin-us before the frame is due, and polling from there on.
 *
 *      control thread   text in, text out: parses requests, opens and closes sockets, prints events. Ordinary priority.
 *      data thread      one FIFO per direction, one heap of FIFO heads, one timer. SCHED_FIFO where permitted. It never
 *                       sees a name or a line of text, and never calls what may wait for the kernel (close() of a
 *                       packet socket does: for an RCU grace period).
 *
 * They meet at one mailbox (`struct command`, one at a time, synchronous) and at the counters (relaxed atomics: one
 * writer). A link whose interface goes away is taken down by the data thread alone; the others do not notice.
 *
 * Control: one JSON object per line, flat, answered by {"ok":true,...} or {"ok":false,"error":"..."}.
 *      {"op":"add","name":N,"a":IF,"b":IF, PROFILES}      {"op":"change","name":N, PROFILES}
 *      {"op":"remove","name":N}                           {"op":"counters"}
 * PROFILES are a_to_b.delay_ms .jitter_ms .loss .rate_bps (or null) .queue_ms, and b_to_a likewise; all are required.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINKS 4096
#define MAX_FRAME 9018 /* a 9,000-byte MTU with its Ethernet header, and 4 bytes for a tag */
#define MAX_NAME 63
#define BATCH 32                    /* frames read per system call */
#define SEND_BUDGET 64              /* frames sent before we look at arrivals again */
#define RECEIVE_BUFFER (16 << 20)   /* bytes the kernel may hold per interface while we are busy */
#define MAX_BACKLOG (128UL << 20)   /* bytes on their way per direction, so that no profile can eat the machine */
#define BUCKETS 496                 /* of the lateness histogram: 8 per power of two of nanoseconds */
#define NOT_QUEUED SIZE_MAX
#define NEVER INT64_MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))

struct profile {
    double delay_ms, jitter_ms, loss, rate_bps /* 0: no limit */, queue_ms;
};

struct counters {
    _Atomic uint64_t packets, bytes, dropped_loss, dropped_queue, dropped_error;
    _Atomic uint64_t lateness[BUCKETS];
};

struct packet {
    struct packet *next;
    int64_t due;
    uint32_t length;
    uint8_t frame[];
};

struct direction {
    struct link *link;
    int rx_fd, tx_fd;
    const char *rx_ifname, *tx_ifname;
    struct profile profile;
    struct packet *head, **tail; /* the FIFO */
    size_t backlog;              /* bytes in it */
    size_t slot;                 /* where it is in the heap */
    int64_t last_due;            /* of the packet queued last: none may overtake it */
    int64_t line_free;           /* when a limited link has sent all that was queued so far */
    uint64_t random;
    struct counters counters;
    uint64_t overruns; /* what the kernel had no room for; belongs to the control thread */
};

enum { A_TO_B, B_TO_A };

struct link {
    struct link *next; /* the list belongs to the control thread */
    char name[MAX_NAME + 1], ifname[2][IFNAMSIZ];
    atomic_bool up;
    struct direction direction[2];
};

struct command {
    enum { ADD, CHANGE, REMOVE } kind;
    struct link *link;
    struct profile profile[2];
};

/* What the data thread tells of its own accord: this link is down, because of this interface. */
struct notice {
    char link[MAX_NAME + 1], ifname[IFNAMSIZ];
};

static int64_t spin_ns = 60 * 1000; /* by measurement: 100 costs half as much CPU again and gains nothing, 20 is late */
static uint64_t seed = 1;

/* ---- the mailbox ---- */

static struct command *mailbox;
static int mailbox_fd;
static sem_t mailbox_done;
static int notice_fd[2];

/* ---- data thread: clock, chance, heap ---- */

static int64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now); /* the clock of the kernel's receive stamps */
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void bump(_Atomic uint64_t *counter, uint64_t by)
{
    /* One writer: a plain load and store, no locked instruction. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

/* splitmix64 (Steele, Lea, Flood 2014): each direction has its own stream, so links do not influence each other. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static double uniform(uint64_t *state) /* in [0, 1) */
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

static double normal(uint64_t *state) /* Box and Muller */
{
    double radius = sqrt(-2 * log(1 - uniform(state)));
    return radius * cos(2 * M_PI * uniform(state));
}

static struct direction *heap[2 * MAX_LINKS];
static size_t heap_size;

static bool sooner(size_t a, size_t b)
{
    return heap[a]->head->due < heap[b]->head->due;
}

static void heap_swap(size_t a, size_t b)
{
    struct direction *moved = heap[a];
    heap[a] = heap[b];
    heap[b] = moved;
    heap[a]->slot = a;
    heap[b]->slot = b;
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

static void heap_add(struct direction *d)
{
    d->slot = heap_size;
    heap[heap_size++] = d;
    heap_settle(d->slot);
}

static void heap_remove(struct direction *d)
{
    size_t slot = d->slot;
    heap_swap(slot, --heap_size);
    d->slot = NOT_QUEUED;
    if (slot < heap_size)
        heap_settle(slot);
}

/* ---- data thread: a link's end ---- */

static int epoll_fd, timer_fd;

static void discard_queue(struct direction *d)
{
    if (d->slot != NOT_QUEUED)
        heap_remove(d);
    for (struct packet *packet = d->head, *next; packet; packet = next) {
        next = packet->next;
        free(packet);
    }
    d->head = NULL;
    d->tail = &d->head;
    d->backlog = 0;
}

static void take_down(struct link *link)
{
    atomic_store(&link->up, false);
    for (int i = 0; i < 2; i++) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, link->direction[i].rx_fd, NULL);
        discard_queue(&link->direction[i]);
    }
}

/* A descriptor in error stays readable for ever and would keep this thread, at its priority, on a core of its own. */
static void interface_gone(struct link *link, const char *ifname)
{
    struct notice notice = {0};
    memcpy(notice.link, link->name, sizeof notice.link);
    memcpy(notice.ifname, ifname, sizeof notice.ifname);
    take_down(link);
    if (write(notice_fd[1], &notice, sizeof notice) < 0) {
        /* The pipe is full: thousands of links died at once. `up` in the counters still says so. */
    }
}

/* ---- data thread: arrivals ---- */

static void enqueue(struct direction *d, const uint8_t *frame, uint32_t length, int64_t due)
{
    struct packet *packet = d->backlog + length <= MAX_BACKLOG ? malloc(sizeof *packet + length) : NULL;
    if (!packet) {
        bump(&d->counters.dropped_queue, 1);
        return;
    }
    packet->next = NULL;
    packet->due = d->last_due = MAX(due, d->last_due);
    packet->length = length;
    memcpy(packet->frame, frame, length);
    *d->tail = packet;
    d->tail = &packet->next;
    d->backlog += length;
    if (d->slot == NOT_QUEUED)
        heap_add(d);
}

/* First the queue and the line, then chance, then distance: a frame that gets lost has used the line all the same. */
static void frame_arrived(struct direction *d, const uint8_t *frame, uint32_t length, int64_t stamp)
{
    const struct profile *profile = &d->profile;
    int64_t departure = stamp;
    if (profile->rate_bps > 0) {
        int64_t start = MAX(stamp, d->line_free);
        if ((double)(start - stamp) > profile->queue_ms * 1e6) {
            bump(&d->counters.dropped_queue, 1);
            return;
        }
        departure = d->line_free = start + llround(length * 8e9 / profile->rate_bps);
    }
    if (profile->loss > 0 && uniform(&d->random) < profile->loss) {
        bump(&d->counters.dropped_loss, 1);
        return;
    }
    double delay_ms = profile->delay_ms;
    if (profile->jitter_ms > 0)
        delay_ms = fmax(0, delay_ms + profile->jitter_ms * normal(&d->random));
    enqueue(d, frame, length, departure + llround(delay_ms * 1e6));
}

static int64_t receive_stamp(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            return stamp.tv_sec * 1000000000LL + stamp.tv_nsec;
        }
    }
    return clock_ns();
}

static void receive(struct direction *d)
{
    static uint8_t frames[BATCH][MAX_FRAME];
    static _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];

    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){frames[i], MAX_FRAME};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
    }
    int count = recvmmsg(d->rx_fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        interface_gone(d->link, d->rx_ifname);
    for (int i = 0; i < count; i++) {
        if (messages[i].msg_hdr.msg_flags & MSG_TRUNC)
            bump(&d->counters.dropped_error, 1);
        else
            frame_arrived(d, frames[i], messages[i].msg_len, receive_stamp(&messages[i].msg_hdr));
    }
}

/* ---- data thread: departures ---- */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 8)
        return (unsigned)ns;
    unsigned log = 63 - (unsigned)__builtin_clzll(ns);
    return (log - 2) * 8 + (unsigned)(ns >> (log - 3) & 7);
}

static void send_head(struct direction *d, int64_t now)
{
    struct packet *packet = d->head;
    d->head = packet->next;
    d->backlog -= packet->length;
    if (d->head) {
        heap_settle(d->slot);
    } else {
        d->tail = &d->head;
        heap_remove(d);
    }

    if (send(d->tx_fd, packet->frame, packet->length, MSG_DONTWAIT) >= 0) {
        bump(&d->counters.packets, 1);
        bump(&d->counters.bytes, packet->length);
        bump(&d->counters.lateness[bucket_of((uint64_t)(now - packet->due))], 1);
    } else {
        bump(&d->counters.dropped_error, 1);
        if (errno == ENETDOWN || errno == ENXIO || errno == ENODEV)
            interface_gone(d->link, d->tx_ifname);
    }
    free(packet);
}

/* Send what is due; returns when the next frame is. */
static int64_t send_due(void)
{
    for (int budget = SEND_BUDGET; heap_size && budget; budget--) {
        int64_t now = clock_ns();
        if (heap[0]->head->due > now)
            break;
        send_head(heap[0], now);
    }
    return heap_size ? heap[0]->head->due : NEVER;
}

/* ---- data thread: the loop ---- */

static void carry_out(const struct command *command)
{
    struct link *link = command->link;
    if (command->kind == REMOVE) {
        if (atomic_load(&link->up))
            take_down(link);
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct direction *d = &link->direction[i];
        d->profile = command->profile[i];
        if (command->kind == ADD)
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, d->rx_fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = d});
    }
}

static void set_timer(int64_t at)
{
    static int64_t armed;
    if (at == armed)
        return;
    armed = at;
    struct itimerspec when = {.it_value = {at / 1000000000, at % 1000000000}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Wait for arrivals, a command, or for the time to spin: then return at once, so that the caller's loop is the spin. */
static bool wait_until(int64_t due)
{
    struct epoll_event events[64];
    bool spin = due != NEVER && due - spin_ns <= clock_ns();
    bool commanded = false;
    if (due != NEVER && !spin)
        set_timer(due - spin_ns);
    int count = epoll_wait(epoll_fd, events, 64, spin ? 0 : -1);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &timer_fd)
            continue;
        struct direction *d = events[i].data.ptr;
        if (!d)
            commanded = true;
        else if (!atomic_load_explicit(&d->link->up, memory_order_relaxed))
            continue; /* its other end has just taken it down */
        else if (events[i].events & (EPOLLERR | EPOLLHUP))
            interface_gone(d->link, d->rx_ifname);
        else
            receive(d);
    }
    return commanded;
}

static void *data_thread(void *unused)
{
    (void)unused;
    for (;;) {
        /* A command comes last: it may free a link of which an event in the same batch still speaks. */
        if (wait_until(send_due())) {
            uint64_t posted;
            if (read(mailbox_fd, &posted, sizeof posted) == sizeof posted) {
                carry_out(mailbox);
                sem_post(&mailbox_done);
            }
        }
    }
    return NULL;
}

/* ---- control thread: complaints and fatal errors ---- */

static char complaint[512];

static bool __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    return false;
}

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("wire: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

/* ---- control thread: a strict reader of flat JSON objects ---- */

struct member {
    const char *key, *text; /* text: NULL for a number or null */
    double number;          /* null reads as zero, and only where the caller allows it */
    bool null, used;
};

struct object {
    int count;
    struct member members[16];
};

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

static bool read_value(char **at, struct member *member)
{
    if (**at == '"')
        return (member->text = read_string(at)) != NULL;
    if (strncmp(*at, "null", 4) == 0) {
        member->null = true;
        *at += 4;
        return true;
    }
    size_t length = strspn(*at, "0123456789+-.eE"); /* keeps strtod away from hex, inf and nan */
    char *end;
    member->number = strtod(*at, &end);
    bool whole = length > 0 && end == *at + length && isfinite(member->number);
    *at = end;
    return whole;
}

static bool read_object(char *line, struct object *object)
{
    char *at = line;
    skip_space(&at);
    if (*at++ != '{')
        return complain("want one JSON object per line");
    for (char next = ','; next == ','; at++) {
        if (object->count == (int)(sizeof object->members / sizeof *object->members))
            return complain("too many members");
        struct member *member = &object->members[object->count++];
        skip_space(&at);
        member->key = read_string(&at);
        skip_space(&at);
        if (!member->key || *at++ != ':')
            return complain("column %zd: want a plain key and a colon", at - line);
        skip_space(&at);
        if (!read_value(&at, member))
            return complain("column %zd: want a plain string, a number or null", at - line);
        skip_space(&at);
        next = *at;
        if (next != ',' && next != '}')
            return complain("column %zd: want , or }", at - line);
        for (struct member *other = object->members; other < member; other++)
            if (strcmp(other->key, member->key) == 0)
                return complain("%s: given twice", member->key);
    }
    skip_space(&at);
    return *at == '\0' || complain("column %zd: want the end of the line", at - line);
}

static struct member *find_member(struct object *object, const char *key)
{
    for (int i = 0; i < object->count; i++) {
        if (strcmp(object->members[i].key, key) == 0) {
            object->members[i].used = true;
            return &object->members[i];
        }
    }
    complain("%s: missing", key);
    return NULL;
}

static const char *want_name(struct object *request, const char *key, size_t longest)
{
    const struct member *member = find_member(request, key);
    if (!member)
        return NULL;
    if (!member->text || !*member->text || strlen(member->text) > longest) {
        complain("%s: want a name of 1 to %zu characters", key, longest);
        return NULL;
    }
    return member->text;
}

static bool all_used(const struct object *request)
{
    for (int i = 0; i < request->count; i++)
        if (!request->members[i].used)
            return complain("%s: not known here", request->members[i].key);
    return true;
}

/* ---- control thread: profiles ---- */

static const struct field {
    const char *name;
    size_t offset;
    double lowest, highest;
    bool nullable;
} FIELDS[] = {
    {"delay_ms", offsetof(struct profile, delay_ms), 0, 60e3, false},
    {"jitter_ms", offsetof(struct profile, jitter_ms), 0, 60e3, false},
    {"loss", offsetof(struct profile, loss), 0, 1, false},
    {"rate_bps", offsetof(struct profile, rate_bps), 1, 1e12, true},
    {"queue_ms", offsetof(struct profile, queue_ms), 0, 60e3, false},
};

static bool want_profiles(struct object *request, struct profile profile[2])
{
    static const char *const SIDES[] = {"a_to_b", "b_to_a"};
    for (int side = 0; side < 2; side++) {
        for (const struct field *f = FIELDS; f < FIELDS + sizeof FIELDS / sizeof *FIELDS; f++) {
            char key[32];
            snprintf(key, sizeof key, "%s.%s", SIDES[side], f->name);
            const struct member *member = find_member(request, key);
            if (!member)
                return false;
            double *value = (double *)((char *)&profile[side] + f->offset);
            *value = member->number;
            if (member->null && f->nullable)
                continue;
            if (member->null || member->text || !(*value >= f->lowest && *value <= f->highest))
                return complain("%s: want a number from %g to %g%s", key, f->lowest, f->highest,
                                f->nullable ? ", or null" : "");
        }
    }
    return true;
}

/* ---- control thread: links ---- */

static struct link *links;

static struct link *find_link(const char *name)
{
    for (struct link *link = links; link; link = link->next)
        if (strcmp(link->name, name) == 0)
            return link;
    return NULL;
}

static void command_data_thread(struct command *command)
{
    mailbox = command;
    if (write(mailbox_fd, &(uint64_t){1}, sizeof(uint64_t)) != sizeof(uint64_t))
        die("the mailbox broke: %s", strerror(errno));
    while (sem_wait(&mailbox_done) < 0)
        ;
}

/* A link's end is a pure wire: without this the kernel adds its own neighbour discovery to what the node receives. */
static void silence(const char *ifname)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
    FILE *file = fopen(path, "w"); /* absent where the kernel has no IPv6 */
    if (file) {
        fputc('1', file);
        fclose(file);
    }
}

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static bool interface_up(int fd, const char *ifname, int *index)
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, IFNAMSIZ, "%s", ifname);
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
        return complain("%s: %s", ifname, strerror(errno));
    *index = request.ifr_ifindex;
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0 || !(request.ifr_flags & IFF_UP))
        return complain("%s: the interface is down; set it up first", ifname);
    return true;
}

/* Returns a packet socket on the interface, or -1 with a complaint. */
static int open_end(const char *ifname)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: deaf until bound */
    if (fd >= 0 && !interface_up(fd, ifname, &address.sll_ifindex)) {
        close(fd);
        return -1;
    }
    if (fd < 0 || !set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1) ||
        !set_option(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1) || !set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1) ||
        (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) &&
         !set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        complain("%s: %s", ifname, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    silence(ifname);
    return fd;
}

static void set_up_directions(struct link *link, const int fds[2])
{
    /* FNV-1a of the name: what a link draws depends on the seed and on itself alone. */
    uint64_t stream = 0xcbf29ce484222325;
    for (const char *c = link->name; *c; c++)
        stream = (stream ^ (uint8_t)*c) * 0x100000001b3;
    for (int i = 0; i < 2; i++) {
        struct direction *d = &link->direction[i];
        d->link = link;
        d->rx_fd = fds[i];
        d->tx_fd = fds[!i];
        d->rx_ifname = link->ifname[i];
        d->tx_ifname = link->ifname[!i];
        d->tail = &d->head;
        d->slot = NOT_QUEUED;
        d->random = stream ^ (seed * 2 + (uint64_t)i);
    }
    atomic_store(&link->up, true);
}

/* Returns a link whose sockets are open, or NULL with a complaint. */
static struct link *open_link(const char *name, const char *a, const char *b)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        die("out of memory");
    int fds[2] = {open_end(a), -1};
    if (fds[0] < 0 || (fds[1] = open_end(b)) < 0) {
        if (fds[0] >= 0)
            close(fds[0]);
        free(link);
        return NULL;
    }
    snprintf(link->name, sizeof link->name, "%s", name);
    snprintf(link->ifname[0], IFNAMSIZ, "%s", a);
    snprintf(link->ifname[1], IFNAMSIZ, "%s", b);
    set_up_directions(link, fds);
    return link;
}

static bool interfaces_free(const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return complain("%s: a link has two different ends", a);
    for (const struct link *link = links; link; link = link->next)
        for (int i = 0; i < 2; i++)
            if (atomic_load(&link->up) && (strcmp(link->ifname[i], a) == 0 || strcmp(link->ifname[i], b) == 0))
                return complain("%s: already an end of link %s", link->ifname[i], link->name);
    return true;
}

static bool add_link(struct object *request, FILE *reply)
{
    (void)reply;
    struct command command = {.kind = ADD};
    const char *name = want_name(request, "name", MAX_NAME);
    const char *a = name ? want_name(request, "a", IFNAMSIZ - 1) : NULL;
    const char *b = a ? want_name(request, "b", IFNAMSIZ - 1) : NULL;
    if (!b || !want_profiles(request, command.profile) || !all_used(request))
        return false;
    size_t count = 0;
    struct link **end = &links;
    for (; *end; end = &(*end)->next, count++)
        if (strcmp((*end)->name, name) == 0)
            return complain("a link of this name exists; remove it first");
    if (count == MAX_LINKS)
        return complain("this would be more than %d links", MAX_LINKS);
    if (!interfaces_free(a, b))
        return false;
    command.link = open_link(name, a, b);
    if (!command.link)
        return false;
    *end = command.link;
    command_data_thread(&command);
    return true;
}

static struct link *want_link(struct object *request)
{
    const char *name = want_name(request, "name", MAX_NAME);
    struct link *link = name ? find_link(name) : NULL;
    if (name && !link)
        complain("there is no link of this name");
    return link;
}

static bool change_link(struct object *request, FILE *reply)
{
    (void)reply;
    struct command command = {.kind = CHANGE, .link = want_link(request)};
    if (!command.link || !want_profiles(request, command.profile) || !all_used(request))
        return false;
    if (!atomic_load(&command.link->up))
        return complain("the link is down: %s or %s has gone or was set down", command.link->ifname[0],
                        command.link->ifname[1]);
    command_data_thread(&command);
    return true;
}

static void *close_ends(void *argument)
{
    struct link *link = argument;
    close(link->direction[A_TO_B].rx_fd);
    close(link->direction[B_TO_A].rx_fd);
    free(link);
    return NULL;
}

static bool remove_link(struct object *request, FILE *reply)
{
    (void)reply;
    struct command command = {.kind = REMOVE, .link = want_link(request)};
    if (!command.link || !all_used(request))
        return false;
    command_data_thread(&command);
    struct link **at = &links;
    while (*at != command.link)
        at = &(*at)->next;
    *at = command.link->next;
    /* Closing a packet socket waits for a grace period, 1 to 12 ms: let those of many links pass side by side. */
    pthread_t closer;
    if (pthread_create(&closer, NULL, close_ends, command.link) == 0)
        pthread_detach(closer);
    else
        close_ends(command.link);
    return true;
}

/* ---- control thread: counters ---- */

static double bucket_middle_us(unsigned bucket)
{
    if (bucket < 8)
        return bucket / 1e3;
    unsigned shift = bucket / 8 - 1;
    return (double)((8ULL + bucket % 8) << shift) * 1e-3 + (double)(1ULL << shift) * 0.5e-3;
}

static void write_percentile(FILE *reply, const uint64_t histogram[BUCKETS], uint64_t total, double share)
{
    uint64_t rank = (uint64_t)ceil((double)total * share), seen = 0;
    unsigned bucket = 0;
    while (bucket < BUCKETS && (seen += histogram[bucket]) < rank)
        bucket++;
    if (total == 0)
        fputs("null", reply);
    else
        fprintf(reply, "%.3f", bucket_middle_us(bucket));
}

/* What the kernel had no room for since the socket was opened: the option reads and resets. */
static void count_overruns(struct direction *d)
{
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof stats;
    if (getsockopt(d->rx_fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        d->overruns += stats.tp_drops;
}

static void write_direction(FILE *reply, const char *key, struct direction *d)
{
    uint64_t histogram[BUCKETS], total = 0;
    for (int i = 0; i < BUCKETS; i++)
        total += histogram[i] = atomic_load_explicit(&d->counters.lateness[i], memory_order_relaxed);
    count_overruns(d);
    fprintf(reply,
            ",\"%s\":{\"packets\":%lu,\"bytes\":%lu,\"dropped_loss\":%lu,\"dropped_queue\":%lu,"
            "\"dropped_error\":%lu",
            key, atomic_load(&d->counters.packets), atomic_load(&d->counters.bytes),
            atomic_load(&d->counters.dropped_loss), atomic_load(&d->counters.dropped_queue),
            atomic_load(&d->counters.dropped_error) + d->overruns);
    fputs(",\"lateness_us_p50\":", reply);
    write_percentile(reply, histogram, total, 0.50);
    fputs(",\"lateness_us_p99\":", reply);
    write_percentile(reply, histogram, total, 0.99);
    fputc('}', reply);
}

static bool write_counters(struct object *request, FILE *reply)
{
    if (!all_used(request))
        return false;
    fputs(",\"links\":[", reply);
    for (struct link *link = links; link; link = link->next) {
        fprintf(reply, "%s{\"name\":\"%s\",\"up\":%s", link == links ? "" : ",", link->name,
                atomic_load(&link->up) ? "true" : "false");
        write_direction(reply, "a_to_b", &link->direction[A_TO_B]);
        write_direction(reply, "b_to_a", &link->direction[B_TO_A]);
        fputc('}', reply);
    }
    fputc(']', reply);
    return true;
}

/* ---- control thread: requests and clients ---- */

static const struct {
    const char *name;
    bool (*handle)(struct object *request, FILE *reply);
} OPERATIONS[] = {
    {"add", add_link}, {"change", change_link}, {"remove", remove_link}, {"counters", write_counters}};

static bool handle_request(char *line, FILE *reply)
{
    struct object request = {0};
    const char *operation = read_object(line, &request) ? want_name(&request, "op", 16) : NULL;
    if (!operation)
        return false;
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++)
        if (strcmp(OPERATIONS[i].name, operation) == 0)
            return OPERATIONS[i].handle(&request, reply);
    return complain("op: want add, change, remove or counters");
}

struct client {
    int fd; /* -1: free */
    size_t used;
    char line[4096];
};

/* False when the client is gone, or did not read its reply within the socket's time limit. */
static bool answer(int fd, char *line)
{
    char *text = NULL;
    size_t size = 0;
    FILE *reply = open_memstream(&text, &size);
    fputs("{\"ok\":true", reply);
    if (!handle_request(line, reply)) {
        rewind(reply);
        fprintf(reply, "{\"ok\":false,\"error\":\"%s\"", complaint);
    }
    fputs("}\n", reply);
    fclose(reply);
    size_t sent = 0;
    while (sent < size) {
        ssize_t count = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EINTR)
            break;
        sent += count > 0 ? (size_t)count : 0;
    }
    free(text);
    return sent == size;
}

/* Reads what is there and answers every complete line; false when this client is done with. */
static bool serve_client(struct client *client)
{
    ssize_t count = recv(client->fd, client->line + client->used, sizeof client->line - 1 - client->used, MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    client->used += (size_t)count;
    char *start = client->line, *newline;
    while ((newline = memchr(start, '\n', client->used - (size_t)(start - client->line)))) {
        *newline = '\0';
        char *line = start;
        start = newline + 1;
        if (!answer(client->fd, line))
            return false;
    }
    client->used -= (size_t)(start - client->line);
    memmove(client->line, start, client->used);
    if (client->used == sizeof client->line - 1 || (count == 0 && client->used > 0)) {
        answer(client->fd, strcpy(client->line, "a line that is too long, or that does not end"));
        return false;
    }
    return count > 0;
}

static void print_notice(void)
{
    struct notice notice;
    if (read(notice_fd[0], &notice, sizeof notice) == sizeof notice)
        printf("{\"event\":\"link-down\",\"t\":%.6f,\"link\":\"%s\",\"ifname\":\"%s\"}\n", (double)clock_ns() / 1e9,
               notice.link, notice.ifname);
}

static void accept_client(int listener, struct client *clients, size_t count)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < count; i++) {
        if (clients[i].fd < 0) {
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = 1}, sizeof(struct timeval));
            clients[i].fd = fd;
            clients[i].used = 0;
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

static void serve_control(int listener, int terminated)
{
    enum { CLIENTS = 8 };
    static struct client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    for (;;) {
        struct pollfd polled[CLIENTS + 3] = {
            {terminated, POLLIN, 0}, {notice_fd[0], POLLIN, 0}, {listener, POLLIN, 0}};
        for (int i = 0; i < CLIENTS; i++)
            polled[3 + i] = (struct pollfd){clients[i].fd, POLLIN, 0};
        if (poll(polled, CLIENTS + 3, -1) < 0)
            continue;
        if (polled[0].revents)
            return;
        if (polled[1].revents)
            print_notice();
        for (int i = 0; i < CLIENTS; i++) {
            if (polled[3 + i].revents && !serve_client(&clients[i])) {
                close(clients[i].fd);
                clients[i].fd = -1;
            }
        }
        if (polled[2].revents)
            accept_client(listener, clients, CLIENTS);
    }
}

/* ---- start and stop ---- */

static int listen_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        die("%s: want a path of at most %zu characters", path, sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    umask(0077);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0)
        die("%s: %s", path, strerror(errno));
    return fd;
}

/* Returns true if the data thread goes before ordinary processes. */
static bool start_data_thread(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    mailbox_fd = eventfd(0, EFD_CLOEXEC);
    if (epoll_fd < 0 || timer_fd < 0 || mailbox_fd < 0 || pipe2(notice_fd, O_NONBLOCK | O_CLOEXEC) < 0)
        die("%s", strerror(errno));
    sem_init(&mailbox_done, 0, 0);
    /* Edge-triggered: setting the timer anew is all the acknowledgement that it needs. */
    struct epoll_event on_timer = {.events = EPOLLIN | EPOLLET, .data.ptr = &timer_fd};
    struct epoll_event on_command = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &on_timer);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, mailbox_fd, &on_command);

    pthread_t thread;
    int error = pthread_create(&thread, NULL, data_thread, NULL);
    if (error)
        die("%s", strerror(error));
    return pthread_setschedparam(thread, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) == 0;
}

static void close_all(void)
{
    pthread_t closers[MAX_LINKS];
    size_t count = 0;
    for (struct link *link = links, *next; link; link = next) {
        next = link->next;
        command_data_thread(&(struct command){.kind = REMOVE, .link = link});
        if (pthread_create(&closers[count], NULL, close_ends, link) == 0)
            count++;
    }
    while (count > 0)
        pthread_join(closers[--count], NULL);
}

static double number_argument(const char *name, const char *text, double highest)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= highest))
        die("--%s: got \"%s\"; want a number from 0 to %.0f", name, text, highest);
    return value;
}

static void allow_many_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

#define USAGE "usage: wire --control PATH [--seed N] [--spin-us US]"

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"control", required_argument, NULL, 'c'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"spin-us", required_argument, NULL, 'u'},
                                            {NULL, 0, NULL, 0}};
    const char *path = NULL;
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (option == 'c')
            path = optarg;
        else if (option == 's')
            seed = (uint64_t)number_argument("seed", optarg, 0x1p53);
        else if (option == 'u')
            spin_ns = (int64_t)(number_argument("spin-us", optarg, 1e4) * 1e3);
        else
            die(USAGE);
    }
    if (!path || optind != argc)
        die(USAGE);

    setvbuf(stdout, NULL, _IOLBF, 0);
    allow_many_files();
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    int terminated = signalfd(-1, &signals, SFD_CLOEXEC);

    bool realtime = start_data_thread();
    int listener = listen_on(path);
    printf("{\"event\":\"ready\",\"t\":%.6f,\"realtime\":%s}\n", (double)clock_ns() / 1e9, realtime ? "true" : "false");
    serve_control(listener, terminated);
    unlink(path);
    close_all();
    return 0;
}
