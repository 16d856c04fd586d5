/* Arrivals: frames are read, cut if need be, and meet the profile. */
#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SMALL 2048 /* frames that are copied out of the buffer that they were received in */
#define CONTROL_SIZE (CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(struct tpacket_auxdata)))

/* ---- what happens to a packet, in the order in which profile.py lists it ---- */

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
    d->backlog += footprint(packet);
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

/* ---- reading ---- */

/* What the kernel tells beside a frame. */
struct beside {
    int64_t stamp;
    struct tpacket_auxdata auxiliary; /* with the VLAN tag, which the kernel takes out of the frame */
};

static struct beside read_beside(struct msghdr *message)
{
    struct beside beside = {0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            beside.stamp = stamp.tv_sec * 1000000000LL + stamp.tv_nsec;
        } else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
            memcpy(&beside.auxiliary, CMSG_DATA(c), sizeof beside.auxiliary);
        }
    }
    return beside;
}

/* Takes the frame out of its buffer or, where that is cheaper, takes the buffer, cut to size. */
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
    if (!packet)
        die("out of memory");
    packet->length = packet->wire_bytes = length;
    packet->wire_packets = 1;
    return packet;
}

static void frame_arrived(struct direction *d, struct packet *packet, const struct beside *beside)
{
    packet->stamp = beside->stamp ? beside->stamp : clock_ns();
    packet->offload.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
    if (beside->auxiliary.tp_status & TP_STATUS_VLAN_VALID)
        packet = put_tag(packet, beside->auxiliary.tp_vlan_tpid, beside->auxiliary.tp_vlan_tci);
    if (!packet)
        bump(&d->counters.dropped_error, 1);
    else if (packet->offload.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        super_packet_arrived(d, packet);
    else
        packet_arrived(d, packet);
}

static struct mmsghdr *fresh_messages(struct packet *buffers[BATCH])
{
    static struct iovec vectors[BATCH];
    static _Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_SIZE];
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

/* Returns how many frames there were. */
int receive(struct direction *d)
{
    static struct packet *buffers[BATCH];
    struct mmsghdr *messages = fresh_messages(buffers);
    int count = recvmmsg(d->rx_fd, messages, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0 && means_gone(errno)) {
        interface_gone(d->link, d->rx_ifname);
        return 0;
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR) /* a super-packet of a kind that has no virtio-net header */
        bump(&d->counters.dropped_error, 1);
    bool carrier = atomic_load_explicit(&d->link->carrier, memory_order_relaxed);
    for (int i = 0; i < count; i++) {
        uint32_t length = messages[i].msg_len - (uint32_t)sizeof(struct virtio_net_hdr);
        bool whole = carrier && !(messages[i].msg_hdr.msg_flags & MSG_TRUNC);
        struct packet *packet = whole ? take(&buffers[i], length) : NULL;
        struct beside beside = read_beside(&messages[i].msg_hdr);
        if (packet)
            frame_arrived(d, packet, &beside);
        else
            bump(&d->counters.dropped_error, 1);
    }
    reschedule(d);
    return MAX(count, 0);
}
