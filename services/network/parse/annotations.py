"""The annotations and labels on a NetworkAttachmentDefinition that mean something here."""

ROUTE = "network.harvesterhci.io/route"
"""Harvester's: a JSON string, shared with Harvester's controller, its UI and Terraform."""
STATUS = "nadroute.io/status"
"""Ours: compact JSON, see network/status.py."""
PROBE = "nadroute.io/probe"
"""The owner's: "disabled" stops the probing of this network."""
PROBE_NOW = "nadroute.io/probe-now"
"""The owner's: any new value asks for a probe at once."""
ISOLATED = "nadroute.io/isolated"
"""The owner's: "true" says that the network is not routed by intent, so the VLAN path alone counts."""
CLUSTER_NETWORK_LABEL = "network.harvesterhci.io/clusternetwork"

SYSTEM_NAMESPACE = "harvester-system"
SYSTEM_NAME_PREFIXES = ("storagenetwork-", "rwx-network-")
SYSTEM_ANNOTATIONS = (
    "storage-network.settings.harvesterhci.io",
    "rwx-network.settings.harvesterhci.io",
)
