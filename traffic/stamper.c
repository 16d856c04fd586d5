/*
 * stamper: sends, answers and stamps STAMP packets (RFC 8762, unauthenticated mode) on UDP sockets that it is given.
 *
 * Its client (stamper.py) opens the sockets, says what is to be sent and when, and makes sense of what comes back. Here
 * is only what is done for each packet, since in Python that costs ten times the processor.
 *
 * Standard input is a SOCK_SEQPACKET socket. A request is a `struct request`, with a socket (SCM_RIGHTS) if one is to be
 * opened, with probes if some are to be exchanged. The latter is answered by the times at which they left, and by the
 * replies to those before, in one message or more. All is in the host's byte order; times are Unix nanoseconds.
 *
 * Replies wait in their sockets, stamped by the kernel as they come, until the next exchange: nobody wakes for them.
 * Probes that come are answered a little later than they could be, several by one wake-up: what a packet waits here is
 * between its own two time stamps, and no part of a delay.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL
#define NTP_UNIX_OFFSET_S 2208988800LL /* from 1900-01-01 to 1970-01-01 (RFC 868) */
#define COALESCE_NS 1000000
#define MOST_ENDS 65536
#define MOST_SESSIONS 128 /* of a reflector: more than there are DSCPs */
#define MOST_PROBES 4096  /* of a request */
#define MOST_RECORDS 1000 /* of a message */
#define MOST_PACKETS 64   /* taken from a socket at a time: a flood must not keep the others waiting */
#define REQUESTS MOST_ENDS

enum kind { SENDER = 1, REFLECTOR, CLOSE, EXCHANGE };

struct request {
    uint32_t kind, id;
};

struct probe {
    uint32_t id, sequence;
};

/* A probe that left (`sent` alone), or the reply to one: its four times, and the reflector's number. */
struct record {
    uint32_t id, sequence, number, is_reply;
    int64_t sent, received_there, sent_there, received;
};

struct message {
    uint64_t more; /* another one follows */
    struct record records[MOST_RECORDS];
};

/* What a probe and a reply have on the wire (§4.2.1, §4.3.1). */
struct stamp_packet {
    uint32_t sequence;
    uint64_t timestamp;
    uint16_t error;
    uint16_t mbz1;
    uint64_t received;
    uint32_t sender_sequence;
    uint64_t sender_timestamp;
    uint16_t sender_error;
    uint16_t mbz2;
    uint8_t sender_ttl;
    uint8_t mbz3[3];
} __attribute__((packed));

_Static_assert(sizeof(struct stamp_packet) == 44, "RFC 8762 §4.2.1");

struct session {
    struct sockaddr_storage peer;
    uint32_t next;
};

struct end {
    int fd; /* -1: closed */
    struct session *sessions; /* of a reflector, the latest first; NULL: a sender */
};

struct arrival {
    struct sockaddr_storage peer;
    socklen_t peer_length;
    int64_t at;
    size_t length;
    uint8_t ttl, tos;
    union {
        struct stamp_packet packet;
        uint8_t octets[65536];
    };
};

static struct end ends[MOST_ENDS];
static int replies, arrivals; /* epoll: senders, and reflectors with the requests */
static uint16_t error_estimate;

