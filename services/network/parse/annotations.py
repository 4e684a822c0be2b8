"""The annotations and labels of a NetworkAttachmentDefinition that nadroute reads."""

ROUTE = "network.harvesterhci.io/route"
"""A JSON string, shared with Harvester's controller, its UI and Terraform: see route.py."""
STATUS = "nadroute.io/status"
"""nadroute's own, compact JSON: see status.py."""
PROBE = "nadroute.io/probe"
"""Set by the owner: "disabled" stops probing this network."""
PROBE_NOW = "nadroute.io/probe-now"
"""Set by the owner: any new value triggers a probe."""
ISOLATED = "nadroute.io/isolated"
"""Set by the owner: "true" if the network is not meant to be routed, so that the VLAN alone counts."""
CLUSTER_NETWORK_LABEL = "network.harvesterhci.io/clusternetwork"

SYSTEM_NAMESPACE = "harvester-system"
SYSTEM_NAME_PREFIXES = ("storagenetwork-", "rwx-network-")
SYSTEM_ANNOTATIONS = (
    "storage-network.settings.harvesterhci.io",
    "rwx-network.settings.harvesterhci.io",
)
