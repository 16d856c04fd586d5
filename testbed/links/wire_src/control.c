/*
 * The control socket: one JSON object per line, flat, answered by {"ok":true,...} or {"ok":false,"error":"..."}.
 *
 *      {"op":"add","name":N,"a":IF,"b":IF, PROFILES}      {"op":"change","name":N, PROFILES}
 *      {"op":"remove","name":N}                           {"op":"down","name":N}    {"op":"up","name":N}
 *      {"op":"counters"}
 *
 * PROFILES are a_to_b.<field> and b_to_a.<field>, the fields of profile.py with a dot before those of queue and
 * loss_bursts. What is left out has the default of profile.py, but a limited link must say how long its queue is.
 */
#define _GNU_SOURCE
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE (8 << 20) /* a table or trace of a hundred thousand entries in each direction */
#define CLIENTS 8

/* ---- operations ---- */

static struct link *want_link(struct object *request)
{
    const char *name = want_name(request, "name", MAX_NAME);
    struct link *link = name ? find_link(name) : NULL;
    if (name && !link)
        complain("there is no link of this name");
    return link;
}

static bool add_link(struct object *request, FILE *reply)
{
    (void)reply;
    struct profile profile[2] = {0};
    const char *name = want_name(request, "name", MAX_NAME);
    const char *a = name ? want_name(request, "a", IFNAMSIZ - 1) : NULL;
    const char *b = a ? want_name(request, "b", IFNAMSIZ - 1) : NULL;
    bool added = b && want_profiles(request, profile) && all_used(request) && open_link(name, a, b, profile);
    free_profile(&profile[A_TO_B]);
    free_profile(&profile[B_TO_A]);
    return added;
}

static bool alive(const struct link *link)
{
    return atomic_load(&link->alive) ||
           complain("the link is down: %s or %s has gone or was set down", link->ifname[0], link->ifname[1]);
}

static bool change_link(struct object *request, FILE *reply)
{
    (void)reply;
    struct command command = {.kind = CHANGE, .link = want_link(request)};
    bool good = command.link && want_profiles(request, command.profile) && all_used(request) && alive(command.link);
    if (good)
        command_data_thread(&command);
    free_profile(&command.profile[A_TO_B]);
    free_profile(&command.profile[B_TO_A]);
    return good;
}

static bool remove_link(struct object *request, FILE *reply)
{
    (void)reply;
    struct link *link = want_link(request);
    if (!link || !all_used(request))
        return false;
    close_link(link);
    return true;
}

/* The nodes at both ends see their carrier go and come, as with a fibre that is cut and mended. */
static bool set_carrier(struct object *request, int kind)
{
    struct link *link = want_link(request);
    if (!link || !all_used(request) || !alive(link))
        return false;
    if (kind == UP && !set_interfaces(link, true))
        return false;
    command_data_thread(&(struct command){.kind = kind, .link = link});
    return kind == UP || set_interfaces(link, false);
}

static bool set_down(struct object *request, FILE *reply)
{
    (void)reply;
    return set_carrier(request, DOWN);
}

static bool set_up(struct object *request, FILE *reply)
{
    (void)reply;
    return set_carrier(request, UP);
}

/* ---- counters ---- */

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

static void write_histogram(FILE *reply, const uint64_t histogram[BUCKETS])
{
    const char *separator = "";
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        if (histogram[bucket]) {
            fprintf(reply, "%s[%.3f,%" PRIu64 "]", separator, bucket_middle_us(bucket), histogram[bucket]);
            separator = ",";
        }
    }
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
    struct counters *c = &d->counters;
    uint64_t histogram[BUCKETS], total = 0;
    for (int i = 0; i < BUCKETS; i++)
        total += histogram[i] = atomic_load_explicit(&c->lateness[i], memory_order_relaxed);
    count_overruns(d);
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {{"packets", c->packets},
                  {"bytes", c->bytes},
                  {"dropped_loss", c->dropped_loss},
                  {"dropped_queue", c->dropped_queue},
                  {"dropped_error", c->dropped_error + d->overruns},
                  {"duplicated", c->duplicated},
                  {"corrupted", c->corrupted},
                  {"marked_ecn", c->marked_ecn}};
    fprintf(reply, ",\"%s\":{", key);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        fprintf(reply, "\"%s\":%" PRIu64 ",", fields[i].name, fields[i].value);
    fputs("\"lateness_us_p50\":", reply);
    write_percentile(reply, histogram, total, 0.50);
    fputs(",\"lateness_us_p99\":", reply);
    write_percentile(reply, histogram, total, 0.99);
    fputs(",\"lateness_us\":[", reply);
    write_histogram(reply, histogram);
    fputs("]}", reply);
}

static bool write_counters(struct object *request, FILE *reply)
{
    if (!all_used(request))
        return false;
    fputs(",\"links\":[", reply);
    for (struct link *link = links; link; link = link->next) {
        bool up = atomic_load(&link->alive) && atomic_load(&link->carrier);
        fprintf(reply, "%s{\"name\":\"%s\",\"up\":%s", link == links ? "" : ",", link->name, up ? "true" : "false");
        write_direction(reply, "a_to_b", &link->direction[A_TO_B]);
        write_direction(reply, "b_to_a", &link->direction[B_TO_A]);
        fputc('}', reply);
    }
    fputc(']', reply);
    return true;
}

