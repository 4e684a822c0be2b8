"""Types of arguments, and shell completion of networks, namespaces and hosts."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from difflib import get_close_matches
from ipaddress import IPv4Address
from typing import TypeVar

import click
from click.shell_completion import CompletionItem

from services.cli.failures import usage_error
from services.network.parse.nad import Network, NetworkRef
from services.view.durations import read_duration

Value = TypeVar("Value")
LOWEST_VLAN, HIGHEST_VLAN = 1, 4094


def read_vlans(text: str) -> list[int]:
    """The VLANs of a set such as 7,10-20, in order; raises ValueError that says what was expected."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        ends = (first, last if dash else first)
        # isascii: int() would take the digits of other scripts too.
        if not all(end.isascii() and end.isdigit() and len(end) <= 4 for end in ends):
            raise ValueError(f"{part.strip()!r}: expected a VLAN or a range, such as 7,10-20")
        low, high = int(ends[0]), int(ends[1])
        if not LOWEST_VLAN <= low <= high <= HIGHEST_VLAN:
            expected = f"{LOWEST_VLAN} to {HIGHEST_VLAN}, the lower one first"
            raise ValueError(f"{part.strip()!r}: expected {expected}")
        found.update(range(low, high + 1))
    return sorted(found)


def write_vlans(vlans: Iterable[int]) -> str:
    """The shortest text that read_vlans reads as these."""
    runs: list[list[int]] = []
    for vlan in sorted(set(vlans)):
        if runs and runs[-1][1] == vlan - 1:
            runs[-1][1] = vlan
        else:
            runs.append([vlan, vlan])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _positive_duration(text: str) -> float:
    seconds = read_duration(text)
    if seconds <= 0:
        raise ValueError(f"{text!r}: expected more than 0")
    return seconds


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text!r}: expected an IPv4 address") from None


def _source_address(text: str) -> tuple[int, IPv4Address]:
    vlan, _, address = text.partition("=")
    try:
        (number,) = read_vlans(vlan)
        return number, IPv4Address(address)
    except ValueError:
        raise ValueError(f"{text!r}: expected a VLAN and an IPv4 address, such as 7=10.0.112.5") from None


class ParsedType(click.ParamType[Value]):
    """A click type from a function that raises ValueError."""

    def __init__(self, name: str, parse: Callable[[str], Value]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Value:
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = ParsedType("duration", _positive_duration)
"""Seconds, more than 0, from 12s, 500ms, 2m or 1h."""
VLANS = ParsedType("vlans", read_vlans)
ADDRESS = ParsedType("address", _address)
SOURCE_ADDRESS = ParsedType("vlan=address", _source_address)
"""(VLAN, address) from VLAN=ADDRESS."""


NETWORK = ParsedType("namespace/name", NetworkRef.parse)


def complete_network(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """NAMESPACE/NAME, from the cluster."""
    return _completed(map(str, _present_networks(context)), incomplete)


def complete_namespace(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Namespaces of the cluster's networks."""
    return _completed((ref.namespace for ref in _present_networks(context)), incomplete)


def complete_host(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Hosts announced in Redis."""
    return _completed(_present_hosts(context), incomplete)


COMPLETION_TIMEOUT_S = 2.0
"""The longest time that completion waits for the API server or Redis."""


def _present_networks(context: click.Context) -> list[NetworkRef]:
    """All networks; none where the cluster cannot be read: completion never fails."""
    with suppress(Exception):
        from services.cli.options.client import load_client_settings
        from services.cluster.client import Cluster
        from services.runtime.clock import SystemClock

        timeouts = dict.fromkeys(("api_connect_timeout_s", "api_read_timeout_s"), COMPLETION_TIMEOUT_S)
        settings = load_client_settings(_settings_of(context)).model_copy(update=timeouts)
        return [network.ref for network in Cluster(settings, clock=SystemClock()).list_networks()[0]]
    return []


def _present_hosts(context: click.Context) -> list[str]:
    """The announced hosts; none where Redis cannot be read."""
    with suppress(Exception):
        from services.cli.options.client import load_client_settings
        from services.runtime import announcements
        from services.runtime.redis_client import connect

        url = load_client_settings(_settings_of(context)).redis_url.get_secret_value()
        client = connect(url, connect_timeout_s=COMPLETION_TIMEOUT_S, retries=0)
        return [host.host for host in announcements.read(client).hosts]
    return []


def _settings_of(context: click.Context) -> dict[str, object]:
    """Where Kubernetes and Redis are, if the unfinished command line says so."""
    return {name: context.params.get(name) for name in ("kubeconfig", "redis_url") if name in context.params}


def _completed(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(set(names)) if name.startswith(incomplete)]


def select_networks(networks: Iterable[Network], refs: Iterable[NetworkRef]) -> list[Network]:
    """The named networks in their order, or all by name; exit 2 with near matches for an unknown name."""
    by_ref = {network.ref: network for network in networks}
    wanted = list(dict.fromkeys(refs))
    missing = [ref for ref in wanted if ref not in by_ref]
    if missing:
        raise usage_error("\n".join(_not_found(ref, by_ref) for ref in missing))
    return [by_ref[ref] for ref in wanted or sorted(by_ref)]


def _not_found(ref: NetworkRef, known: Iterable[NetworkRef]) -> str:
    refs = sorted(known)
    near = get_close_matches(str(ref), [str(other) for other in refs], n=3, cutoff=0.8)
    near += [str(other) for other in refs if other.name == ref.name and str(other) not in near][:3]
    if near:
        return f"network {ref}: not found; did you mean {' or '.join(near)}?"
    return f"network {ref}: not found; `nadroute status` lists all {len(refs)} networks"
