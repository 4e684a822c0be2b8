/* Lower bound of the cost of a probe: the same exchange on every VLAN of a trunk, in C, and nothing else.
 *
 *     baseline INTERFACE [-n VLANS] [-l] [-i] [-d MILLISECONDS] [-r MILLISECONDS]
 *
 * DHCPDISCOVER -> DHCPOFFER -> ARP for the router that was offered, on VLANs 1 to n, as fast as replies arrive.
 * -l: take the lease before ARP (DHCPREQUEST -> DHCPACK) and release it at the end (DHCPRELEASE).
 * -i: after ARP, send an ICMP echo to the router from the address that was offered.
 * -d: give up after this time (default 5000).
 * -r: retransmit after this time without a reply (default 200).
 * Prints counters and cost as one line of JSON.
 */
#include "trunk.h"

#include <sys/resource.h>
#include <time.h>

enum state { UNASKED, DISCOVERED, REQUESTED, RESOLVING, PINGED, DONE };
enum { LOOK_MS = 20, ECHO_PAYLOAD = 56 };
static const uint32_t XID = 0x6e610000; /* the VLAN is in the lower half */

static struct trunk trunk;
static struct segment {
    enum state state;
    double since;
    uint32_t address, server, router;
    uint8_t server_mac[6], router_mac[6];
} segments[VLAN_LAST + 1];
static int take_lease, ping;
static int done;

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void mac_of(uint8_t *mac, int vlan)
{
    const uint8_t head[4] = {0x02, 0xba, 0x5e, 0};
    memcpy(mac, head, 4);
    put16(mac + 4, (unsigned)vlan);
}

static void send_dhcp(int vlan, int type)
{
    struct segment *segment = &segments[vlan];
    uint8_t mac[6];
    mac_of(mac, vlan);
    const uint8_t *to = type == RELEASE ? segment->server_mac : EVERYBODY;
    uint8_t *frame =
        trunk_frame(&trunk, TAG_BYTES + BOOTP_AT + BOOTP_BYTES, to, mac, vlan, ETH_P_IP) + TAG_BYTES;
    int leased = type == RELEASE;
    put_ip(frame + IP_AT, 28 + BOOTP_BYTES, IPPROTO_UDP, leased ? segment->address : 0,
           leased ? segment->server : 0xffffffff);
    put_udp(frame + UDP_AT, 68, 67);
    uint8_t *bootp = frame + BOOTP_AT;
    bootp[0] = 1;
    bootp[1] = 1;
    bootp[2] = 6;
    put32(bootp + 4, XID | (uint32_t)vlan);
    if (leased)
        put32(bootp + 12, segment->address);
    else
        bootp[10] = 0x80; /* answer by broadcast */
    memcpy(bootp + 28, mac, 6);
    memcpy(bootp + 236, COOKIE, 4);
    uint8_t *option = put_option(bootp + 240, OPT_TYPE, 1, (uint32_t)type);
    if (type != DISCOVER)
        option = put_option(option, OPT_SERVER, 4, segment->server);
    if (type == REQUEST)
        option = put_option(option, OPT_ADDRESS, 4, segment->address);
    if (type != RELEASE)
        option = put_option(option, OPT_PARAMETERS, 2, OPT_MASK << 8 | OPT_ROUTER);
    *option = OPT_END;
}

static void send_arp(int vlan)
{
    uint8_t mac[6];
    mac_of(mac, vlan);
    uint8_t *frame = trunk_frame(&trunk, MIN_TAGGED_BYTES, EVERYBODY, mac, vlan, ETH_P_ARP);
    put_arp(frame + TAG_BYTES + IP_AT, 1, mac, take_lease ? segments[vlan].address : 0, NULL, segments[vlan].router);
}

static void send_echo(int vlan)
{
    const struct segment *segment = &segments[vlan];
    uint8_t mac[6];
    mac_of(mac, vlan);
    int length = 28 + ECHO_PAYLOAD;
    uint8_t *frame = trunk_frame(&trunk, TAG_BYTES + IP_AT + length, segment->router_mac, mac, vlan, ETH_P_IP);
    put_ip(frame + TAG_BYTES + IP_AT, length, IPPROTO_ICMP, segment->address, segment->router);
    uint8_t *icmp = frame + TAG_BYTES + UDP_AT;
    icmp[0] = 8;
    put16(icmp + 4, XID >> 16);
    put16(icmp + 6, (unsigned)vlan);
    put16(icmp + 2, checksum(icmp, length - 20));
}

