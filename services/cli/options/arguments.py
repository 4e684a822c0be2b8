"""Networks as arguments, and shell completion of networks, namespaces and hosts."""

from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches

import click
from click.shell_completion import CompletionItem

from services.cli.failures import usage_error
from services.cli.options.value_types import ParsedType
from services.cli.terminal import plain
from services.network.parse.nad import Network, NetworkRef

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

        timeouts = dict.fromkeys(("api_connect_timeout_s", "api_read_timeout_s"), COMPLETION_TIMEOUT_S)
        settings = load_client_settings(_settings_of(context)).model_copy(update=timeouts)
        return [network.ref for network in Cluster(settings).list_networks()[0]]
    return []


def _present_hosts(context: click.Context) -> list[str]:
    """The announced hosts; none where Redis cannot be read."""
    with suppress(Exception):
        from services.cli.options.client import load_client_settings
        from services.runtime.connection.redis_client import connect
        from services.runtime.stored import announcements

        address = load_client_settings(_settings_of(context)).redis_address
        client = connect(address, connect_timeout_s=COMPLETION_TIMEOUT_S, retries=0)
        return [host.host for host in announcements.read(client).hosts]
    return []


def _settings_of(context: click.Context) -> dict[str, object]:
    """Where Kubernetes and Redis are, if the unfinished command line says so."""
    return {name: context.params.get(name) for name in ("kubeconfig", "redis_url") if name in context.params}


def _completed(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those that begin so; the shell prints them as they are, so none that could control the terminal."""
    fitting = (name for name in set(names) if name.startswith(incomplete) and name == plain(name))
    return [CompletionItem(name) for name in sorted(fitting)]


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
