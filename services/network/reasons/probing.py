"""What it means how a gateway answered, or that nobody can tell."""

from collections.abc import Mapping

from services.contract.outcomes import Fault, Reason
from services.network.reasons.explanation import Explanation, explain

REACH: Mapping[Reason, Explanation] = {
    Reason.GATEWAY_ANSWERS: explain(
        """
        The gateway {gateway} answers on VLAN {vlan} from {answering}, and through routing unless the network
        is marked as isolated.
        """
    ),
    Reason.GATEWAY_SILENT_ON_SOME_HOSTS: explain(
        """
        On VLAN {vlan} the gateway {gateway} answers other hosts, and not {hosts}. So the gateway is
        alive, and what is wrong is between it and that host: most often VLAN {vlan} is missing on its
        switch port.
        - TRUNK
        - WATCH_ARP
        - PROBE
        """
    ),
    Reason.GATEWAY_NOT_ROUTED: explain(
        """
        The gateway {gateway} answers ARP on VLAN {vlan}, but no ICMP echo that takes the hosts' own
        routing. So VLAN and gateway are well; what is missing is the route between the management network
        and {cidr}, there or back, or a firewall drops ICMP.
        - On {host}, which way it takes: `ip route get {gateway}` and `traceroute -In {gateway}`
        - On the router: a route to {cidr}, and one from there back to the management network
        - Firewalls between them: ICMP echo to {gateway} has to pass
        - If it is meant to be isolated, say so, and it becomes Active: `kubectl -n {namespace} annotate
          network-attachment-definitions {name} nadroute.io/isolated=true`
        """
    ),
    Reason.GATEWAY_SILENT_ON_VLAN: explain(
        """
        The gateway {gateway} does not answer ARP on VLAN {vlan} from any host, though it answers through
        routing. So the gateway is alive, and VLAN {vlan} does not reach the hosts: it is not trunked to
        them, or the network has another VLAN id than the gateway, or the switch filters ARP.
        - TRUNK
        - Whether {vlan} is the VLAN on which {gateway} lives: look at the router's interface; if not,
          correct the VLAN of this network
        - Whether the switch filters ARP on it (dynamic ARP inspection, port security, private VLAN)
        - WATCH_ARP
        - PROBE
        """
    ),
    Reason.GATEWAY_SILENT: explain(
        """
        The gateway {gateway} answers neither ARP on VLAN {vlan} nor ICMP echo through routing, from any
        host. It is down, it has another address, or nobody is on that VLAN.
        - The gateway itself: is the router's interface for VLAN {vlan} up, and is its address {gateway}?
        - A typo: is {gateway} what the network {cidr} really has for a gateway?
        - TRUNK
        - WATCH_ARP
        - PROBE
        """
    ),
}

UNKNOWN: Mapping[Reason, Explanation] = {
    Reason.CONFIRMING_NO_OFFER: explain(
        """
        One host was offered no address; up to two others are being asked before that is called a failure.
        - Wait for half a minute, then look again: `nadroute explain {ref}`
        """
    ),
    Reason.NOT_PROBED_YET: explain(
        """
        No host has reported on what is asked now: it is new, or was changed just now.
        - Wait for half a minute; or at once: `nadroute probe {ref} --wait`
        - If it stays so: is a prober live, and does its queue grow? `nadroute hosts`
        """
    ),
    Reason.NO_HOST: explain(
        """
        No host that is announced has an uplink of the cluster network {cluster_network}: nobody can probe
        it.
        - Who is announced, with which uplinks: `nadroute hosts`
        - Start the prober of a host that carries it, with the uplink named: `nadroute prober --host HOST
          --uplink {cluster_network}={cluster_network}-bo`
        - A prober that should be there: do its pods run, and do they reach Redis?
        """
    ),
    Reason.NO_FRESH_VERDICT: explain(
        """
        What is known is older than two sweeps, or comes from hosts that are gone.
        - Whether the probers live: `nadroute hosts`
        - Whether the watcher runs, and exactly one leads; whether Redis answers
        - PROBE
        """
    ),
    Reason.INCONCLUSIVE: explain(
        """
        Nothing answered, but frames were lost on the hosts, or fewer than three probes were sent: silence
        proves nothing then.
        - Load and drops on {host}: `ip -s link show {interface}`
        - Lower the prober's rates, or relieve the host
        - PROBE
        """
    ),
    Reason.CANNOT_PROBE: explain(
        """
        No host can send on the VLAN; what stops each of them stands under it above.
        - Repair what is named there, then: `nadroute probe {ref} --wait`
        """
    ),
}

FAULTS: Mapping[Fault, str] = {
    Fault.UPLINK_MISSING: "there is no interface {interface}: `ip link`; or correct the prober's --uplink",
    Fault.UPLINK_DOWN: "its uplink {interface} is down: look at cable, bond and switch port",
    Fault.UPLINK_FLAPPING: "its uplink {interface} goes up and down: look at cable, optics and bond",
    Fault.NO_PERMISSION: "its prober may not open a packet socket: give the container the capability NET_RAW",
    Fault.SEND_FAILED: "the kernel refused to send on {interface}: see its prober's log",
    Fault.STOPPED: "its prober was stopped before it was done; the next sweep asks again",
}
"""What a host that cannot probe suffers from, and what to do."""
