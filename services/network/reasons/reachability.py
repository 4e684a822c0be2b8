"""Texts on reasons of gateways that were checked, and of networks without a result."""

from collections.abc import Mapping

from services.contract.outcomes import Reason
from services.network.reasons.texts import ReasonText, reason_text

GATEWAY_CHECKED: Mapping[Reason, ReasonText] = {
    Reason.GATEWAY_ANSWERS: reason_text(
        "gateway {gateway} answers on {segment} from {answering}",
        """
        The gateway {gateway} answers on VLAN {vlan} from {answering}, and through routing unless the network
        is marked as isolated.
        """,
    ),
    Reason.GATEWAY_SILENT_ON_SOME_HOSTS: reason_text(
        "gateway {gateway} answers on {segment} from {answering}, but not from {differing}",
        """
        On VLAN {vlan}, the gateway {gateway} answers other hosts, but not {hosts}. The gateway is up, so the
        fault lies between it and {hosts}. Unless the host reports a fault of its own, most often VLAN {vlan}
        is missing on {ports}.
        - TRUNK
        - WATCH_ARP
        - PROBE
        """,
    ),
    Reason.NOT_IN_BRIDGE: reason_text(
        "gateway {gateway} answers on {segment} from {answering}, but the VLAN does not reach the VMs on "
        "{differing}",
        """
        VLAN {vlan} reaches the uplink, where the gateway {gateway} answers, but the bridge behind it
        ({cluster_network}-br) does not pass it on: VMs on {hosts} do not reach the network. Harvester adds
        the VLAN of each network to the uplink's port of the bridge, on every host with the cluster network;
        its network controller failed to, or something else removed it.
        - On {host}, check that VLAN {vlan} is listed: `bridge vlan show dev {interface}`
        - Find Harvester's network controller on this host, and read its log about VLANs: `kubectl -n
          harvester-system get pods -o wide --field-selector spec.nodeName={host} | grep network-controller`.
          One network with an invalid configuration can keep it from adding others
        - Delete that pod; its successor adds all VLANs again
        - Until then, add it by hand: `bridge vlan add dev {interface} vid {vlan}`
        """,
    ),
    Reason.BRIDGE_PORT_BLOCKED: reason_text(
        "gateway {gateway} answers on {segment} from {answering}, but the bridge passes nothing on to the "
        "VMs on {differing}",
        """
        VLAN {vlan} reaches the uplink, where the gateway {gateway} answers, but the uplink's port of the
        bridge {cluster_network}-br is disabled or blocked: VMs on {hosts} do not reach the network. Harvester
        runs its bridges without spanning tree, so something else changed the port.
        - On {host}, look at the state of the port: `bridge link show dev {interface}`
        - Check whether spanning tree runs, and blocks a loop: `ip -d link show {cluster_network}-br`
          (stp_state is 0 in Harvester)
        - Set the port to forwarding once there is no loop: `bridge link set dev {interface} state 3`
        """,
    ),
    Reason.GATEWAY_NOT_ROUTED: reason_text(
        "gateway {gateway} answers on {segment} from {answering}, but not ICMP echo through the hosts' "
        "routing: it is not routed, or ICMP echo is dropped",
        """
        The gateway {gateway} answers ARP on VLAN {vlan}, but not ICMP echo through the hosts' routing. This
        has two common causes. Either a route between the management network and {cidr} is missing in one of
        the two directions, and nothing passes. Or the gateway, or a firewall on the way, drops ICMP echo, and
        other traffic may pass all the same. From an echo alone nadroute cannot tell the two apart. Harvester
        shows both as Inactive, since it sends the same echo.
        - To tell the two apart, use something other than ICMP. On {host}, open a TCP connection to the
          gateway: `curl -m 3 -sv telnet://{gateway}:22`. Connected means that packets pass both ways and only
          ICMP echo is dropped; so does refused, unless a firewall on the way refuses; a timeout means
          nothing. Or connect from {host} to a service of a VM on this network: an answer means that the
          gateway forwards, unless {host} has an address in {cidr} itself
        - If packets pass, allow ICMP echo to {gateway} from the management network, on the gateway and on the
          firewalls on the way; Harvester then shows the network as Active, too
        - If nothing passes, find the path on {host}: `ip route get {gateway}` and `traceroute -Tn {gateway}`
        - On the router, check that there is a route to {cidr} and one back to the management network
        - If the network is meant to be isolated, or its gateway is to stay silent, mark it as such, so that
          the VLAN alone counts; it then becomes Active: `kubectl -n {namespace} annotate
          network-attachment-definitions {name} nadroute.io/isolated=true`
        """,
    ),
    Reason.GATEWAY_SILENT_ON_VLAN: reason_text(
        "gateway {gateway} does not answer on {segment} from any host (probed from {silent})",
        """
        The gateway {gateway} does not answer ARP on VLAN {vlan} from any host. VLAN {vlan} may not be trunked
        to the hosts, the gateway may be on another VLAN, or the switch may filter ARP. If the gateway does
        not answer through routing either, it may be down.
        - TRUNK
        - On the router, check that {gateway} is on VLAN {vlan}; if it is not, correct the VLAN of this
          network
        - Check whether the switch filters ARP on VLAN {vlan} (dynamic ARP inspection, port security, private
          VLAN), or the gateway answers only senders inside {cidr}: the hosts ask from 0.0.0.0 unless they
          lease an address to probe with (`NADROUTE_DEPTH=lease`)
        - WATCH_ARP
        - PROBE
        """,
    ),
    Reason.GATEWAY_SILENT: reason_text(
        "gateway {gateway} answers neither ARP on {segment} nor ICMP echo through routing (probed from "
        "{silent})",
        """
        The gateway {gateway} answers neither ARP on VLAN {vlan} nor ICMP echo through routing, from any host.
        It may be down or have another address, or VLAN {vlan} may not reach it.
        - On the router, check that the interface on VLAN {vlan} is up and has the address {gateway}
        - Check the network for a typo: is {gateway} the gateway of {cidr}?
        - TRUNK
        - WATCH_ARP
        - PROBE
        """,
    ),
    Reason.NATIVE_VLAN: reason_text(
        "{segment} is untagged on the switch ports of the hosts: answers come back without the tag",
        """
        What is sent on VLAN {vlan} with its tag is answered without it on {hosts}: VLAN {vlan} is the native
        (untagged) VLAN of the switch port, or the port is an access port of it. A VM on VLAN {vlan} does not
        get such answers. If other VLANs answer on the same port, VLAN {vlan} is its native VLAN; if none
        does, it may be an access port. Two switches on the way whose native VLANs differ do the same.
        - If the port is a trunk, make another VLAN its native one, which nothing uses, and allow VLAN {vlan}
          tagged; or have the switch tag the native VLAN too
        - If it is an access port, make it a trunk that allows VLAN {vlan} tagged
        - If VMs are to be on the port's untagged VLAN, give them an untagged network in place of this one
        - On {host}, watch answers arrive without a tag: `tcpdump -eni {interface} '(arp or udp
          port 68) and not vlan'`
        - PROBE
        """,
    ),
}

