"""A NetworkAttachmentDefinition (NAD), its annotations and its labels, as far as nadroute reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from services.network.parse.managed_fields import find_writer
from services.network.parse.route import Route
from services.network.parse.status import Status
from services.network.parse.tolerance import strings

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
PROBE_ADDRESSES = "nadroute.io/probe-addresses"
"""Set by the owner: a JSON object that gives each host an address on the VLAN; see probe_addresses.py."""
CLUSTER_NETWORK_LABEL = "network.harvesterhci.io/clusternetwork"

SYSTEM_NAMESPACE = "harvester-system"
SYSTEM_NAME_PREFIXES = ("storagenetwork-", "rwx-network-")
SYSTEM_ANNOTATIONS = (
    "storage-network.settings.harvesterhci.io",
    "rwx-network.settings.harvesterhci.io",
)


@dataclass(frozen=True, order=True)
class NetworkRef:
    """Namespace and name of a network."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> "NetworkRef":
        """Parse NAMESPACE/NAME; raises ValueError."""
        namespace, slash, name = text.partition("/")
        if not (namespace and slash and name) or "/" in name:
            raise ValueError(f"{text!r}: expected NAMESPACE/NAME")
        return cls(namespace, name)


@dataclass(frozen=True)
class Network:
    """One version of one NAD. uid and resource_version guard every write that is computed from it.

    The annotations are parsed once, when they are first read; broken ones raise nothing.
    """

    ref: NetworkRef
    uid: str
    resource_version: str
    config: object
    """spec.config: a JSON string, or anything else that a tenant wrote."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False
    route_writer: str = ""
    """Who else wrote the route annotation last, by metadata.managedFields; empty if that is unknown."""

    @classmethod
    def from_object(cls, body: Mapping[str, object]) -> "Network":
        """Read the API's JSON; raises ValueError if the metadata that a write needs is missing."""
        metadata = _mapping(body.get("metadata"))
        namespace, name, uid, version = (
            metadata.get(key) for key in ("namespace", "name", "uid", "resourceVersion")
        )
        if not (
            isinstance(namespace, str)
            and isinstance(name, str)
            and isinstance(uid, str)
            and isinstance(version, str)
        ):
            raise ValueError("metadata: expected namespace, name, uid and resourceVersion")
        return cls(
            ref=NetworkRef(namespace, name),
            uid=uid,
            resource_version=version,
            config=_mapping(body.get("spec")).get("config"),
            annotations=strings(metadata.get("annotations")),
            labels=strings(metadata.get("labels")),
            deleting=metadata.get("deletionTimestamp") is not None,
            route_writer=find_writer(metadata.get("managedFields"), ROUTE),
        )

    @property
    def has_route(self) -> bool:
        """Whether there is a route annotation, readable or not."""
        return ROUTE in self.annotations

    @property
    def route(self) -> Route:
        """The route annotation; empty if it is missing or unreadable."""
        return self._read_route[0]

    @property
    def route_error(self) -> str:
        """What is wrong with the route annotation; empty if it is readable."""
        return self._read_route[1]

    @cached_property
    def _read_route(self) -> tuple[Route, str]:
        try:
            return Route.parse(self.annotations.get(ROUTE, "")), ""
        except ValueError as error:
            return Route(), str(error)

    @cached_property
    def status(self) -> Status | None:
        """nadroute's own status annotation; None if it is missing or unreadable."""
        return Status.parse(self.annotations.get(STATUS, ""))

    @property
    def is_system(self) -> bool:
        """Whether it is one of Harvester's own networks, which nadroute never changes."""
        return (
            self.ref.namespace == SYSTEM_NAMESPACE
            or self.ref.name.startswith(SYSTEM_NAME_PREFIXES)
            or any(self.annotations.get(key) == "true" for key in SYSTEM_ANNOTATIONS)
        )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
