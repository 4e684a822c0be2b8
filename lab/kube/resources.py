"""The resource types of the API: a new type is one more row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    Column,
)
from lab.kube.errors import ApiError, Cause
from lab.kube.jsontypes import JsonObject, lookup


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind of object, and where it is served.

    `custom` types behave like custom resources: they have a generation, and refuse strategic merge patches
    and updates without a resourceVersion. `top_level` and `strings` are the schema, as far as there is one:
    other keys than those in `top_level` are pruned; each path of `strings` must be a string if present.
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    custom: bool = False
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = (NAME, AGE)
    fields: tuple[str, ...] = ()
    top_level: tuple[str, ...] = ()
    strings: tuple[tuple[str, ...], ...] = ()

    @property
    def api_version(self) -> str:
        """Return `group/version`, or only the version in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Return `plural.group`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """Return the path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def not_found(self, name: str) -> ApiError:
        """Build a 404 for an object."""
        message = f'{self.qualified} "{name}" not found'
        return ApiError(404, message, group=self.group, kind=self.plural, name=name)

    def already_exists(self, name: str) -> ApiError:
        """Build a 409 for a creation."""
        message = f'{self.qualified} "{name}" already exists'
        return ApiError(409, message, reason="AlreadyExists", group=self.group, kind=self.plural, name=name)

    def conflict(self, name: str, why: str) -> ApiError:
        """Build a 409 for a change of an object that is not as the caller expects."""
        message = f'Operation cannot be fulfilled on {self.qualified} "{name}": {why}'
        return ApiError(409, message, group=self.group, kind=self.plural, name=name)

    def invalid(self, name: str, *causes: Cause) -> ApiError:
        """Build a 422 with the invalid fields."""
        reasons = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
        message = f'{self.kind}{"." + self.group if self.group else ""} "{name}" is invalid: {reasons}'
        return ApiError(422, message, group=self.group, kind=self.kind, name=name, causes=causes)

    def field(self, path: str) -> Callable[[JsonObject], str] | None:
        """Return a reader of a selectable field; None if the field cannot be selected by."""
        if path not in ("metadata.name", "metadata.namespace", *self.fields):
            return None
        keys = path.split(".")
        return lambda body: lookup(body, *keys)


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
    POD_MONITORS,
    SERVICE_MONITORS,
    PROMETHEUS_RULES,
)
BY_PATH: dict[tuple[str, str, str], ResourceType] = {
    (row.group, row.version, row.plural): row for row in TABLE
}
BY_PLURAL: dict[str, ResourceType] = {row.plural: row for row in TABLE}
