"""Admission of networks like that of Harvester's webhook: what it refuses, and what it rewrites."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lab.kube.admission import denied
from lab.kube.columns import ROUTE_ANNOTATION
from lab.kube.go_json import unmarshal
from lab.kube.jsontypes import JsonObject, encode, metadata, section, strings, text
from lab.kube.resource_type import ResourceType
from lab.kube.resources import NADS

VALIDATOR = "validator.harvesterhci.io"
MUTATOR = "mutator.harvesterhci.io"
PREFIX = "network.harvesterhci.io/"
ROUTE_TYPES: dict[str, type] = {
    "mode": str,
    "cidr": str,
    "gateway": str,
    "serverIPAddr": str,
    "connectivity": str,
    "outdated": bool,
}
CONFIG_TYPES: dict[str, type] = {
    **dict.fromkeys(("cniVersion", "name", "type", "bridge"), str),
    **dict.fromkeys(("vlan", "mtu"), int),
    **dict.fromkeys(("isGateway", "isDefaultGateway", "forceAddress", "ipMasq"), bool),
    **dict.fromkeys(("hairpinMode", "promiscMode"), bool),
    "vlanTrunk": list,
}


class _RefusedError(ValueError):
    """Why a network is refused; the caller adds which webhook refuses it."""


@dataclass(frozen=True, slots=True)
class Config:
    """The fields of `spec.config` that the webhook reads."""

    type: str
    bridge: str
    vlan: int
    mtu: int
    trunk: bool

    @property
    def cluster_network(self) -> str:
        """Return the cluster network of the bridge; an overlay network is on `mgmt`."""
        return "mgmt" if self.type == "kube-ovn" else self.bridge.removesuffix("-br")

    @property
    def network_type(self) -> str:
        """Return the value of the `type` label."""
        if self.type == "kube-ovn":
            return "OverlayNetwork"
        if self.vlan:
            return "L2VlanNetwork"
        return "L2VlanTrunkNetwork" if self.trunk else "UntaggedNetwork"


class HarvesterAdmission:
    """The webhook. `cluster_networks` are those that exist (None = every one); `mgmt` always does.

    If `finalizer` is not empty, every network gets it, as from Harvester's controller; nobody removes it.
    `enabled` may be switched at any time; `bypassed()` admits what the webhook would refuse.
    """

    def __init__(self, *, cluster_networks: frozenset[str] | None = None, finalizer: str = "") -> None:
        self.enabled = True
        self.cluster_networks = cluster_networks
        self.finalizer = finalizer

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """Disable the webhook for the duration of the block."""
        self.enabled = False
        try:
            yield
        finally:
            self.enabled = True

    def review(self, kind: ResourceType, *, before: JsonObject | None, after: JsonObject) -> JsonObject:
        """Check and complete a network. Other types, and a network that is terminating, pass unchanged.

        A creation is only checked: labels are added by the first update, as by the real webhook.
        """
        own = metadata(after)
        if kind is not NADS or not self.enabled or "deletionTimestamp" in own:
            return after
        verb, webhook = ("create", VALIDATOR) if before is None else ("update", MUTATOR)
        try:
            config = self._config(after)
            old = None
            if before is not None:
                old = parse_config(config_text(before))
                own["labels"] = _labels(own, config)
                _mark_outdated(own, config, old, route_text(before))
            webhook = VALIDATOR
            check_route(route_text(after))
            if old != config:
                _check_numbers(config)
        except _RefusedError as refusal:
            name = f"{text(own, 'namespace')}/{text(own, 'name')}"
            raise denied(webhook, f"could not {verb} nad {name} because {refusal}") from refusal
        if self.finalizer:
            finalizers = own.setdefault("finalizers", [])
            if isinstance(finalizers, list) and self.finalizer not in finalizers:
                finalizers.append(self.finalizer)
        return after

    def _config(self, body: JsonObject) -> Config:
        """Return the new config, checked for a known type and an existing bridge."""
        config = parse_config(config_text(body))
        if config.type == "kube-ovn":
            return config
        if len(config.bridge) > 15 or not config.bridge.endswith("-br") or config.bridge == "-br":
            raise _RefusedError(f"the bridge {config.bridge!r} is not of the form <cluster network>-br")
        known = self.cluster_networks
        if known is not None and config.cluster_network not in {*known, "mgmt"}:
            raise _RefusedError(
                f'clusternetworks.network.harvesterhci.io "{config.cluster_network}" not found'
            )
        return config


def _labels(own: JsonObject, config: Config) -> JsonObject:
    """Return the network's labels with Harvester's own corrected."""
    labels: JsonObject = dict(section(own, "labels"))
    labels.pop(PREFIX + "vlan-id", None)
    if config.vlan and config.type == "bridge":
        labels[PREFIX + "vlan-id"] = str(config.vlan)
    labels[PREFIX + "type"] = config.network_type
    labels[PREFIX + "clusternetwork"] = config.cluster_network
    labels[PREFIX + "ready"] = "true"
    return labels


def _mark_outdated(own: JsonObject, config: Config, old: Config, old_route: str) -> None:
    """Mark an auto route as outdated if VLAN or mode has changed; remove the route if the VLAN is gone."""
    annotations = section(own, "annotations")
    current = text(annotations, ROUTE_ANNOTATION)
    if not current or config.type == "kube-ovn":
        return
    if config.vlan != old.vlan and config.vlan == 0:
        del annotations[ROUTE_ANNOTATION]
        if not annotations:
            del own["annotations"]
        return
    route = check_route(current, values=False)
    old_mode = check_route(old_route, values=False).get("mode", "") if old_route else route.get("mode", "")
    if config.vlan == old.vlan and old_mode == route.get("mode", ""):
        return
    written: JsonObject = {key: route[key] for key in ROUTE_TYPES if route.get(key)}
    written.pop("outdated", None)
    if route.get("mode") == "auto":
        written["outdated"] = True
    annotations[ROUTE_ANNOTATION] = encode(written).decode()


def config_text(body: JsonObject) -> str:
    """Return `spec.config` of a network."""
    return text(section(body, "spec"), "config")


def route_text(body: JsonObject) -> str:
    """Return the route annotation of a network; empty without one."""
    return strings(metadata(body), "annotations").get(ROUTE_ANNOTATION, "")


def _parse(value: str, what: str, kinds: Mapping[str, type]) -> JsonObject:
    try:
        return unmarshal(value, kinds) if value else {}
    except ValueError as error:
        raise _RefusedError(f"unmarshal {what} failed: {error}") from error


def parse_config(value: str) -> Config:
    """Parse `spec.config` as the webhook does; raise if it is refused."""
    fields = _parse(value, "config", CONFIG_TYPES)
    kind, vlan, mtu = text(fields, "type"), fields.get("vlan"), fields.get("mtu")
    if kind not in ("bridge", "kube-ovn"):
        raise _RefusedError(f"unknown network type {kind!r}")
    return Config(
        type=kind,
        bridge=text(fields, "bridge"),
        vlan=vlan if isinstance(vlan, int) else 0,
        mtu=mtu if isinstance(mtu, int) else 0,
        trunk=bool(fields.get("vlanTrunk")),
    )


def _check_numbers(config: Config) -> None:
    if not 0 <= config.vlan <= 4094:
        raise _RefusedError("VLAN ID must >=0 and <=4094")
    if config.mtu != 0 and not 576 <= config.mtu <= 9000:
        raise _RefusedError(f"MTU {config.mtu} is out of range 576 to 9000")


def check_route(value: str, *, values: bool = True) -> JsonObject:
    """Return the route annotation by its canonical field names; raise if types (and `values`) are wrong."""
    route = _parse(value, "route annotation", ROUTE_TYPES)
    if values:
        _check_route_values(route)
    return route


def _check_route_values(route: JsonObject) -> None:
    mode = text(route, "mode")
    if mode not in ("", "auto", "manual"):
        raise _RefusedError(f"unknown mode {mode}")
    if mode != "manual":
        return
    cidr, gateway = text(route, "cidr"), text(route, "gateway")
    try:
        network = ipaddress.ip_network(cidr, strict=False)
        if not cidr.partition("/")[2].isdecimal():
            raise ValueError("no prefix length")
    except ValueError as error:
        raise _RefusedError(f"the CIDR {cidr} is invalid") from error
    if network.prefixlen == 0:
        raise _RefusedError(f"the CIDR {cidr} is invalid, it covers every address")
    try:
        ipaddress.ip_address(gateway)
    except ValueError as error:
        raise _RefusedError(f"the gateway {gateway} is invalid") from error