/* Enter a state and send its request; also used to retransmit. */
static void enter(int vlan, enum state state, double now)
{
    struct segment *segment = &segments[vlan];
    segment->state = state;
    segment->since = now;
    switch (state) {
    case DISCOVERED:
        send_dhcp(vlan, DISCOVER);
        break;
    case REQUESTED:
        send_dhcp(vlan, REQUEST);
        break;
    case RESOLVING:
        send_arp(vlan);
        break;
    case PINGED:
        send_echo(vlan);
        break;
    case DONE:
        if (take_lease)
            send_dhcp(vlan, RELEASE);
        done++;
        break;
    case UNASKED:
        break;
    }
}

static void take_dhcp(const uint8_t *frame, int length, int vlan, double now)
{
    struct segment *segment = &segments[vlan];
    const uint8_t *bootp = frame + BOOTP_AT;
    uint8_t mac[6];
    mac_of(mac, vlan);
    if (bootp[0] != 2 || get32(bootp + 4) != (XID | (uint32_t)vlan) || memcmp(bootp + 28, mac, 6) != 0)
        return;
    struct dhcp_options options = read_options(frame + OPTIONS_AT, frame + length);
    if (options.type == OFFER && segment->state == DISCOVERED && options.router != 0) {
        segment->address = get32(bootp + 16);
        segment->server = options.server;
        segment->router = options.router;
        memcpy(segment->server_mac, frame + 6, 6);
        enter(vlan, take_lease ? REQUESTED : RESOLVING, now);
    } else if (options.type == ACK && segment->state == REQUESTED) {
        enter(vlan, RESOLVING, now);
    }
}

static void take(const uint8_t *frame, int length, int vlan, double now)
{
    struct segment *segment = &segments[vlan];
    if (is_arp(frame, length, 2)) {
        if (segment->state != RESOLVING || get32(frame + IP_AT + 14) != segment->router)
            return;
        memcpy(segment->router_mac, frame + IP_AT + 8, 6);
        enter(vlan, ping ? PINGED : DONE, now);
    } else if (is_bootp(frame, length, 68)) {
        take_dhcp(frame, length, vlan, now);
    } else if (is_ip(frame, length, IPPROTO_ICMP) && length >= UDP_AT + 8) {
        const uint8_t *icmp = frame + UDP_AT;
        if (segment->state == PINGED && icmp[0] == 0 && get16(icmp + 4) == XID >> 16 && get16(icmp + 6) == vlan)
            enter(vlan, DONE, now);
    }
}

int main(int argc, char **argv)
{
    int vlans = VLAN_LAST;
    long deadline_ms = 5000, retry_ms = 200;
    for (int option; (option = getopt(argc, argv, "n:lid:r:")) != -1;) {
        if (option == 'n')
            vlans = (int)number(optarg, 1, VLAN_LAST);
        else if (option == 'l')
            take_lease = 1;
        else if (option == 'i')
            ping = 1;
        else if (option == 'd')
            deadline_ms = number(optarg, 1, 60000);
        else if (option == 'r')
            retry_ms = number(optarg, 1, 60000);
        else
            return 2;
    }
    if (optind != argc - 1) {
        fprintf(stderr, "usage: baseline INTERFACE [-n VLANS] [-l] [-i] [-d MILLISECONDS] [-r MILLISECONDS]\n");
        return 2;
    }
    bound_life(90);
    double cpu_before = cpu_s(), started = now_s(), looked = started;
    trunk_open(&trunk, argv[optind]);
    int next = 1;
    for (double now = started; done < vlans && (now - started) * 1000 < (double)deadline_ms; now = now_s()) {
        /* A batch of requests, then the replies so far: neither waits for the other. */
        for (int i = 0; i < BATCH && next <= vlans; i++)
            enter(next++, DISCOVERED, now);
        trunk_flush(&trunk);
        int count = trunk_receive(&trunk, MSG_DONTWAIT);
        for (int i = 0; i < count; i++) {
            int vlan = trunk_vlan(&trunk, i);
            if (vlan != 0)
                take(trunk.in_frames[i], (int)trunk.in[i].msg_len, vlan, now);
        }
        trunk_flush(&trunk);
        if (count == 0 && next > vlans) {
            struct pollfd readable = {trunk.fd, POLLIN, 0};
            poll(&readable, 1, LOOK_MS);
        }
        if ((now - looked) * 1000 >= LOOK_MS) {
            looked = now;
            for (int vlan = 1; vlan < next; vlan++) {
                struct segment *segment = &segments[vlan];
                if (segment->state != DONE && (now - segment->since) * 1000 >= (double)retry_ms)
                    enter(vlan, segment->state, now);
            }
        }
    }
    printf("{\"vlans\": %d, \"done\": %d, \"wall_s\": %.6f, \"cpu_s\": %.6f, \"sent\": %lu, \"received\": %lu}\n",
           vlans, done, now_s() - started, cpu_s() - cpu_before, trunk.sent, trunk.received);
    return done == vlans ? 0 : 3;
}
