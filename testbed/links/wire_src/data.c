/* The data thread: sends what is due, has received what has come, and waits no longer than it must. */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SEND_BUDGET 64        /* frames sent before we look at arrivals again */
#define BUSY 100              /* frames in RATE_WINDOW from which on we take many at a time */
#define RATE_WINDOW 10000000  /* ns */
#define NAP 20000             /* ns; waking up takes as long again */
#define LONGEST_SHIFT 1000000 /* ns at work without a nap */

int64_t spin_ns = 60 * 1000; /* by measurement: 100 costs half as much CPU again and gains nothing, 20 is late */
int notice_fd;

static int epoll_fd, timer_fd, mailbox_fd, notice_end;
static uint32_t window_frames; /* received since the window began */
static bool more_waiting;      /* frames that the last batch had no room for */
static struct command *mailbox;
static sem_t mailbox_done;

/* ---- a link's end ---- */

static void take_down(struct link *link)
{
    atomic_store(&link->alive, false);
    for (int i = 0; i < 2; i++) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, link->direction[i].rx_fd, NULL);
        discard_all(&link->direction[i]);
    }
}

/*
 * A descriptor in error stays readable for ever and would keep this thread, at its priority, on a core of its own. Where
 * the link was cut on purpose the error is gone once it was read, and the socket hears again when the link is mended.
 */
void interface_gone(struct link *link, const char *ifname)
{
    if (!atomic_load(&link->carrier))
        return;
    struct notice notice = {0};
    memcpy(notice.link, link->name, sizeof notice.link);
    memcpy(notice.ifname, ifname, sizeof notice.ifname);
    take_down(link);
    if (write(notice_end, &notice, sizeof notice) < 0) {
        /* The pipe is full: thousands of links died at once. `up` in the counters still says so. */
    }
}

bool means_gone(int error)
{
    return error == ENETDOWN || error == ENXIO || error == ENODEV;
}

/* ---- departures ---- */

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 8)
        return (unsigned)ns;
    unsigned log = 63 - (unsigned)__builtin_clzll(ns);
    return (log - 2) * 8 + (unsigned)(ns >> (log - 3) & 7);
}

/* Returns how many were sent; errno says why it is not all. */
static int transmit(struct direction *d, struct packet *const packets[], int count)
{
    static struct iovec vectors[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){&packets[i]->offload, sizeof(struct virtio_net_hdr) + packets[i]->length};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    return sendmmsg(d->tx_fd, messages, (unsigned)count, MSG_DONTWAIT);
}

static void count_sent(struct direction *d, const struct packet *packet, int64_t at)
{
    bump(&d->counters.packets, packet->wire_packets);
    bump(&d->counters.bytes, packet->wire_bytes);
    bump(&d->counters.lateness[bucket_of((uint64_t)MAX(at - packet->due, 0))], 1);
}

/* Sends all, or takes the link down. A batch takes its time, which is its later packets' lateness. */
static void send_all(struct direction *d, struct packet *const packets[], int count, int64_t from)
{
    bool gone = false;
    for (int done = 0; done < count && !gone;) {
        int sent = transmit(d, packets + done, count - done);
        if (sent <= 0) {
            gone = means_gone(errno);
            bump(&d->counters.dropped_error, 1);
            done++;
            continue;
        }
        int64_t each = count > 1 ? (clock_ns() - from) / (done + sent) : 0;
        for (int i = done; i < done + sent; i++)
            count_sent(d, packets[i], from + each * i);
        done += sent;
    }
    for (int i = 0; i < count; i++)
        free(packets[i]);
    if (gone)
        interface_gone(d->link, d->tx_ifname);
}

/* Send what is due; returns when the next frame is. */
static int64_t send_due(void)
{
    struct direction *d = next_direction();
    for (int budget = SEND_BUDGET; d && budget > 0; d = next_direction()) {
        int64_t now = clock_ns();
        if (d->next_event > now)
            break;
        struct packet *due[BATCH];
        int count = 0;
        line_run(d, now);
        while (count < BATCH && (due[count] = land(d, now)))
            count++;
        reschedule(d);
        budget -= count;
        if (count)
            send_all(d, due, count, now);
    }
    return d ? d->next_event : NEVER;
}

/* ---- commands ---- */

static bool same_trace(const struct profile *a, const struct profile *b)
{
    return a->trace_size == b->trace_size && (!a->trace_size || !memcmp(a->trace, b->trace, a->trace_size));
}

static void swap_profile(struct direction *d, struct profile *with)
{
    struct profile old = d->profile;
    if (!same_trace(&old, with))
        d->trace_at = 0;
    if (with->p == 0 && with->r == 0)
        d->bad = false;
    if (old.discipline != with->discipline)
        d->codel = (struct codel){0};
    d->profile = *with;
    *with = old;
    reschedule(d);
}

