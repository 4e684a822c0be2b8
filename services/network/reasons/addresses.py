"""Texts on findings about the addresses that hosts use on a VLAN to probe."""

from collections.abc import Mapping

from services.contract.outcomes import Reason
from services.network.reasons.texts import ReasonText, reason_text

ADDRESS_FINDINGS: Mapping[Reason, ReasonText] = {
    Reason.ARP_NEEDS_ADDRESS: reason_text(
        "the gateway {gateway} on {segment} answers ARP from an address there, and not from 0.0.0.0",
        """
        A host that had an address on VLAN {vlan} was answered by the gateway {gateway}, and one that asked
        from 0.0.0.0, which claims no address, was not. The gateway may answer only senders inside {cidr}, or
        a switch may drop ARP whose sender is in no DHCP lease (dynamic ARP inspection). So hosts without an
        address cannot tell whether the gateway answers them, and their silence makes nothing worse. It is
        forgotten once 0.0.0.0 is answered.
        - Let the probers lease an address to probe with (`NADROUTE_DEPTH=lease`): each host has one in turn
        - In manual mode, give each host an address that nobody else uses: `kubectl -n {namespace} annotate
          --overwrite network-attachment-definitions {name}
          'nadroute.io/probe-addresses={{"{host}":"ADDRESS"}}'`
        """,
    ),
    Reason.ADDRESS_IN_USE: reason_text(
        "another machine on {segment} has an address that DHCP offers",
        """
        Before a host uses an address that it leased, it asks whether somebody has it (RFC 5227). Somebody
        answered, with the MAC address in the finding, so the host declined the address (DHCPDECLINE).
        For some hours none is leased on this VLAN, by any host, so that the server's pool is not used up;
        hosts ask DHCP without a lease meanwhile.
        - Find the MAC address in the switches' address tables. A machine with a fixed address inside the
          DHCP range is the most common cause; move it, or exclude its address from the range
        - If it is a router or a firewall, it may answer for every address (proxy ARP)
        - How long no address is leased is a setting of the probers, `NADROUTE_LEASE_PAUSE_HOURS`
        """,
    ),
    Reason.PROXY_ARP: reason_text(
        "one machine on {segment} answers ARP for several addresses",
        """
        The machine with the MAC address in the finding answers ARP for an address that DHCP offered and for
        others: proxy ARP, as routers and firewalls do. So a leased address is declined as in use, and for
        some hours none is leased on this VLAN, by any host. A VM that checks its address finds it in use,
        too.
        - On that machine, switch proxy ARP off on VLAN {vlan}, or limit it to what is not on the VLAN
          (Cisco: `no ip proxy-arp`; Linux: `proxy_arp=0`)
        """,
    ),
    Reason.PROBE_ADDRESS_IN_USE: reason_text(
        "another machine on {segment} has an address of nadroute.io/probe-addresses",
        """
        Before a host uses the address that the annotation `nadroute.io/probe-addresses` gives it, it asks
        whether somebody has it (RFC 5227). Somebody answered, with the MAC address in the finding, so the
        address is not used, and the host asks from 0.0.0.0.
        - Give the host another address: EDIT_PROBE_ADDRESSES
        - Or find the MAC address in the switches' address tables, and move that machine
        """.replace(
            "EDIT_PROBE_ADDRESSES",
            """`kubectl -n {namespace} edit
          network-attachment-definitions {name}`""",
        ),
    ),
    Reason.BAD_PROBE_ADDRESSES: reason_text(
        "nadroute.io/probe-addresses cannot be used as it is",
        """
        The annotation `nadroute.io/probe-addresses` gives hosts addresses to probe from. The finding says
        which part of it is not usable, and what was expected; the rest is used.
        - EDIT
        """,
    ),
}
