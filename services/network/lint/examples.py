"""A wrong and a right manifest for each rule: what `nadroute rule` shows, and what the rules are tried by."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from services.network.lint.network_rules import DESCRIPTION, LABEL_PREFIX
from services.network.parse.nad import ROUTE, STATUS

_AUTO = '{"mode":"auto"}'
_CONFIG: Mapping[str, object] = {
    "cniVersion": "0.3.1",
    "name": "office",
    "type": "bridge",
    "bridge": "extra-br",
    "promiscMode": True,
    "vlan": 100,
    "ipam": {},
}


class Example(NamedTuple):
    """Two manifests as YAML."""

    wrong: str
    right: str


def _network(
    *,
    name: str = "office",
    namespace: str = "",
    route: str = _AUTO,
    description: str = "Second floor",
    status: str = "",
    labels: Mapping[str, str] | None = None,
    without: str = "",
    **config: object,
) -> str:
    """Return a network; config: fields that differ from a good one's. without: one that is left out."""
    annotations = {DESCRIPTION: description, ROUTE: route, STATUS: status}
    lines = ["apiVersion: k8s.cni.cncf.io/v1", "kind: NetworkAttachmentDefinition", "metadata:"]
    lines += [f"  name: {name}", *([f"  namespace: {namespace}"] if namespace else [])]
    if labels:
        lines += ["  labels:", *(f'    {LABEL_PREFIX}{key}: "{value}"' for key, value in labels.items())]
    if any(annotations.values()):
        lines += [
            "  annotations:",
            *(f"    {key}: {_quoted(text)}" for key, text in annotations.items() if text),
        ]
    body = {**_CONFIG, "name": name, **config}
    body.pop(without, None)
    text = json.dumps(body, separators=(",", ":"))
    return "\n".join([*lines, "spec:", f"  config: {_quoted(text)}", ""])


def _quoted(text: str) -> str:
    return f"'{text}'" if text.startswith("{") else text


def _manual(cidr: str, gateway: str) -> str:
    return json.dumps({"mode": "manual", "cidr": cidr, "gateway": gateway}, separators=(",", ":"))


def _other(kind: str, name: str, spec: str = "{}") -> str:
    head = f"apiVersion: network.harvesterhci.io/v1beta1\nkind: {kind}\n"
    return f"{head}metadata:\n  name: {name}\nspec: {spec}\n"


def _both(*manifests: str) -> str:
    return "---\n".join(manifests)


_GOOD = _network()
_MANUAL = _network(route=_manual("10.0.0.0/24", "10.0.0.1"))
EXAMPLES: Mapping[str, Example] = {
    "NR001": Example(f"{_GOOD}  more: {{\n", _GOOD),
    "NR101": Example(_network(route=""), _GOOD),
    "NR102": Example(_network(route="{mode: auto}"), _GOOD),
    "NR103": Example(_network(route=_manual("0.0.0.0/0", "10.0.0.1")), _MANUAL),
    "NR104": Example(_network(route=_manual("10.0.0.0/24", "10.0.0.255")), _MANUAL),
    "NR105": Example(_network(route=_manual("10.0.0.0/24", "10.0.1.1")), _MANUAL),
    "NR106": Example(
        _network(route='{"mode":"auto","serverIPAddr":"dhcp.example.com"}'),
        _network(route='{"mode":"auto","serverIPAddr":"10.0.0.2"}'),
    ),
    "NR107": Example(_network(route=_manual("10.0.0.1/24", "10.0.0.1")), _MANUAL),
    "NR108": Example(_network(route='{"Mode":"auto"}'), _GOOD),
    "NR109": Example(_network(route='{"mode":"auto","comment":"second floor"}'), _GOOD),
    "NR110": Example(_network(route='{"mode":"auto","connectivity":"true"}'), _GOOD),
    "NR201": Example(_network(vlan="100"), _GOOD),
    "NR202": Example(_network(type="macvlan"), _GOOD),
    "NR203": Example(
        _network(vlanTrunk=[{"minID": 1, "maxID": 9}]), _network(vlan=0, vlanTrunk=[{"minID": 1, "maxID": 9}])
    ),
    "NR204": Example(_network(bridge="extra"), _GOOD),
    "NR205": Example(_network(bridge="datacenter-north-br"), _network(bridge="north-br")),
    "NR206": Example(_network(without="cniVersion"), _GOOD),
    "NR207": Example(
        _network(name="annex").replace('"name":"annex"', '"name":"office"'), _network(name="annex")
    ),
    "NR208": Example(_network(mtu=100), _network(mtu=1500)),
    "NR301": Example(_network(labels={"vlan-id": "7"}), _network(labels={"vlan-id": "100"})),
    "NR302": Example(_network(name="vlan7"), _network(name="vlan100")),
    "NR303": Example(_network(namespace="harvester-system"), _network(namespace="default")),
    "NR304": Example(_network(description=""), _GOOD),
    "NR401": Example(_both(_GOOD, _network(name="annex")), _both(_GOOD, _network(name="annex", vlan=7))),
    "NR402": Example(
        _both(
            _network(route=_manual("10.0.0.0/16", "10.0.0.1")),
            _network(name="annex", vlan=7, route=_manual("10.0.7.0/24", "10.0.7.1")),
        ),
        _both(_MANUAL, _network(name="annex", vlan=7, route=_manual("10.0.7.0/24", "10.0.7.1"))),
    ),
    "NR403": Example(
        _both(_other("ClusterNetwork", "north"), _GOOD), _both(_other("ClusterNetwork", "extra"), _GOOD)
    ),
    "NR404": Example(
        _both(_other("VlanConfig", "north", "{clusterNetwork: north}"), _GOOD),
        _both(_other("VlanConfig", "extra", "{clusterNetwork: extra}"), _GOOD),
    ),
}
