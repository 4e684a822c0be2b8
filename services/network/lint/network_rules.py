"""Rules that look at one network. What the watcher refuses is found by the watcher's own reading."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from services.contract.outcomes import Reason, State
from services.network.lint.manifests import ANNOTATIONS, CONFIG, LABELS, METADATA, Manifest, Path
from services.network.parse import nad
from services.network.parse.config import BRIDGE, KINDS, OVERLAY
from services.network.parse.go_object import GoObject, is_same_key
from services.network.parse.intent import Channel, NotProbed, read_intent
from services.network.parse.route import Route
from services.network.parse.tolerance import shown

ROUTE: Path = (*ANNOTATIONS, nad.ROUTE)
DESCRIPTION = "field.cattle.io/description"
BRIDGE_SUFFIX = "-br"
LONGEST_NAME = 12
"""Of a cluster network."""
MAX_VLAN = 4094
MTUS = range(576, 9001)
_ROUTE_FIELDS = ("mode", "serverIPAddr", "cidr", "gateway", "connectivity", "outdated")
_RESULTS = ("connectivity", "outdated")
_CODES = {
    Reason.BAD_CONFIG: "NR201",
    Reason.NOT_A_BRIDGE: "NR202",
    Reason.BAD_ROUTE: "NR102",
    Reason.BAD_CIDR: "NR103",
    Reason.BAD_GATEWAY: "NR104",
    Reason.GATEWAY_OUTSIDE_CIDR: "NR105",
    Reason.BAD_SERVER: "NR106",
}
"""What the watcher refuses, by its reason."""
_UNPROBED = (Reason.UNTAGGED, Reason.TRUNK, Reason.OVERLAY)
_ANY_VLAN = '{"type":"bridge","bridge":"mgmt-br","vlan":1}'
_FIELD = re.compile(r"^(?:spec\.config|[a-z./]+): (\w+):")
_VLAN_IN_NAME = re.compile(r"vlan[-_]?(\d{1,4})(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found in one manifest."""

    code: str
    path: Path
    message: str


def check_network(manifest: Manifest) -> list[Finding]:
    """Return what the rules find in one network, by itself."""
    network = manifest.network
    if network.ref.namespace == nad.SYSTEM_NAMESPACE:
        text = f"{nad.SYSTEM_NAMESPACE} is Harvester's own namespace"
        return [Finding("NR303", (*METADATA, "namespace"), text)]
    if network.is_system:
        return []
    return [
        *_refused(manifest),
        *_route(manifest),
        *_config(manifest),
        *_labels(manifest),
        *_metadata(manifest),
    ]


def _refused(manifest: Manifest) -> Iterator[Finding]:
    """Find what the watcher would refuse, in its own words."""
    network = manifest.network
    found = read_intent(network)
    if isinstance(found, NotProbed) and found.reason in _UNPROBED:
        # Nobody probes it, but Harvester's webhook reads its route as well.
        read_as_vlan = read_intent(replace(network, config=_ANY_VLAN))
        if isinstance(read_as_vlan, NotProbed) and read_as_vlan.channel is Channel.EVENT:
            found = read_as_vlan
    if not isinstance(found, NotProbed) or found.reason not in _CODES:
        return
    if found.state is not State.INVALID and found.reason is not Reason.NOT_A_BRIDGE:
        return
    if found.detail.startswith(f"spec.config: bridge: expected CLUSTERNETWORK{BRIDGE_SUFFIX}"):
        # A rule of its own looks at that, also where there is no VLAN.
        return
    is_config = found.detail.startswith("spec.config: ")
    where = CONFIG if is_config else ROUTE
    field = _FIELD.match(found.detail)
    detail = found.detail.removeprefix("spec.config: ").removeprefix(f"{nad.ROUTE}: ")
    yield Finding(_CODES[found.reason], (*where, field[1]) if field else where, detail)


def _route(manifest: Manifest) -> Iterator[Finding]:
    network = manifest.network
    if not network.has_route:
        if _is_vlan(manifest):
            yield Finding("NR101", METADATA, f"no annotation {nad.ROUTE}: mode auto is assumed")
        return
    given, route = network.route.given, network.route
    for key, _ in given.pairs:
        known = _known(key, _ROUTE_FIELDS)
        if known is None:
            yield Finding(
                "NR109", (*ROUTE, key), f"{shown(key)}: Harvester knows no such field, and loses it"
            )
        elif known != key:
            yield Finding("NR108", (*ROUTE, key), f"{shown(key)}: expected {known}")
        if known in _RESULTS:
            yield Finding("NR110", (*ROUTE, key), f"{known}: a result, which Harvester or nadroute writes")
    yield from _host_bits(route)
    if nad.STATUS in network.annotations:
        text = f"{nad.STATUS}: a result, which nadroute writes"
        yield Finding("NR110", (*ANNOTATIONS, nad.STATUS), text)


def _host_bits(route: Route) -> Iterator[Finding]:
    try:
        masked = str(IPv4Network(route.cidr, strict=False)) if route.mode == "manual" else route.cidr
    except ValueError:
        return
    if masked != route.cidr:
        yield Finding(
            "NR107", (*ROUTE, "cidr"), f"cidr: {shown(route.cidr)} has host bits, expected {masked}"
        )