MEMBERS: Mapping[Reason, ReasonText] = {
    Reason.HALF_TRUNK: reason_text(
        "{segment} reaches hosts by one NIC of their bond, and not by another",
        """
        Of the NICs of a bond, {gateway} answers ARP on VLAN {vlan} by one, and repeatedly not by another,
        each asked with a MAC address of its own. Traffic may pass as it is; where it takes the other NIC, as
        after a failover, VMs on that host lose the network. The finding lists the NICs by host. Most often
        VLAN {vlan} is missing on one of two switch ports or, with LACP, the port is not part of the bundle.
        - On the switch port of each listed NIC, check that VLAN {vlan} is allowed, as on the other port:
          `nadroute hosts` lists the NICs, with the switch port where LLDP tells it
        - On the host, check that the NIC is part of the bond: `cat /proc/net/bonding/{interface}`
        - Check whether the port accepts a further MAC address (port security, 802.1X)
        - Each NIC is asked again after 15 minutes; the finding goes by itself
        """,
    ),
}

NO_RESULT: Mapping[Reason, ReasonText] = {
    Reason.CONFIRMING_NO_OFFER: reason_text(
        "no DHCP server has answered on {segment} yet (asked from {unoffered}); other hosts are asking",
        """
        A host received no DHCP offer. Up to two other hosts ask, at once, before DHCP is reported as failed.
        - Wait half a minute, then check again: `nadroute explain {ref}`
        """,
    ),
    Reason.NOT_PROBED_YET: reason_text(
        "{segment} has not been probed yet with the present configuration",
        """
        No host has reported on the network's present configuration. Most often the network is new or was just
        changed.
        - Wait half a minute, or probe now: `nadroute probe {ref} --wait`
        - If this persists, check that a prober is live and that its queue does not grow: `nadroute hosts`
        """,
    ),
    Reason.NO_HOST: reason_text(
        "no announced host has an uplink for {segment}",
        """
        No announced host has an uplink for the cluster network {cluster_network}, so no host can probe it.
        - List the announced hosts and their uplinks: `nadroute hosts`
        - On a host that carries the cluster network, start a prober with that uplink: `nadroute prober --host
          HOST --uplink {cluster_network}={cluster_network}-bo`
        - If a prober is missing, check that its pod runs and reaches Redis
        """,
    ),
    Reason.NO_FRESH_VERDICT: reason_text(
        "no host has reported on {segment} recently",
        """
        The last results are older than two sweeps, or come from hosts that are no longer announced.
        - Check that the probers are live: `nadroute hosts`
        - Check that the watcher runs, that exactly one replica leads, and that Redis answers
        - PROBE
        """,
    ),
    Reason.INCONCLUSIVE: reason_text(
        "probes of {segment} were inconclusive: frames were lost on the hosts, or too few probes were sent",
        """
        No answer came, but frames were lost on the hosts, or fewer than three probes were sent. Silence
        proves nothing in this case.
        - On {host}, check the load and the dropped frames: `ip -s link show {interface}`
        - Lower the prober's rates, or relieve the host
        - PROBE
        """,
    ),
    Reason.CANNOT_PROBE: reason_text(
        "no host can probe {segment}: {differing}",
        """
        No host can send on the VLAN; each host's fault is listed with it.
        - Repair the faults, then probe again: `nadroute probe {ref} --wait`
        """,
    ),
    Reason.NOT_HEARD: reason_text(
        "no report on {segment} in time from {differing}",
        """
        This is said of a host, beside the network's state. When the state came into doubt, {hosts} had its
        time to report, 25 s or what the prober announces, and did not. So its former result does not count
        until it reports again.
        - Check that its prober is live and that its queue does not grow: `nadroute hosts`
        - PROBE
        """,
    ),
}
