"""The resource types of the API: a new type is one more row of the table."""

from __future__ import annotations

from lab.kube.columns import (
    AGE,
    CONNECTIVITY,
    EVENT_COLUMNS,
    HOLDER,
    NAME,
    NAMESPACE_STATUS,
    NODE_ROLES,
    NODE_STATUS,
    NODE_VERSION,
    VLAN,
)
from lab.kube.installed import INSTALLED
from lab.kube.resource_type import ResourceType

NAMESPACES = ResourceType(
    group="",
    version="v1",
    plural="namespaces",
    singular="namespace",
    kind="Namespace",
    namespaced=False,
    short_names=("ns",),
    columns=(NAME, NAMESPACE_STATUS, AGE),
    fields=("status.phase",),
)
NODES = ResourceType(
    group="",
    version="v1",
    plural="nodes",
    singular="node",
    kind="Node",
    namespaced=False,
    short_names=("no",),
    columns=(NAME, NODE_STATUS, NODE_ROLES, AGE, NODE_VERSION),
)
EVENTS = ResourceType(
    group="",
    version="v1",
    plural="events",
    singular="event",
    kind="Event",
    short_names=("ev",),
    columns=EVENT_COLUMNS,
    fields=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "type",
        "source",
        "reportingComponent",
    ),
)
LEASES = ResourceType(
    group="coordination.k8s.io",
    version="v1",
    plural="leases",
    singular="lease",
    kind="Lease",
    columns=(NAME, HOLDER, AGE),
)
SECRETS = ResourceType(group="", version="v1", plural="secrets", singular="secret", kind="Secret")
NADS = ResourceType(
    group="k8s.cni.cncf.io",
    version="v1",
    plural="network-attachment-definitions",
    singular="network-attachment-definition",
    kind="NetworkAttachmentDefinition",
    custom=True,
    short_names=("net-attach-def",),
    columns=(NAME, AGE, VLAN, CONNECTIVITY),
    top_level=("apiVersion", "kind", "metadata", "spec"),
    strings=(("spec", "config"),),
)
CLUSTER_NETWORKS = ResourceType(
    group="network.harvesterhci.io",
    version="v1beta1",
    plural="clusternetworks",
    singular="clusternetwork",
    kind="ClusterNetwork",
    namespaced=False,
    custom=True,
    short_names=("cn",),
)
VLAN_STATUSES = ResourceType(
    group="network.harvesterhci.io",
    version="v1beta1",
    plural="vlanstatuses",
    singular="vlanstatus",
    kind="VlanStatus",
    namespaced=False,
    custom=True,
    short_names=("vs",),
)
IP_POOLS = ResourceType(
    group="network.harvesterhci.io",
    version="v1alpha1",
    plural="ippools",
    singular="ippool",
    kind="IPPool",
    custom=True,
    short_names=("ippl",),
)
SERVICE_ACCOUNTS = ResourceType(
    group="",
    version="v1",
    plural="serviceaccounts",
    singular="serviceaccount",
    kind="ServiceAccount",
    short_names=("sa",),
)
POD_MONITORS = ResourceType(
    group="monitoring.coreos.com",
    version="v1",
    plural="podmonitors",
    singular="podmonitor",
    kind="PodMonitor",
    custom=True,
)
SERVICE_MONITORS = ResourceType(
    group="monitoring.coreos.com",
    version="v1",
    plural="servicemonitors",
    singular="servicemonitor",
    kind="ServiceMonitor",
    custom=True,
)
PROMETHEUS_RULES = ResourceType(
    group="monitoring.coreos.com",
    version="v1",
    plural="prometheusrules",
    singular="prometheusrule",
    kind="PrometheusRule",
    custom=True,
)

TABLE: tuple[ResourceType, ...] = (
    NAMESPACES,
    SERVICE_ACCOUNTS,
    NODES,
    EVENTS,
    LEASES,
    SECRETS,
    NADS,
    CLUSTER_NETWORKS,
    VLAN_STATUSES,
    IP_POOLS,
    POD_MONITORS,
    SERVICE_MONITORS,
    PROMETHEUS_RULES,
    *INSTALLED,
)
BY_PATH: dict[tuple[str, str, str], ResourceType] = {
    (row.group, row.version, row.plural): row for row in TABLE
}
BY_PLURAL: dict[str, ResourceType] = {row.plural: row for row in TABLE}