/* What the sockets have to say of the time when the link was cut. */
static void forget_errors(struct link *link)
{
    for (int i = 0; i < 2; i++) {
        int error;
        socklen_t size = sizeof error;
        getsockopt(link->direction[i].rx_fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
}

static void carry_out(struct command *command)
{
    struct link *link = command->link;
    if (command->kind == UP)
        forget_errors(link);
    if (command->kind == UP || command->kind == DOWN)
        atomic_store(&link->carrier, command->kind == UP);
    if (command->kind == REMOVE && atomic_load(&link->alive))
        take_down(link);
    for (int i = 0; i < 2; i++) {
        struct direction *d = &link->direction[i];
        if (command->kind == DOWN)
            discard_all(d);
        if (command->kind == CHANGE)
            swap_profile(d, &command->profile[i]);
        if (command->kind == ADD)
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, d->rx_fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = d});
    }
}

void command_data_thread(struct command *command)
{
    mailbox = command;
    if (write(mailbox_fd, &(uint64_t){1}, sizeof(uint64_t)) != sizeof(uint64_t))
        die("the mailbox broke: %s", strerror(errno));
    while (sem_wait(&mailbox_done) < 0)
        ;
}

/* ---- the loop ---- */

static void set_timer(int64_t at)
{
    static int64_t armed;
    if (at == armed)
        return;
    armed = at;
    struct itimerspec when = {.it_value = {at / 1000000000, at % 1000000000}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void count_received(int frames)
{
    window_frames += (uint32_t)frames;
    more_waiting |= frames == BATCH;
}

/* An error of the socket is either an interface that has gone, or one frame that could not be read. */
static void end_ready(struct direction *d, uint32_t events)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (events & EPOLLERR)
        getsockopt(d->rx_fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (events & EPOLLHUP || means_gone(error))
        interface_gone(d->link, d->rx_ifname);
    else if (error)
        bump(&d->counters.dropped_error, 1);
    else
        count_received(receive(d));
}

/*
 * From 10,000 frames a second on, spinning before each would take a whole core from those who send and receive them,
 * and reading each as it comes nearly another. So we nap, and take what has come and what is due by then in batches.
 */
static bool busy(int64_t now)
{
    static int64_t window_began;
    static bool is_busy;
    if (now - window_began >= RATE_WINDOW) {
        is_busy = window_frames >= (double)(now - window_began) * BUSY / RATE_WINDOW;
        window_frames = 0;
        window_began = now;
    }
    return is_busy;
}

/*
 * Where a batch came full, more is waiting, and a nap would only cost rate. But a real-time thread should not keep others
 * off its core for long: better often and briefly than when the kernel's fair server insists (ADR 6 has the figures).
 */
static bool wants_nap(int64_t now, int64_t due, int64_t rested)
{
    return (due > now && !more_waiting) || now - rested > LONGEST_SHIFT;
}

static void nap(int64_t now)
{
    struct timespec until = {(now + NAP) / 1000000000, (now + NAP) % 1000000000};
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
}

/* Wait for arrivals, a command, or for the time to spin: then return at once, so that the caller's loop is the spin. */
static bool wait_until(int64_t due)
{
    static int64_t rested;
    struct epoll_event events[64];
    int64_t now = clock_ns();
    bool many = busy(now), spin = due != NEVER && due - spin_ns <= now, commanded = false;
    if (many && wants_nap(now, due, rested)) {
        nap(now);
        rested = clock_ns();
    } else if (!many && !spin && due != NEVER) {
        set_timer(due - spin_ns);
    }
    int count = epoll_wait(epoll_fd, events, 64, many || spin ? 0 : -1);
    more_waiting = false;
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &timer_fd)
            continue;
        struct direction *d = events[i].data.ptr;
        if (!d)
            commanded = true;
        else if (atomic_load_explicit(&d->link->alive, memory_order_relaxed)) /* its other end may just have gone */
            end_ready(d, events[i].events);
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

static void watch(int fd, uint32_t events, void *what)
{
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = events, .data.ptr = what});
}

bool start_data_thread(void)
{
    int notices[2];
    /* Memory that was used once is kept: giving it back and asking again costs more than sending the frame. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    mailbox_fd = eventfd(0, EFD_CLOEXEC);
    if (epoll_fd < 0 || timer_fd < 0 || mailbox_fd < 0 || pipe2(notices, O_NONBLOCK | O_CLOEXEC) < 0)
        die("%s", strerror(errno));
    notice_fd = notices[0];
    notice_end = notices[1];
    sem_init(&mailbox_done, 0, 0);
    watch(timer_fd, EPOLLIN | EPOLLET, &timer_fd); /* edge-triggered: setting it anew is all the acknowledgement */
    watch(mailbox_fd, EPOLLIN, NULL);

    pthread_t thread;
    int error = pthread_create(&thread, NULL, data_thread, NULL);
    if (error)
        die("%s", strerror(error));
    return pthread_setschedparam(thread, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) == 0;
}
