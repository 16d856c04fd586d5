/* The data thread: receives what has come, impairs it, sends what is due, and waits no longer than it must. */
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

#define BATCH 32       /* frames read or written per system call */
#define SEND_BUDGET 64 /* frames sent before we look at arrivals again */
#define SMALL 2048     /* frames that are copied out of the buffer that they were received in */

int64_t spin_ns = 60 * 1000; /* by measurement: 100 costs half as much CPU again and gains nothing, 20 is late */
int notice_fd;

static int epoll_fd, timer_fd, mailbox_fd, notice_end;
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

/* A descriptor in error stays readable for ever and would keep this thread, at its priority, on a core of its own. */
static void interface_gone(struct link *link, const char *ifname)
{
    struct notice notice = {0};
    memcpy(notice.link, link->name, sizeof notice.link);
    memcpy(notice.ifname, ifname, sizeof notice.ifname);
    take_down(link);
    if (write(notice_end, &notice, sizeof notice) < 0) {
        /* The pipe is full: thousands of links died at once. `up` in the counters still says so. */
    }
}

static bool means_gone(int error)
{
    return error == ENETDOWN || error == ENXIO || error == ENODEV;
}

/* ---- arrivals: in the order in which profile.py lists what happens to a packet ---- */

static struct packet *copy_of(const struct packet *packet)
{
    struct packet *copy = new_packet(packet->length);
    if (copy)
        memcpy(copy, packet, sizeof *packet + packet->length);
    return copy;
}

static void enter_line(struct direction *d, struct packet *packet)
{
    if (d->profile.corrupt > 0 && packet->length > 14 && uniform(&d->random) < d->profile.corrupt) {
        flip_bit(packet, random_below(&d->random, (packet->length - 14) * 8UL));
        bump(&d->counters.corrupted, 1);
    }
    d->backlog += packet->length;
    if (d->backlog > MAX_BACKLOG)
        discard(d, packet, &d->counters.dropped_queue);
    else if (d->profile.rate_bps > 0 || d->waiting.head)
        line_enqueue(d, packet);
    else
        launch(d, packet, packet->stamp);
}

static void packet_arrived(struct direction *d, struct packet *packet)
{
    if (draw_loss(d)) {
        bump(&d->counters.dropped_loss, packet->wire_packets);
        free(packet);
        return;
    }
    if (d->profile.duplicate > 0 && uniform(&d->random) < d->profile.duplicate) {
        struct packet *copy = copy_of(packet);
        if (copy) {
            bump(&d->counters.duplicated, 1);
            enter_line(d, copy);
        }
    }
    enter_line(d, packet);
}

static bool acts_on_packets(const struct profile *profile)
{
    return profile->loss > 0 || profile->p > 0 || profile->r > 0 || profile->trace_size || profile->duplicate > 0 ||
           profile->corrupt > 0 || profile->rate_bps > 0 || profile->reorder;
}

/* A super-packet below two IP headers cannot be handed back to the kernel: a virtio-net header has room for one. */
static void super_packet_arrived(struct direction *d, struct packet *packet)
{
    struct layout layout;
    if (!read_layout(packet, &layout)) {
        bump(&d->counters.dropped_error, 1);
        free(packet);
        return;
    }
    if (layout.layers == 1 && !acts_on_packets(&d->profile)) {
        uint32_t size = packet->offload.gso_size;
        packet->wire_packets = (packet->length - layout.payload + size - 1) / size;
        packet->wire_bytes = packet->length + (packet->wire_packets - 1) * layout.payload;
        packet_arrived(d, packet);
        return;
    }
    struct packet *segment;
    for (uint32_t number = 0; (segment = cut_segment(packet, &layout, number)); number++)
        packet_arrived(d, segment);
    free(packet);
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

/* Takes the frame out of the buffer that it was received in, or the buffer itself, cut to size, where that is cheaper. */
static struct packet *take(struct packet **buffer, uint32_t length)
{
    struct packet *packet;
    if (length <= SMALL) {
        packet = new_packet(length);
        if (packet)
            memcpy(&packet->offload, &(*buffer)->offload, sizeof packet->offload + length);
        return packet;
    }
    packet = realloc(*buffer, sizeof *packet + length);
    *buffer = NULL;
    packet->length = packet->wire_bytes = length;
    packet->wire_packets = 1;
    return packet;
}

static void frame_arrived(struct direction *d, struct packet *packet, int64_t stamp)
{
    packet->stamp = stamp;
    packet->offload.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
    if (packet->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        super_packet_arrived(d, packet);
    else
        packet_arrived(d, packet);
}

static struct mmsghdr *fresh_messages(struct packet *buffers[BATCH])
{
    static struct iovec vectors[BATCH];
    static _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; i < BATCH; i++) {
        if (!buffers[i] && !(buffers[i] = malloc(sizeof **buffers + MAX_FRAME)))
            die("out of memory");
        vectors[i] = (struct iovec){(uint8_t *)buffers[i] + SENT_FROM, sizeof(struct virtio_net_hdr) + MAX_FRAME};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_control = control[i], .msg_controllen = sizeof control[i]};
    }
    return messages;
}

static void receive(struct direction *d)
{
    static struct packet *buffers[BATCH];
    struct mmsghdr *messages = fresh_messages(buffers);
    int count = recvmmsg(d->rx_fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0 && means_gone(errno)) {
        interface_gone(d->link, d->rx_ifname);
        return;
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR) /* a super-packet of a kind that has no virtio-net header */
        bump(&d->counters.dropped_error, 1);
    bool carrier = atomic_load_explicit(&d->link->carrier, memory_order_relaxed);
    for (int i = 0; i < count; i++) {
        uint32_t length = messages[i].msg_len - (uint32_t)sizeof(struct virtio_net_hdr);
        bool whole = carrier && !(messages[i].msg_hdr.msg_flags & MSG_TRUNC);
        struct packet *packet = whole ? take(&buffers[i], length) : NULL;
        if (packet)
            frame_arrived(d, packet, receive_stamp(&messages[i].msg_hdr));
        else
            bump(&d->counters.dropped_error, 1);
    }
    reschedule(d);
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
    int sent = sendmmsg(d->tx_fd, messages, (unsigned)count, MSG_DONTWAIT);
    return sent;
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

static void carry_out(struct command *command)
{
    struct link *link = command->link;
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
        receive(d);
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
