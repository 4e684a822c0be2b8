"""Texts on reasons of networks that are not probed: left alone, or with a configuration that is refused."""

from collections.abc import Mapping

from services.contract.outcomes import Reason
from services.network.reasons.texts import ReasonText, reason_text

LEFT_ALONE: Mapping[Reason, ReasonText] = {
    Reason.UNTAGGED: reason_text(
        "the network is untagged",
        """
        The network has no VLAN ID, so there is no VLAN to probe. Harvester shows N/A.
        """,
    ),
    Reason.TRUNK: reason_text(
        "the network is a VLAN trunk",
        """
        The network carries many VLANs to VMs that tag their own frames, and has no gateway of its own.
        """,
    ),
    Reason.OVERLAY: reason_text(
        "the network is an overlay network",
        """
        The network is an overlay network, which Kube-OVN manages.
        """,
    ),
    Reason.SYSTEM_NETWORK: reason_text(
        "the network belongs to Harvester",
        """
        The network belongs to Harvester (namespace harvester-system, storage network or RWX network).
        nadroute writes nothing to it.
        """,
    ),
    Reason.NOT_A_BRIDGE: reason_text(
        "the network is not a bridge network",
        """
        The network has no spec.config, or its type there is neither bridge nor kube-ovn, so it is not a VM
        network of Harvester's. nadroute writes nothing to it, because Harvester's webhook would refuse.
        """,
    ),
    Reason.NO_ROUTE_ANNOTATION: reason_text(
        "the network has no route annotation, and default_mode is off",
        """
        The network has no route annotation, and default_mode=off leaves such networks alone.
        - To have it probed, add the annotation: `kubectl -n {namespace} annotate
          network-attachment-definitions {name} '{route}={{"mode":"auto"}}'`
        - To have all such networks probed, set default_mode=auto for watcher, updater and command line
        """,
    ),
    Reason.OUT_OF_SCOPE: reason_text(
        "the network is outside the configured scope",
        """
        The network's namespace or cluster network is not in the configured scope. nadroute writes nothing to
        it.
        - To include it, add it to the settings namespaces and cluster_networks of all services
        """,
    ),
    Reason.DISABLED_BY_ANNOTATION: reason_text(
        "the owner disabled probing",
        """
        The network has the annotation nadroute.io/probe: "disabled".
        - To resume probing: `nadroute resume {ref}`
        """,
    ),
}

REFUSED: Mapping[Reason, ReasonText] = {
    Reason.BAD_CONFIG: reason_text(
        "the network's configuration is invalid",
        """
        spec.config is not JSON, or its VLAN or bridge is invalid.
        - EDIT
        - The bridge must be CLUSTERNETWORK-br, and the VLAN a number from 1 to 4094 (0 is untagged)
        """,
    ),
    Reason.BAD_ROUTE: reason_text(
        "the route annotation is unreadable",
        """
        The route annotation is not JSON, a field has the wrong type, or the mode is unknown. Harvester's
        webhook refuses every change of such a network, nadroute's included, so nadroute reports this by an
        Event only.
        - Remove the annotation, which is all that the webhook allows, in a request of its own: `kubectl -n
          {namespace} annotate network-attachment-definitions {name} {route}-`
        - nadroute then writes a new one. To write it yourself, use a second request: `kubectl -n {namespace}
          annotate network-attachment-definitions {name} '{route}={{"mode":"auto"}}'`
        """,
    ),
    Reason.BAD_SERVER: reason_text(
        "the configured DHCP server is invalid",
        """
        serverIPAddr in the route annotation is not the IPv4 address of a host.
        - EDIT
        - Leave serverIPAddr empty to accept any DHCP server
        """,
    ),
    Reason.BAD_CIDR: reason_text(
        "the configured cidr is invalid",
        """
        cidr in the route annotation is not an IPv4 subnet, such as 10.0.112.0/20, or is /0. In mode manual,
        Harvester's webhook refuses what it cannot parse and /0, too; detail says so.
        - EDIT
        """,
    ),
    Reason.BAD_GATEWAY: reason_text(
        "the configured gateway is invalid",
        """
        gateway in the route annotation is not the IPv4 address of a host. Names, IPv6, multicast, loopback
        and link-local addresses, and the subnet's own and broadcast addresses, are refused.
        - EDIT
        """,
    ),
    Reason.GATEWAY_OUTSIDE_CIDR: reason_text(
        "the configured gateway is outside the configured cidr",
        """
        gateway in the route annotation is not in cidr, so VMs reach it only by a route of their own. Most
        often one of the two is a typo, so it is not probed. Harvester's webhook does not check this.
        - Compare both with the router's interface for this network: which one is wrong?
        - If the gateway is on the link all the same, set cidr to the gateway's own address with /32
        - EDIT
        """,
    ),
    Reason.GATEWAY_REFUSED: reason_text(
        "the configured gateway may not be probed",
        """
        gateway in the route annotation is in a denied subnet or is a host's own address, so nadroute does not
        probe it.
        - EDIT
        - If the gateway is right, remove its subnet from the setting denied_subnets: `nadroute config
          watcher` shows the current value
        """,
    ),
}
