/* What is done to the bytes of a frame: VLAN tags, segmentation, checksums (RFC 1071), ECN marks (RFC 3168), corruption. */
#define _GNU_SOURCE
#include "wire.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { IP4_TOTAL = 2, IP4_ID = 4, IP4_PROTOCOL = 9, IP4_CHECKSUM = 10, IP6_PAYLOAD = 4, IP6_NEXT = 6, IP6_SIZE = 40 };
enum { TAG_SIZE = 4 }; /* bytes of a VLAN tag */
enum { TCP_SEQUENCE = 4, TCP_OFFSET = 12, TCP_FLAGS = 13, UDP_LENGTH = 4, UDP_SIZE = 8 };
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80, ECN_CE = 3 };

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint16_t sum_of(const uint8_t *at, uint32_t length)
{
    uint64_t sum = 0;
    for (; length > 1; at += 2, length -= 2)
        sum += get16(at);
    return fold(sum + (length ? (uint32_t)at[0] << 8 : 0));
}

static uint32_t ip4_size(const uint8_t *header)
{
    return (header[0] & 15U) * 4;
}

static void ip4_finish(uint8_t *header)
{
    put16(header + IP4_CHECKSUM, 0);
    put16(header + IP4_CHECKSUM, (uint16_t)~sum_of(header, ip4_size(header)));
}

/* Sets `type` to the protocol below the Ethernet header and its tags; returns where that begins. */
static uint32_t skip_ethernet(const struct packet *packet, uint16_t *type)
{
    uint32_t at = ETHER_HDR_LEN;
    *type = packet->length >= at ? get16(packet->frame + 12) : 0;
    for (; (*type == ETHERTYPE_VLAN || *type == 0x88a8) && packet->length >= at + 4; at += 4)
        *type = get16(packet->frame + at + 2);
    return at;
}

/* Steps over the IP header at `at` and its extensions; returns 0 for what is none. */
static uint32_t skip_ip(const struct packet *packet, uint32_t at, uint8_t *protocol)
{
    const uint8_t *header = packet->frame + at;
    if (at + IP6_SIZE > packet->length)
        return 0;
    if (header[0] >> 4 == 4) {
        *protocol = header[IP4_PROTOCOL];
        return at + ip4_size(header);
    }
    *protocol = header[IP6_NEXT];
    at += IP6_SIZE;
    while ((*protocol == IPPROTO_HOPOPTS || *protocol == IPPROTO_ROUTING || *protocol == IPPROTO_DSTOPTS) &&
           at + 8 <= packet->length) {
        *protocol = packet->frame[at];
        at += (packet->frame[at + 1] + 1U) * 8;
    }
    return at;
}

/* Puts a VLAN tag (IEEE 802.1Q, clause 9.5) behind the addresses; NULL, and the packet is gone, without memory. */
struct packet *put_tag(struct packet *packet, uint16_t tpid, uint16_t tci)
{
    struct packet *tagged = realloc(packet, sizeof *packet + packet->length + TAG_SIZE);
    if (!tagged) {
        free(packet);
        return NULL;
    }
    uint8_t *tag = tagged->frame + 2 * ETH_ALEN;
    memmove(tag + TAG_SIZE, tag, tagged->length - 2 * ETH_ALEN);
    put16(tag, tpid);
    put16(tag + 2, tci);
    tagged->length += TAG_SIZE;
    tagged->wire_bytes = tagged->length;
    tagged->offload.hdr_len = (uint16_t)(tagged->offload.hdr_len ? tagged->offload.hdr_len + TAG_SIZE : 0);
    tagged->offload.csum_start = (uint16_t)(tagged->offload.csum_start + TAG_SIZE);
    return tagged;
}

/* False for a super-packet that we cannot cut: its transport header is not below IP headers alone. */
bool read_layout(const struct packet *packet, struct layout *layout)
{
    uint16_t type;
    uint32_t at = skip_ethernet(packet, &type);
    layout->layers = 0;
    layout->protocol = type == ETHERTYPE_IP ? IPPROTO_IPIP : type == ETHERTYPE_IPV6 ? IPPROTO_IPV6 : 0;
    while (layout->protocol == IPPROTO_IPIP || layout->protocol == IPPROTO_IPV6) {
        if (layout->layers == 4)
            return false;
        layout->network[layout->layers++] = at;
        at = skip_ip(packet, at, &layout->protocol);
        if (at == 0)
            return false;
    }
    layout->transport = at;
    if (at != packet->offload.csum_start || at + 20 > packet->length || packet->offload.gso_size == 0)
        return false;
    if (layout->protocol == IPPROTO_TCP)
        layout->payload = at + (packet->frame[at + TCP_OFFSET] >> 4) * 4U;
    else
        layout->payload = at + UDP_SIZE;
    return (layout->protocol == IPPROTO_TCP || layout->protocol == IPPROTO_UDP) && layout->payload < packet->length;
}

