/* Code shared by the responder and the baseline: a packet socket on a trunk that sends and receives frames in
 * batches, and the parts of Ethernet, IPv4, UDP and DHCP that both need.
 *
 * The kernel strips the outer 802.1Q tag from a received frame and passes it beside the frame (PACKET_AUXDATA).
 * A sent frame carries its tag inside. So offsets differ by TAG_BYTES between the two.
 */
#ifndef BENCH_TRUNK_H
#define BENCH_TRUNK_H

#define _GNU_SOURCE /* recvmmsg, sendmmsg */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    BATCH = 256,
    FRAME_BYTES = 1600,
    CONTROL_BYTES = CMSG_SPACE(sizeof(struct tpacket_auxdata)),
    BUFFER_BYTES = 64 << 20,
    TAG_BYTES = 4,
    VLAN_LAST = 4094,
    /* Octets before the payload of each protocol, untagged. */
    IP_AT = 14,
    UDP_AT = IP_AT + 20,
    BOOTP_AT = UDP_AT + 8,
    OPTIONS_AT = BOOTP_AT + 240,
    ARP_BYTES = 28,
    BOOTP_BYTES = 300, /* the shortest message that relays pass on, RFC 1542 section 2.1 */
    MIN_TAGGED_BYTES = 64,
};

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, RELEASE = 7 };
enum { OPT_MASK = 1, OPT_ROUTER = 3, OPT_ADDRESS = 50, OPT_LEASE = 51, OPT_TYPE = 53, OPT_SERVER = 54,
       OPT_PARAMETERS = 55, OPT_END = 255 };

struct trunk {
    int fd;
    unsigned long received, sent;
    int queued;
    struct mmsghdr in[BATCH], out[BATCH];
    struct iovec in_parts[BATCH], out_parts[BATCH];
    uint8_t in_frames[BATCH][FRAME_BYTES];
    /* A reply may be as long as its request, and has its tag inside. */
    uint8_t out_frames[BATCH][FRAME_BYTES + TAG_BYTES];
    _Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_BYTES];
};

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* End with the parent process, and after this many seconds in any case. */
static void bound_life(unsigned seconds)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        fail("prctl");
    alarm(seconds);
}

/* Parse a whole number from the command line, or exit. */
static long number(const char *text, long low, long high)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "expected a number from %ld to %ld, got %s\n", low, high, text);
        exit(2);
    }
    return value;
}

static void set_option(int fd, int level, int option, int value, const char *name)
{
    if (setsockopt(fd, level, option, &value, sizeof value) != 0)
        fail(name);
}

static void trunk_open(struct trunk *trunk, const char *interface)
{
    unsigned index = if_nametoindex(interface);
    if (index == 0)
        fail(interface);
    /* Protocol 0: nothing is received before bind, so no frame of another interface is read. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES, "SO_RCVBUFFORCE");
    set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES, "SO_SNDBUFFORCE");
    set_option(fd, SOL_PACKET, PACKET_AUXDATA, 1, "PACKET_AUXDATA");
    set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING");
    set_option(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
    struct sockaddr_ll address = {AF_PACKET, htons(ETH_P_ALL), (int)index, 0, 0, 0, {0}};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("bind");
    trunk->fd = fd;
}

/* Receive up to a batch of frames; 0 if there are none, or after a signal. */
static int trunk_receive(struct trunk *trunk, int flags)
{
    for (int i = 0; i < BATCH; i++) {
        trunk->in_parts[i] = (struct iovec){trunk->in_frames[i], FRAME_BYTES};
        trunk->in[i].msg_hdr = (struct msghdr){.msg_iov = &trunk->in_parts[i], .msg_iovlen = 1,
            .msg_control = trunk->control[i], .msg_controllen = CONTROL_BYTES};
    }
    int count = recvmmsg(trunk->fd, trunk->in, BATCH, flags, NULL);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR)
            fail("recvmmsg");
        return 0;
    }
    trunk->received += (unsigned long)count;
    return count;
}

/* The VLAN of a frame of the batch; 0 if it had no tag or did not fit. */
static int trunk_vlan(struct trunk *trunk, int i)
{
    struct msghdr *message = &trunk->in[i].msg_hdr;
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    struct tpacket_auxdata auxdata;
    if (control == NULL || control->cmsg_type != PACKET_AUXDATA || message->msg_flags & MSG_TRUNC)
        return 0;
    memcpy(&auxdata, CMSG_DATA(control), sizeof auxdata);
    int vlan = auxdata.tp_status & TP_STATUS_VLAN_VALID ? auxdata.tp_vlan_tci & 0x0fff : 0;
    return vlan <= VLAN_LAST ? vlan : 0;
}

static void trunk_flush(struct trunk *trunk)
{
    for (int done = 0; done < trunk->queued;) {
        int count = sendmmsg(trunk->fd, trunk->out + done, (unsigned)(trunk->queued - done), 0);
        if (count > 0) {
            done += count;
            continue;
        }
        if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
            fail("sendmmsg");
        struct pollfd room = {trunk->fd, POLLOUT, 0};
        poll(&room, 1, 1);
    }
    trunk->sent += (unsigned long)trunk->queued;
    trunk->queued = 0;
}

