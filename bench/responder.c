/* A DHCP server and a gateway on every VLAN of a trunk, fast enough not to limit the measurement.
 *
 *     responder INTERFACE [-m K] [-t SECONDS]
 *
 * On VLAN v the gateway is also the DHCP server. Its address is 10 << 24 | v << 12 | 1 in a /20; it offers the
 * address that ends in 10. It answers DHCPDISCOVER, DHCPREQUEST, ARP for the gateway, and ICMP echo; it keeps no state.
 *
 * -m K: VLANs whose number is divisible by K do not answer.
 * -t SECONDS: end after this time (default 300).
 * Prints "ready" when it is listening, and on SIGTERM its counters as one line of JSON.
 */
#include "trunk.h"

static struct trunk trunk;
static volatile sig_atomic_t ending;
static struct {
    unsigned long discovers, requests, releases, arps, echoes;
} seen;

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

static uint32_t gateway_of(int vlan) { return 10u << 24 | (uint32_t)vlan << 12 | 1; }

static void answer_arp(const uint8_t *frame, int vlan, const uint8_t *mac)
{
    const uint8_t *asked = frame + IP_AT;
    uint32_t gateway = gateway_of(vlan);
    if (get32(asked + 24) != gateway)
        return;
    seen.arps++;
    uint8_t *reply = trunk_frame(&trunk, MIN_TAGGED_BYTES, frame + 6, mac, vlan, ETH_P_ARP);
    put_arp(reply + TAG_BYTES + IP_AT, 2, mac, gateway, asked + 8, get32(asked + 14));
}

static void answer_echo(const uint8_t *frame, int vlan, const uint8_t *mac)
{
    const uint8_t *ip = frame + IP_AT;
    int length = get16(ip + 2);
    uint32_t gateway = gateway_of(vlan);
    if (length < 28 || frame[UDP_AT] != 8 || get32(ip + 16) != gateway || memcmp(frame, mac, 6) != 0)
        return;
    seen.echoes++;
    int bytes = TAG_BYTES + IP_AT + length;
    uint8_t *reply = trunk_frame(&trunk, bytes < MIN_TAGGED_BYTES ? MIN_TAGGED_BYTES : bytes, frame + 6, mac, vlan,
                                 ETH_P_IP);
    put_ip(reply + TAG_BYTES + IP_AT, length, IPPROTO_ICMP, gateway, get32(ip + 12));
    uint8_t *icmp = reply + TAG_BYTES + UDP_AT;
    memcpy(icmp, frame + UDP_AT, (size_t)(length - 20));
    icmp[0] = 0;
    put16(icmp + 2, 0);
    put16(icmp + 2, checksum(icmp, length - 20));
}

static void answer_dhcp(const uint8_t *frame, int length, int vlan, const uint8_t *mac)
{
    const uint8_t *asked = frame + BOOTP_AT;
    int type = read_options(frame + OPTIONS_AT, frame + length).type, answer;
    if (asked[0] != 1)
        return;
    if (type == DISCOVER) {
        seen.discovers++;
        answer = OFFER;
    } else if (type == REQUEST) {
        seen.requests++;
        answer = ACK;
    } else {
        seen.releases += type == RELEASE;
        return;
    }
    uint32_t gateway = gateway_of(vlan);
    uint8_t *reply =
        trunk_frame(&trunk, TAG_BYTES + BOOTP_AT + BOOTP_BYTES, EVERYBODY, mac, vlan, ETH_P_IP) + TAG_BYTES;
    put_ip(reply + IP_AT, 28 + BOOTP_BYTES, IPPROTO_UDP, gateway, 0xffffffff);
    put_udp(reply + UDP_AT, 67, 68);
    uint8_t *bootp = reply + BOOTP_AT;
    bootp[0] = 2;
    bootp[1] = 1;
    bootp[2] = 6;
    memcpy(bootp + 4, asked + 4, 4);   /* xid */
    memcpy(bootp + 10, asked + 10, 2); /* flags */
    put32(bootp + 16, gateway + 9);
    memcpy(bootp + 28, asked + 28, 16);
    memcpy(bootp + 236, COOKIE, 4);
    uint8_t *option = put_option(bootp + 240, OPT_TYPE, 1, (uint32_t)answer);
    option = put_option(option, OPT_SERVER, 4, gateway);
    option = put_option(option, OPT_LEASE, 4, 3600);
    option = put_option(option, OPT_MASK, 4, 0xfffff000);
    option = put_option(option, OPT_ROUTER, 4, gateway);
    *option = OPT_END;
}

static void answer(const uint8_t *frame, int length, int vlan)
{
    const uint8_t mac[6] = {0x02, 0xfe, 0, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan};
    if (is_arp(frame, length, 1))
        answer_arp(frame, vlan, mac);
    else if (is_bootp(frame, length, 67))
        answer_dhcp(frame, length, vlan, mac);
    else if (is_ip(frame, length, IPPROTO_ICMP))
        answer_echo(frame, vlan, mac);
}

int main(int argc, char **argv)
{
    long mute = 0, seconds = 300;
    for (int option; (option = getopt(argc, argv, "m:t:")) != -1;) {
        if (option == 'm')
            mute = number(optarg, 1, VLAN_LAST);
        else if (option == 't')
            seconds = number(optarg, 1, 3600);
        else
            return 2;
    }
    if (optind != argc - 1) {
        fprintf(stderr, "usage: responder INTERFACE [-m K] [-t SECONDS]\n");
        return 2;
    }
    bound_life((unsigned)seconds);
    /* Without SA_RESTART: a signal ends the wait for frames. */
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    trunk_open(&trunk, argv[optind]);
    puts("ready");
    fflush(stdout);
    /* A signal between the test and the wait would be missed, so the wait has a timeout. */
    struct timeval wait = {.tv_usec = 100000};
    setsockopt(trunk.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    while (!ending) {
        int count = trunk_receive(&trunk, MSG_WAITFORONE);
        for (int i = 0; i < count; i++) {
            int vlan = trunk_vlan(&trunk, i);
            if (vlan != 0 && (mute == 0 || vlan % mute != 0))
                answer(trunk.in_frames[i], (int)trunk.in[i].msg_len, vlan);
        }
        trunk_flush(&trunk);
    }
    printf("{\"received\": %lu, \"sent\": %lu, \"discovers\": %lu, \"requests\": %lu, \"releases\": %lu, "
           "\"arps\": %lu, \"echoes\": %lu}\n",
           trunk.received, trunk.sent, seen.discovers, seen.requests, seen.releases, seen.arps, seen.echoes);
    return 0;
}
