"""What it means that a network is left alone, or that what its owner wrote is refused."""

from collections.abc import Mapping

from services.contract.outcomes import Reason
from services.network.reasons.explanation import Explanation, explain

LEFT_ALONE: Mapping[Reason, Explanation] = {
    Reason.UNTAGGED: explain(
        """
        It has no VLAN id, so there is no VLAN to probe; Harvester shows N/A. Nothing is wrong with it.
        """
    ),
    Reason.TRUNK: explain(
        """
        It carries many VLANs to VMs that tag their frames themselves, and has no gateway of its own.
        """
    ),
    Reason.OVERLAY: explain(
        """
        It is an overlay network: Kube-OVN looks after it.
        """
    ),
    Reason.SYSTEM_NETWORK: explain(
        """
        It is Harvester's own (namespace harvester-system, storage or RWX network): nothing is written to
        it.
        """
    ),
    Reason.NOT_A_BRIDGE: explain(
        """
        Its type is neither bridge nor kube-ovn, so it is none of Harvester's VM networks.
        """
    ),
    Reason.NO_ROUTE_ANNOTATION: explain(
        """
        It has no route annotation, and default_mode=off leaves such networks alone.
        - To have it probed: `kubectl -n {namespace} annotate network-attachment-definitions {name}
          '{route}={{"mode":"auto"}}'`
        - Or set default_mode=auto for all of them (watcher, updater and here)
        """
    ),
    Reason.OUT_OF_SCOPE: explain(
        """
        Its namespace or cluster network is not among those that nadroute was told to look after.
        - To have it looked after, add it to the settings namespaces and cluster_networks, of all services
        """
    ),
    Reason.DISABLED_BY_ANNOTATION: explain(
        """
        It has the annotation nadroute.io/probe: "disabled".
        - To go on: `nadroute resume {ref}`
        """
    ),
}

REFUSED: Mapping[Reason, Explanation] = {
    Reason.BAD_CONFIG: explain(
        """
        spec.config is not JSON, or names no VLAN or no bridge that could be one.
        - EDIT
        - Its bridge has to be CLUSTERNETWORK-br, its vlan a number from 1 to 4094
        """
    ),
    Reason.BAD_ROUTE: explain(
        """
        The route annotation cannot be read, so Harvester's webhook refuses every change of this network,
        nadroute's too. It tells so by an Event alone.
        - Only its removal gets past the webhook, by itself: `kubectl -n {namespace} annotate
          network-attachment-definitions {name} {route}-`
        - Then nadroute writes a new one by itself; or give it one in a second request: `kubectl -n
          {namespace} annotate network-attachment-definitions {name} '{route}={{"mode":"auto"}}'`
        """
    ),
    Reason.BAD_SERVER: explain(
        """
        serverIPAddr in the route annotation is no IPv4 address of a host.
        - EDIT
        - Leave serverIPAddr empty to take any DHCP server's answer
        """
    ),
    Reason.BAD_CIDR: explain(
        """
        cidr in the route annotation is no IPv4 subnet with room for a gateway (such as 10.0.112.0/20).
        - EDIT
        """
    ),
    Reason.BAD_GATEWAY: explain(
        """
        gateway in the route annotation is no IPv4 address of a host: not a name, not IPv6, not multicast,
        and not the subnet's own or broadcast address.
        - EDIT
        """
    ),
    Reason.GATEWAY_OUTSIDE_CIDR: explain(
        """
        gateway in the route annotation is not in cidr, so no VM could reach it. Harvester does not check
        that. Most often it is a typo.
        - Compare with the router's interface for this VLAN: which of the two is wrong?
        - EDIT
        """
    ),
    Reason.GATEWAY_REFUSED: explain(
        """
        gateway in the route annotation is in a denied subnet, or a host's own address: hosts are not made
        to ask there.
        - EDIT
        - If it is right, take it out of the setting denied_subnets: `nadroute config watcher`
        """
    ),
}
