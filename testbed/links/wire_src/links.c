/* The links, as the control thread knows them: opening and closing their sockets. */
#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BUFFER (16 << 20) /* bytes the kernel may hold per interface while we, or the receiver, are busy */

uint64_t seed = 1;
struct link *links;

struct link *find_link(const char *name)
{
    for (struct link *link = links; link; link = link->next)
        if (strcmp(link->name, name) == 0)
            return link;
    return NULL;
}

/* ---- open ---- */

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

static bool set_options(int fd)
{
    return set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1) && set_option(fd, SOL_PACKET, PACKET_VNET_HDR, 1) &&
           set_option(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1) && set_option(fd, SOL_PACKET, PACKET_AUXDATA, 1) &&
           set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1) &&
           (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER) ||
            set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER)) &&
           (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER) ||
            set_option(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER));
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

/* Sets both interfaces up or down; their peers' carriers follow. */
bool set_interfaces(const struct link *link, bool up)
{
    for (int i = 0; i < 2; i++) {
        struct ifreq request = {0};
        int fd = link->direction[i].rx_fd;
        snprintf(request.ifr_name, IFNAMSIZ, "%s", link->ifname[i]);
        if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
            return complain("%s: %s", link->ifname[i], strerror(errno));
        request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
        if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
            return complain("%s: %s", link->ifname[i], strerror(errno));
    }
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
    if (fd < 0 || !set_options(fd) || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        complain("%s: %s", ifname, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    silence(ifname);
    return fd;
}

static void set_up_directions(struct link *link, const int fds[2], struct profile profile[2])
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
        d->waiting.tail = &d->waiting.head;
        d->flight.tail = &d->flight.head;
        d->slot = NOT_QUEUED;
        d->random = stream ^ (seed * 2 + (uint64_t)i);
        d->profile = profile[i];
        profile[i] = (struct profile){0};
    }
}

static bool interfaces_free(const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return complain("%s: a link has two different ends", a);
    for (const struct link *link = links; link; link = link->next)
        for (int i = 0; i < 2; i++)
            if (atomic_load(&link->alive) && (strcmp(link->ifname[i], a) == 0 || strcmp(link->ifname[i], b) == 0))
                return complain("%s: already an end of link %s", link->ifname[i], link->name);
    return true;
}

static bool open_ends(const char *a, const char *b, int fds[2])
{
    fds[0] = open_end(a);
    if (fds[0] < 0)
        return false;
    fds[1] = open_end(b);
    if (fds[1] < 0)
        close(fds[0]);
    return fds[1] >= 0;
}

/* Takes over the profiles if it succeeds; a complaint if not. */
bool open_link(const char *name, const char *a, const char *b, struct profile profile[2])
{
    int count = 0, fds[2];
    struct link **end = &links;
    for (; *end; end = &(*end)->next)
        count++;
    if (find_link(name))
        return complain("a link of this name exists; remove it first");
    if (count == MAX_LINKS)
        return complain("this would be more than %d links", MAX_LINKS);
    if (!interfaces_free(a, b) || !open_ends(a, b, fds))
        return false;
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        die("out of memory");
    snprintf(link->name, sizeof link->name, "%s", name);
    snprintf(link->ifname[0], IFNAMSIZ, "%s", a);
    snprintf(link->ifname[1], IFNAMSIZ, "%s", b);
    set_up_directions(link, fds, profile);
    atomic_store(&link->carrier, true);
    atomic_store(&link->alive, true);
    *end = link;
    command_data_thread(&(struct command){.kind = ADD, .link = link});
    return true;
}

/* ---- close ---- */

static void *close_ends(void *argument)
{
    struct link *link = argument;
    for (int i = 0; i < 2; i++) {
        close(link->direction[i].rx_fd);
        free_profile(&link->direction[i].profile);
        free(link->direction[i].overtaking);
    }
    free(link);
    return NULL;
}

static void forget(const struct link *link)
{
    struct link **at = &links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
}

/* Closing a packet socket waits for a grace period, 1 to 12 ms: let those of many links pass side by side. */
void close_link(struct link *link)
{
    pthread_t closer;
    command_data_thread(&(struct command){.kind = REMOVE, .link = link});
    forget(link);
    if (pthread_create(&closer, NULL, close_ends, link) == 0)
        pthread_detach(closer);
    else
        close_ends(link);
}

void close_all_links(void)
{
    pthread_t closers[MAX_LINKS];
    size_t count = 0;
    while (links) {
        struct link *link = links;
        command_data_thread(&(struct command){.kind = REMOVE, .link = link});
        forget(link);
        if (pthread_create(&closers[count], NULL, close_ends, link) == 0)
            count++;
    }
    while (count > 0)
        pthread_join(closers[--count], NULL);
}
