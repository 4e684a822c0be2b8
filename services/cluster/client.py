"""The cluster's networks: list, watch, read, annotate, and post Events."""

from collections.abc import Mapping
from urllib.parse import quote

import structlog

from services.cluster.credentials import find_kubeconfig, load_client
from services.cluster.errors import Denied, NotFound, PatchRefused, Unavailable
from services.cluster.http.event_stream import EventStream
from services.cluster.http.transport import JSON_PATCH, Transport
from services.cluster.ip_pools import IPPool, list_ip_pools
from services.cluster.settings import ClusterSettings
from services.network.parse.managed_fields import FIELD_MANAGER
from services.network.parse.nad import Network, NetworkRef
from services.runtime.process.clock import SystemClock
from services.runtime.process.outside_log import tell

NETWORKS_PATH = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
PAGE = 500

log = structlog.get_logger(__name__)


class Cluster:
    """An API server. Methods raise only the errors of cluster.errors. Thread-safe."""

    def __init__(self, settings: ClusterSettings) -> None:
        """Read the credentials, without sending anything; raise ConfigurationError naming what is missing."""
        source = find_kubeconfig(settings.kubeconfig)
        self.transport = Transport(lambda: load_client(source), SystemClock())
        self._connect_timeout_s = settings.api_connect_timeout_s
        self._read = (settings.api_connect_timeout_s, settings.api_read_timeout_s)
        self.write_timeouts = (settings.api_connect_timeout_s, settings.api_write_timeout_s)
        """For connecting, and between reads, of a write: seconds."""

    def list_networks(self) -> tuple[list[Network], str]:
        """List the networks of all namespaces; return them and the resourceVersion to watch from.

        A malformed item is logged and skipped. Raise Expired when the list changed too much while its pages
        were read.
        """
        networks: list[Network] = []
        token, version = "", ""
        while True:
            query = [("limit", str(PAGE)), *([("continue", token)] if token else [])]
            page = self.transport.request("GET", NETWORKS_PATH, query=query, timeout_s=self._read)
            metadata = page.get("metadata")
            metadata = metadata if isinstance(metadata, Mapping) else {}
            version = str(metadata.get("resourceVersion") or "")
            items = page.get("items")
            for item in items if isinstance(items, list) else []:
                network = read_network(item)
                if network is not None:
                    networks.append(network)
            token = str(metadata.get("continue") or "")
            if not token:
                return networks, version

    def watch_networks(
        self, resource_version: str, *, server_timeout_s: int, silence_s: float
    ) -> EventStream:
        """Open one watch from this version on: lines of JSON, with bookmarks. The caller closes it.

        server_timeout_s: the server ends the watch after it. silence_s: a read raises Unavailable after it.
        """
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(server_timeout_s)),
        ]
        return self.transport.stream(
            NETWORKS_PATH, query=query, timeout_s=(self._connect_timeout_s, silence_s)
        )

    def ip_pools(self) -> tuple[IPPool, ...] | None:
        """Return the pools of Harvester's VM DHCP add-on, as list_ip_pools() does; does not raise."""
        return list_ip_pools(self.transport, timeout_s=self._read)

    def get_network(self, ref: NetworkRef) -> Network:
        """Return the network as it is now; raise NotFound where there is none."""
        return _require(self.transport.request("GET", network_path(ref), timeout_s=self._read))

    def annotate(self, network: Network, annotations: Mapping[str, str | None]) -> Network:
        """Set annotations, or remove those that are None, on exactly this version of this object.

        Sends one JSON patch (RFC 6902): its `test` of the uid fails on another object with the same name, its
        resourceVersion on another version. Returns the network as it is afterwards. Raises Conflict (decide
        again on a fresh object), NotFound (gone, or another object), Denied (permanent until the object
        changes) or Unavailable (perhaps written nevertheless).
        """
        changes = _annotation_operations(network, annotations)
        if not changes:
            return network
        guards: list[dict[str, object]] = [
            {"op": "test", "path": "/metadata/uid", "value": network.uid},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": network.resource_version},
        ]
        try:
            return _require(
                self.transport.request(
                    "PATCH",
                    network_path(network.ref),
                    query=[("fieldManager", FIELD_MANAGER)],
                    body=guards + changes,
                    content_type=JSON_PATCH,
                    timeout_s=self.write_timeouts,
                )
            )
        except PatchRefused as error:
            refused = error
        present = self.get_network(network.ref)
        if present.uid != network.uid:
            raise NotFound(f"{network.ref}: uid {network.uid} is gone, {present.uid} has its name")
        if present.resource_version == network.resource_version:
            raise Denied(str(refused))
        raise refused

    def post_event(self, body: Mapping[str, object]) -> None:
        """Create an Event in the namespace that it names; see event_bodies."""
        metadata = body.get("metadata")
        namespace = str(metadata.get("namespace")) if isinstance(metadata, Mapping) else ""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/events"
        self.transport.request("POST", path, body=body, timeout_s=self.write_timeouts)

    def close(self) -> None:
        """Close the open connections."""
        self.transport.close()


def network_path(ref: NetworkRef) -> str:
    """Return the URL path of a network."""
    group, _, plural = NETWORKS_PATH.rpartition("/")
    return f"{group}/namespaces/{quote(ref.namespace, safe='')}/{plural}/{quote(ref.name, safe='')}"


def read_network(item: object) -> Network | None:
    """Parse a network from the API's JSON; log and return None where it is malformed."""
    try:
        return Network.from_object(item if isinstance(item, Mapping) else {})
    except ValueError as error:
        tell(log, "malformed network skipped", error=str(error), item=repr(item)[:200])
        return None


def _require(body: Mapping[str, object]) -> Network:
    network = read_network(body)
    if network is None:
        raise Unavailable("the API server returned an object that is not a network")
    return network


def _annotation_operations(
    network: Network, annotations: Mapping[str, str | None]
) -> list[dict[str, object]]:
    """Return the patch operations for the annotations that differ."""
    changes = {key: value for key, value in annotations.items() if network.annotations.get(key) != value}
    if not changes:
        return []
    operations: list[dict[str, object]] = []
    if not network.annotations:
        # `add` into a missing map fails (RFC 6902 section 4.1). It loses nothing: the patch applies to this
        # version alone.
        operations.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    for key, value in sorted(changes.items()):
        path = f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"
        if value is None:
            operations.append({"op": "remove", "path": path})
        else:
            operations.append({"op": "add", "path": path, "value": value})
    return operations