def _config(manifest: Manifest) -> Iterator[Finding]:
    given = manifest.config
    if given is None:
        return
    kind, bridge, vlan = _text(given, "type"), _text(given, "bridge"), _number(given, "vlan")
    if kind not in (BRIDGE, OVERLAY):
        return
    for key, _ in given.pairs:
        known = _known(key, ("type", *KINDS))
        if known is not None and known != key:
            yield Finding("NR108", (*CONFIG, key), f"{shown(key)}: expected {known}")
    if not _text(given, "cniVersion"):
        yield Finding("NR206", CONFIG, "cniVersion is missing")
    name = _text(given, "name")
    if name and name != manifest.network.ref.name:
        text = f"name: {shown(name)}, and the network is {shown(manifest.network.ref.name)}"
        yield Finding("NR207", (*CONFIG, "name"), text)
    if kind == OVERLAY and not 0 <= vlan <= MAX_VLAN:
        # The watcher leaves overlays alone; Harvester's webhook does not.
        yield Finding(
            "NR201", (*CONFIG, "vlan"), f"vlan: expected an integer from 0 to {MAX_VLAN}, got {vlan}"
        )
    if kind == BRIDGE:
        yield from _bridge(bridge)
        if vlan and any(key == "vlanTrunk" and value for key, value in given.pairs):
            yield Finding("NR203", (*CONFIG, "vlanTrunk"), f"vlanTrunk is ignored beside vlan {vlan}")
    mtu = _number(given, "mtu")
    if mtu and mtu not in MTUS:
        text = f"mtu: expected 0 or {MTUS.start} to {MTUS.stop - 1}, got {mtu}"
        yield Finding("NR208", (*CONFIG, "mtu"), text)


def _bridge(bridge: str) -> Iterator[Finding]:
    name = bridge.removesuffix(BRIDGE_SUFFIX)
    if name == bridge or not name:
        text = f"bridge: expected CLUSTERNETWORK{BRIDGE_SUFFIX}, got {shown(bridge)}"
        yield Finding("NR204", (*CONFIG, "bridge"), text)
    elif len(name) > LONGEST_NAME:
        text = f"bridge: {shown(name)} has {len(name)} characters, expected at most {LONGEST_NAME}"
        yield Finding("NR205", (*CONFIG, "bridge"), text)


def _labels(manifest: Manifest) -> Iterator[Finding]:
    expected = expected_labels(manifest)
    for name, value in manifest.network.labels.items():
        field = name.removeprefix(LABEL_PREFIX)
        if field != name and field in expected and value != expected[field]:
            meant = expected[field]
            text = f"{name}: {shown(value)}, and spec.config says " + (shown(meant) if meant else "none")
            yield Finding("NR301", (*LABELS, name), text)


LABEL_PREFIX = "network.harvesterhci.io/"


def expected_labels(manifest: Manifest) -> dict[str, str]:
    """Return the labels that Harvester derives from the configuration; empty if it cannot be read."""
    given = manifest.config
    if given is None or _text(given, "type") not in (BRIDGE, OVERLAY):
        return {}
    if _text(given, "type") == OVERLAY:
        return {"type": "OverlayNetwork"}
    vlan, trunk = _number(given, "vlan"), any(k == "vlanTrunk" and v for k, v in given.pairs)
    kind = "L2VlanNetwork" if vlan else "L2VlanTrunkNetwork" if trunk else "UntaggedNetwork"
    bridge = _text(given, "bridge")
    name = {"clusternetwork": bridge.removesuffix(BRIDGE_SUFFIX)} if bridge.endswith(BRIDGE_SUFFIX) else {}
    return {"type": kind, "vlan-id": str(vlan) if vlan else "", **name}


def _metadata(manifest: Manifest) -> Iterator[Finding]:
    network, vlan = manifest.network, vlan_of(manifest)
    named = _VLAN_IN_NAME.search(network.ref.name)
    if vlan and named is not None and int(named[1]) != vlan:
        text = f"name: says VLAN {int(named[1])}, and spec.config says {vlan}"
        yield Finding("NR302", (*METADATA, "name"), text)
    if not network.annotations.get(DESCRIPTION):
        yield Finding("NR304", METADATA, f"no annotation {DESCRIPTION}")


def vlan_of(manifest: Manifest) -> int:
    """Return the VLAN of a network; 0 if it has none, or none that is valid."""
    given = manifest.config
    vlan = 0 if given is None or _text(given, "type") != BRIDGE else _number(given, "vlan")
    return vlan if 1 <= vlan <= MAX_VLAN else 0


def cluster_network_of(manifest: Manifest) -> str:
    """Return the cluster network that the bridge names; empty if there is none."""
    given = manifest.config
    bridge = "" if given is None or _text(given, "type") != BRIDGE else _text(given, "bridge")
    return bridge.removesuffix(BRIDGE_SUFFIX) if bridge.endswith(BRIDGE_SUFFIX) else ""


def _is_vlan(manifest: Manifest) -> bool:
    return vlan_of(manifest) != 0


def _known(key: str, names: tuple[str, ...]) -> str | None:
    """Return the name that Go reads this key as; None if it is none of these."""
    return next((name for name in names if is_same_key(key, name)), None)


def _text(given: GoObject, name: str) -> str:
    try:
        return given.read(name, str)
    except ValueError:
        return ""


def _number(given: GoObject, name: str) -> int:
    try:
        return given.read(name, int)
    except ValueError:
        return 0