static void die(const char *what)
{
    fprintf(stderr, "stamper: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

/* As stamp.py has it: rounded up, so that `unix_of` gives the same nanosecond back. */
static uint64_t ntp_of(int64_t unix_ns)
{
    uint64_t fraction = ((uint64_t)(unix_ns % NS) << 32) + NS - 1;
    return (uint64_t)(unix_ns / NS + NTP_UNIX_OFFSET_S) << 32 | fraction / NS;
}

static int64_t unix_of(uint64_t ntp)
{
    int64_t seconds = (int64_t)(ntp >> 32);
    if (seconds < 1LL << 31)
        seconds += 1LL << 32; /* RFC 4330 §3 */
    return (seconds - NTP_UNIX_OFFSET_S) * NS + (int64_t)((ntp & UINT32_MAX) * NS >> 32);
}

/* The next STAMP packet that waits; false if there is none. */
static bool receive(int fd, struct arrival *arrival)
{
    for (;;) {
        char control[256];
        struct iovec into = {arrival->octets, sizeof arrival->octets};
        struct msghdr message = {.msg_name = &arrival->peer,
                                 .msg_namelen = sizeof arrival->peer,
                                 .msg_iov = &into,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
        if (length < 0)
            return false; /* none waits, or an error came back instead */
        if (length < (ssize_t)sizeof arrival->packet)
            continue; /* no STAMP packet */
        arrival->length = (size_t)length;
        arrival->peer_length = message.msg_namelen;
        arrival->at = 0;
        arrival->ttl = arrival->tos = 0;
        for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
            if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_TIMESTAMPNS) {
                struct timespec at;
                memcpy(&at, CMSG_DATA(each), sizeof at);
                arrival->at = at.tv_sec * NS + at.tv_nsec;
            } else if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TOS) {
                arrival->tos = *CMSG_DATA(each);
            } else {
                int value; /* the TTL, or of IPv6 the hop limit or the traffic class */
                memcpy(&value, CMSG_DATA(each), sizeof value);
                *(each->cmsg_type == IPV6_TCLASS ? &arrival->tos : &arrival->ttl) = (uint8_t)value;
            }
        }
        return true;
    }
}

/* The number of a session's next reply (§4.3). The session that has been silent longest makes room for a new one. */
static uint32_t next_number(struct session *sessions, const struct sockaddr_storage *peer, socklen_t length)
{
    struct session found = {.next = 0};
    memcpy(&found.peer, peer, length);
    size_t place = 0;
    while (place < MOST_SESSIONS - 1 && memcmp(&sessions[place].peer, &found.peer, sizeof found.peer) != 0)
        place++;
    if (memcmp(&sessions[place].peer, &found.peer, sizeof found.peer) == 0)
        found.next = sessions[place].next;
    uint32_t number = found.next++;
    memmove(sessions + 1, sessions, place * sizeof *sessions);
    sessions[0] = found;
    return number;
}