/* ---- requests ---- */

static const struct {
    const char *name;
    bool (*handle)(struct object *request, FILE *reply);
} OPERATIONS[] = {{"add", add_link}, {"change", change_link}, {"remove", remove_link},
                  {"down", set_down}, {"up", set_up},         {"counters", write_counters}};

static bool handle_request(char *line, FILE *reply, struct object *request)
{
    const char *operation = read_object(line, request) ? want_name(request, "op", 16) : NULL;
    if (!operation)
        return false;
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++)
        if (strcmp(OPERATIONS[i].name, operation) == 0)
            return OPERATIONS[i].handle(request, reply);
    return complain("op: want add, change, remove, down, up or counters");
}

/* False when the client is gone, or did not read its reply within the socket's time limit. */
static bool send_reply(int fd, const char *text, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t count = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EINTR)
            return false;
        sent += count > 0 ? (size_t)count : 0;
    }
    return true;
}

static bool answer(int fd, char *line, size_t length)
{
    char *text = NULL;
    size_t size = 0;
    struct object request = {0};
    FILE *reply = open_memstream(&text, &size);
    if (!reply)
        die("out of memory");
    fputs("{\"ok\":true", reply);
    if (strlen(line) < length ? !complain("want text, without NUL") : !handle_request(line, reply, &request)) {
        rewind(reply);
        fprintf(reply, "{\"ok\":false,\"error\":\"%s\"", complaint);
    }
    fputs("}\n", reply);
    fclose(reply);
    clear_object(&request);
    bool sent = send_reply(fd, text, size);
    free(text);
    return sent;
}

/* ---- clients ---- */

struct client {
    int fd; /* -1: free */
    size_t used, room;
    char *line;
};

static void end_client(struct client *client)
{
    close(client->fd);
    free(client->line);
    *client = (struct client){.fd = -1};
}

static bool make_room(struct client *client)
{
    if (client->used + 1 < client->room)
        return true;
    size_t room = MAX(4096, 2 * client->room);
    char *grown = room <= MAX_LINE ? realloc(client->line, room) : NULL;
    if (!grown)
        return false;
    client->line = grown;
    client->room = room;
    return true;
}

/* Answers every complete line; false when this client is done with. */
static bool answer_lines(struct client *client)
{
    char *start = client->line, *newline;
    while ((newline = memchr(start, '\n', client->used - (size_t)(start - client->line)))) {
        *newline = '\0';
        char *line = start;
        start = newline + 1;
        if (!answer(client->fd, line, (size_t)(newline - line)))
            return false;
    }
    client->used -= (size_t)(start - client->line);
    memmove(client->line, start, client->used);
    return true;
}

/* The reply to what is no line; false, since this client is done with. */
static bool refuse(const struct client *client, const char *reply)
{
    send_reply(client->fd, reply, strlen(reply));
    return false;
}

static bool serve_client(struct client *client)
{
    if (!make_room(client))
        return refuse(client, "{\"ok\":false,\"error\":\"the line is too long\"}\n");
    ssize_t count = recv(client->fd, client->line + client->used, client->room - 1 - client->used, MSG_DONTWAIT);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR;
    client->used += (size_t)count;
    if (!answer_lines(client))
        return false;
    if (count == 0 && client->used > 0)
        return refuse(client, "{\"ok\":false,\"error\":\"the line does not end\"}\n");
    return count > 0;
}

static void accept_client(int listener, struct client *clients)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < CLIENTS; i++) {
        if (clients[i].fd < 0) {
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_sec = 1}, sizeof(struct timeval));
            clients[i].fd = fd;
            return;
        }
    }
    if (fd >= 0)
        close(fd);
}

static void print_notice(void)
{
    struct notice notice;
    if (read(notice_fd, &notice, sizeof notice) == sizeof notice)
        printf("{\"event\":\"link_down\",\"t\":%.6f,\"link\":\"%s\",\"ifname\":\"%s\"}\n", (double)clock_ns() / 1e9,
               notice.link, notice.ifname);
}

void serve_control(int listener, int terminated)
{
    static struct client clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    for (;;) {
        struct pollfd polled[CLIENTS + 3] = {{terminated, POLLIN, 0}, {notice_fd, POLLIN, 0}, {listener, POLLIN, 0}};
        for (int i = 0; i < CLIENTS; i++)
            polled[3 + i] = (struct pollfd){clients[i].fd, POLLIN, 0};
        if (poll(polled, CLIENTS + 3, -1) < 0)
            continue;
        if (polled[0].revents)
            return;
        if (polled[1].revents)
            print_notice();
        for (int i = 0; i < CLIENTS; i++)
            if (polled[3 + i].revents && !serve_client(&clients[i]))
                end_client(&clients[i]);
        if (polled[2].revents)
            accept_client(listener, clients);
    }
}