/* Append a frame of this length, zero after its Ethernet header and tag, to be sent by the next flush. */
static uint8_t *trunk_frame(struct trunk *trunk, int length, const uint8_t *to, const uint8_t *from, int vlan,
                            int type)
{
    if (trunk->queued == BATCH)
        trunk_flush(trunk);
    int at = trunk->queued++;
    uint8_t *frame = trunk->out_frames[at];
    trunk->out_parts[at] = (struct iovec){frame, (size_t)length};
    trunk->out[at].msg_hdr = (struct msghdr){.msg_iov = &trunk->out_parts[at], .msg_iovlen = 1};
    memset(frame, 0, (size_t)length);
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    uint16_t tag[3] = {htons(ETH_P_8021Q), htons((uint16_t)vlan), htons((uint16_t)type)};
    memcpy(frame + 12, tag, sizeof tag);
    return frame;
}

static const uint8_t EVERYBODY[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t COOKIE[4] = {0x63, 0x82, 0x53, 0x63};
static const uint8_t ARP_HEAD[6] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, and the lengths of their addresses */

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }
static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

/* The Internet checksum, RFC 1071. */
static uint16_t checksum(const uint8_t *data, int length)
{
    uint32_t sum = 0;
    for (; length > 1; length -= 2, data += 2)
        sum += get16(data);
    if (length == 1)
        sum += (uint32_t)data[0] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_ip(uint8_t *ip, int length, int protocol, uint32_t from, uint32_t to)
{
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)length);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, checksum(ip, 20));
}

/* The UDP header of a BOOTP message; the checksum stays 0, "none" (RFC 768). */
static void put_udp(uint8_t *udp, int from, int to)
{
    put16(udp, (unsigned)from);
    put16(udp + 2, (unsigned)to);
    put16(udp + 4, 8 + BOOTP_BYTES);
}

static uint8_t *put_option(uint8_t *at, int code, int length, uint32_t value)
{
    *at++ = (uint8_t)code;
    *at++ = (uint8_t)length;
    for (int shift = 8 * (length - 1); shift >= 0; shift -= 8)
        *at++ = (uint8_t)(value >> shift);
    return at;
}

struct dhcp_options {
    int type;
    uint32_t router, server;
};

/* Parse the options between two positions; 0 for an absent one. Never reads beyond the end. */
static struct dhcp_options read_options(const uint8_t *at, const uint8_t *end)
{
    struct dhcp_options found = {0};
    while (at < end && *at != OPT_END) {
        if (*at == 0) {
            at++;
            continue;
        }
        if (end - at < 2 || end - at - 2 < at[1])
            break;
        if (at[0] == OPT_TYPE && at[1] == 1)
            found.type = at[2];
        else if (at[0] == OPT_ROUTER && at[1] >= 4)
            found.router = get32(at + 2);
        else if (at[0] == OPT_SERVER && at[1] == 4)
            found.server = get32(at + 2);
        at += 2 + at[1];
    }
    return found;
}

/* Whether an untagged frame is a complete IPv4 packet of this protocol with a 20-octet header. */
static int is_ip(const uint8_t *frame, int length, int protocol)
{
    return length >= UDP_AT && get16(frame + 12) == ETH_P_IP && frame[IP_AT] == 0x45 &&
           frame[IP_AT + 9] == protocol && get16(frame + IP_AT + 2) >= 20 &&
           IP_AT + get16(frame + IP_AT + 2) <= length;
}

/* Whether it is a BOOTP message to this port, long enough to have options. */
static int is_bootp(const uint8_t *frame, int length, int port)
{
    return is_ip(frame, length, IPPROTO_UDP) && length >= OPTIONS_AT && get16(frame + UDP_AT + 2) == port &&
           memcmp(frame + OPTIONS_AT - 4, COOKIE, 4) == 0;
}

/* Whether it is ARP for Ethernet and IPv4 with this operation. */
static int is_arp(const uint8_t *frame, int length, int operation)
{
    return length >= IP_AT + ARP_BYTES && get16(frame + 12) == ETH_P_ARP && memcmp(frame + IP_AT, ARP_HEAD, 6) == 0 &&
           get16(frame + IP_AT + 6) == operation;
}

static void put_arp(uint8_t *arp, int operation, const uint8_t *sender_mac, uint32_t sender,
                    const uint8_t *target_mac, uint32_t target)
{
    memcpy(arp, ARP_HEAD, 6);
    put16(arp + 6, (unsigned)operation);
    memcpy(arp + 8, sender_mac, 6);
    put32(arp + 14, sender);
    if (target_mac != NULL)
        memcpy(arp + 18, target_mac, 6);
    put32(arp + 24, target);
}

#endif