/* A reply has the length and the DSCP of its probe. */
static void reflect(const struct end *end, struct arrival *arrival)
{
    struct stamp_packet *packet = &arrival->packet;
    packet->sender_sequence = packet->sequence;
    packet->sender_timestamp = packet->timestamp;
    packet->sender_error = packet->error;
    packet->sender_ttl = arrival->ttl;
    packet->mbz1 = packet->mbz2 = 0;
    memset(packet->mbz3, 0, sizeof packet->mbz3);
    packet->sequence = htobe32(next_number(end->sessions, &arrival->peer, arrival->peer_length));
    packet->error = htobe16(error_estimate);
    packet->received = htobe64(ntp_of(arrival->at));

    bool ipv6 = arrival->peer.ss_family == AF_INET6;
    int class = arrival->tos;
    char control[CMSG_SPACE(sizeof class)] = {0};
    struct iovec from = {arrival->octets, arrival->length};
    struct msghdr message = {.msg_name = &arrival->peer,
                             .msg_namelen = arrival->peer_length,
                             .msg_iov = &from,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *mark = CMSG_FIRSTHDR(&message);
    *mark = (struct cmsghdr){CMSG_LEN(sizeof class), ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_TCLASS : IP_TOS};
    memcpy(CMSG_DATA(mark), &class, sizeof class);
    packet->timestamp = htobe64(ntp_of(now_ns()));
    sendmsg(end->fd, &message, MSG_DONTWAIT); /* one that has no way back is lost */
}

static struct record send_probe(const struct probe *probe)
{
    int64_t now = now_ns();
    struct stamp_packet packet = {.sequence = htobe32(probe->sequence),
                                  .timestamp = htobe64(ntp_of(now)),
                                  .error = htobe16(error_estimate)};
    send(ends[probe->id].fd, &packet, sizeof packet, MSG_DONTWAIT); /* one that cannot be sent is lost */
    return (struct record){.id = probe->id, .sequence = probe->sequence, .sent = now};
}

static struct record reply_of(uint32_t id, const struct arrival *arrival)
{
    const struct stamp_packet *packet = &arrival->packet;
    return (struct record){.id = id,
                           .is_reply = 1,
                           .sequence = be32toh(packet->sender_sequence),
                           .number = be32toh(packet->sequence),
                           .sent = unix_of(be64toh(packet->sender_timestamp)),
                           .received_there = unix_of(be64toh(packet->received)),
                           .sent_there = unix_of(be64toh(packet->timestamp)),
                           .received = arrival->at};
}

/* Messages to the client, each sent when it is full. */
static struct message message;
static size_t recorded;

static void flush(bool more)
{
    message.more = more;
    size_t length = offsetof(struct message, records) + recorded * sizeof *message.records;
    if (send(STDIN_FILENO, &message, length, MSG_NOSIGNAL) < 0)
        exit(0); /* the client has gone */
    recorded = 0;
}

static void record(struct record each)
{
    if (recorded == MOST_RECORDS)
        flush(true);
    message.records[recorded++] = each;
}

static void exchange(const struct probe *probes, size_t count)
{
    static struct arrival arrival;
    struct epoll_event ready[64];
    for (int count_ready = 64; count_ready == 64;) {
        count_ready = epoll_wait(replies, ready, 64, 0);
        for (int i = 0; i < count_ready; i++)
            for (int taken = 0; taken < MOST_PACKETS && receive(ends[ready[i].data.u32].fd, &arrival); taken++)
                record(reply_of(ready[i].data.u32, &arrival));
    }
    for (size_t i = 0; i < count; i++)
        record(send_probe(&probes[i]));
    flush(false);
}

static void open_end(uint32_t id, int fd, bool reflects)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = id};
    if (epoll_ctl(reflects ? arrivals : replies, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    ends[id] = (struct end){fd, reflects ? calloc(MOST_SESSIONS, sizeof(struct session)) : NULL};
    if (reflects && !ends[id].sessions)
        die("calloc");
}

static void close_end(uint32_t id)
{
    close(ends[id].fd);
    free(ends[id].sessions);
    ends[id] = (struct end){-1, NULL};
}

static void serve_request(void)
{
    static struct {
        struct request head;
        struct probe probes[MOST_PROBES];
    } request;
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec into = {&request, sizeof request};
    struct msghdr header = {
        .msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(STDIN_FILENO, &header, MSG_CMSG_CLOEXEC);
    if (length <= 0)
        exit(0); /* the client has gone */
    struct cmsghdr *given = CMSG_FIRSTHDR(&header);
    if (given) {
        int fd;
        memcpy(&fd, CMSG_DATA(given), sizeof fd);
        open_end(request.head.id, fd, request.head.kind == REFLECTOR);
    } else if (request.head.kind == CLOSE) {
        close_end(request.head.id);
    } else {
        exchange(request.probes, ((size_t)length - sizeof request.head) / sizeof *request.probes);
    }
}

/* Requests at once; probes that others send after a moment in which more of them come. */
static void serve(void)
{
    static struct arrival arrival;
    struct epoll_event ready[64];
    for (bool rested = false;;) {
        int count = epoll_wait(arrivals, ready, 64, rested ? 0 : -1);
        bool requested = false;
        for (int i = 0; i < count; i++)
            requested |= ready[i].data.u32 == REQUESTS;
        if (requested)
            serve_request(); /* which may close what else is ready */
        else if (count > 0 && !rested)
            nanosleep(&(struct timespec){0, COALESCE_NS}, NULL);
        else
            for (int i = 0; i < count; i++)
                for (int taken = 0; taken < MOST_PACKETS && receive(ends[ready[i].data.u32].fd, &arrival); taken++)
                    reflect(&ends[ready[i].data.u32], &arrival);
        rested = count > 0;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: stamper ERROR-ESTIMATE <SOCKET\n", stderr);
        return 2;
    }
    error_estimate = (uint16_t)strtoul(argv[1], NULL, 10);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    replies = epoll_create1(EPOLL_CLOEXEC);
    arrivals = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event requests = {.events = EPOLLIN, .data.u32 = REQUESTS};
    if (replies < 0 || arrivals < 0 || epoll_ctl(arrivals, EPOLL_CTL_ADD, STDIN_FILENO, &requests) < 0)
        die("epoll");
    serve();
}