static void finish_network(struct packet *packet, const struct layout *layout, uint32_t number)
{
    for (int i = 0; i < layout->layers; i++) {
        uint8_t *header = packet->frame + layout->network[i];
        uint32_t length = packet->length - layout->network[i];
        if (header[0] >> 4 == 6) {
            put16(header + IP6_PAYLOAD, length - IP6_SIZE);
        } else {
            put16(header + IP4_TOTAL, length);
            put16(header + IP4_ID, get16(header + IP4_ID) + number);
            ip4_finish(header);
        }
    }
}

static void finish_tcp(uint8_t *header, uint32_t offset, bool last)
{
    put32(header + TCP_SEQUENCE, get32(header + TCP_SEQUENCE) + offset);
    if (!last)
        header[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
    if (offset > 0)
        header[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
}

/*
 * The packet of this number of a super-packet, as the wire would carry it; its checksum is as unfinished as the
 * original's, and so costs nothing. NULL after the last one, and where there is no memory for it.
 */
struct packet *cut_segment(const struct packet *whole, const struct layout *layout, uint32_t number)
{
    uint32_t offset = number * whole->offload.gso_size;
    if (layout->payload + offset >= whole->length)
        return NULL;
    uint32_t size = MIN(whole->offload.gso_size, whole->length - layout->payload - offset);
    bool last = layout->payload + offset + size == whole->length;
    struct packet *packet = new_packet(layout->payload + size);
    if (!packet)
        return NULL;
    packet->stamp = whole->stamp;
    packet->offload = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                              .csum_start = whole->offload.csum_start,
                                              .csum_offset = whole->offload.csum_offset};
    memcpy(packet->frame, whole->frame, layout->payload);
    memcpy(packet->frame + layout->payload, whole->frame + layout->payload + offset, size);
    finish_network(packet, layout, number);
    uint8_t *header = packet->frame + layout->transport;
    if (layout->protocol == IPPROTO_TCP)
        finish_tcp(header, offset, last);
    else
        put16(header + UDP_LENGTH, packet->length - layout->transport);
    /* The unfinished checksum is the sum of the pseudo-header, which has the length in it. */
    uint8_t *checksum = header + whole->offload.csum_offset;
    uint16_t longer = (uint16_t)(whole->length - layout->transport);
    uint16_t shorter = (uint16_t)(packet->length - layout->transport);
    put16(checksum, fold((uint32_t)get16(checksum) + (uint16_t)~longer + shorter));
    return packet;
}

void finish_checksum(struct packet *packet)
{
    uint32_t start = packet->offload.csum_start, field = start + packet->offload.csum_offset;
    if (!(packet->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || field + 2 > packet->length)
        return;
    uint16_t sum = (uint16_t)~sum_of(packet->frame + start, packet->length - start);
    put16(packet->frame + field, sum ? sum : 0xffff); /* a zero would mean "none" in UDP, and is the same number */
    packet->offload = (struct virtio_net_hdr){0};
}

/* Sets Congestion Experienced in the outermost IP header; false where the sender does not understand it. */
bool mark_congestion(struct packet *packet)
{
    uint16_t type;
    uint8_t *header = packet->frame + skip_ethernet(packet, &type);
    if (header + 20 > packet->frame + packet->length)
        return false;
    if (type == ETHERTYPE_IP && header[1] & ECN_CE) {
        header[1] |= ECN_CE;
        ip4_finish(header);
        return true;
    }
    if (type == ETHERTYPE_IPV6 && header[1] >> 4 & ECN_CE) {
        header[1] |= ECN_CE << 4;
        return true;
    }
    return false;
}

/* `bit` counts from the end of the Ethernet header. An unfinished checksum would hide it: the kernel would trust it. */
void flip_bit(struct packet *packet, uint64_t bit)
{
    finish_checksum(packet);
    packet->frame[ETHER_HDR_LEN + bit / 8] ^= (uint8_t)(1 << bit % 8);
}
