"""Section causes: how often the right cause is found, on generated sites with injected faults."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from bench.broken_sites import (
    CLUSTER_NETWORK,
    FAULTS,
    Answer,
    BrokenSite,
    Finding,
    healthy_site,
    observe,
    router_mac,
    server_address,
)
from bench.table import Entry, Judged, Section, Unit
from services.network.causes.evidence import Evidence, Server
from services.network.causes.finding import Cause, explain_site

SITES = 10_000
NETWORKS = 4_094
HOSTS = 32
CHANGED = NETWORKS // 100
STRANGER = Server("192.168.1.1", "52:54:00:12:34:56")


def evidence_of(found: Finding) -> Evidence:
    """Return what the search for causes is told of one VLAN."""
    vlan, servers = found.vlan, frozenset[Server]()
    if vlan.server is not None:
        mac = router_mac(vlan.router) if vlan.is_relayed else f"52:54:00:00:00:{vlan.server + 1:02x}"
        servers = frozenset({Server(server_address(vlan.server), mac)})
    return Evidence(
        networks=(f"default/vlan{vlan.vlan}",),
        cluster_network=CLUSTER_NETWORK,
        vlan=vlan.vlan,
        answering=found.answering,
        silent=found.silent,
        offered=found.offered,
        is_unoffered=found.is_unoffered,
        is_unrouted=not found.is_routed,
        is_routed=found.is_routed,
        gateway=vlan.gateway,
        gateway_mac=router_mac(vlan.router),
        servers=servers,
        strangers=frozenset({STRANGER}) if found.has_stranger else frozenset(),
    )


def is_right(answer: Answer, cause: Cause, others: Sequence[Answer]) -> bool:
    """Whether the cause is this answer, or says that it cannot be told apart from it.

    What the site's other faults hide may be missing: a VLAN behind a router that is down shows no
    other fault.
    """
    hidden = frozenset[int]().union(*(other.vlans for other in others))
    hidden_hosts = frozenset[str]().union(*(other.hosts for other in others))
    vlans, hosts = frozenset(cause.vlans), frozenset(cause.hosts)
    if not (vlans <= answer.vlans | hidden and answer.vlans - vlans <= hidden):
        return False
    if not (hosts <= answer.hosts | hidden_hosts and answer.hosts - hosts <= hidden_hosts):
        return False
    named = [(cause.kind.value, cause.subject), *((a.kind.value, a.subject) for a in cause.alternatives)]
    return any(kind == answer.kind and answer.word in f"{subject} " for kind, subject in named)


def injected(rng: random.Random, faults: int) -> BrokenSite:
    """Return a site with this number of faults of different kinds, none of which hides another one."""
    while True:
        site = healthy_site(rng)
        for fault in rng.sample(FAULTS, faults):
            fault(site, rng)
        pairs = [(a, b) for a in site.answers for b in site.answers if a is not b]
        if not any(_is_hidden(answer, other) for answer, other in pairs):
            return site


def _is_hidden(answer: Answer, other: Answer) -> bool:
    """Whether nothing of a fault may be left to see beside the other."""
    where = not other.hosts or (bool(answer.hosts) and answer.hosts <= other.hosts)
    return where and answer.vlans <= other.vlans


def causes_of(site: BrokenSite, rng: random.Random) -> Sequence[Cause]:
    """Return the causes that are found in what the site's hosts tell."""
    return explain_site([evidence_of(found) for found in observe(site, rng)])


def found_first(site: BrokenSite, causes: Sequence[Cause]) -> bool:
    """Whether the first causes, as many as there are faults, are the right ones."""
    first = causes[: len(site.answers)]
    return all(
        any(is_right(answer, cause, [a for a in site.answers if a is not answer]) for cause in first)
        for answer in site.answers
    )


def measure(*, sites: int = SITES) -> Iterator[Entry]:
    """Measure how many causes are right, and what finding them costs on a large site."""
    row = Section(f"Causes, {sites:,} generated sites of 8 hosts and 60 VLANs, 2 % loss")
    single, double, none = (range(first, first + sites) for first in (0, sites, 2 * sites))
    for name, faults, seeds, least in (("one fault", 1, single, 99.0), ("two faults", 2, double, 95.0)):
        right = sum(_is_found(seed, faults) for seed in seeds)
        yield row(f"{name}: right first", Unit.PERCENT, 100 * right / sites, limit=least, at_least=True)
    wrong = sum(bool(causes_of(healthy_site(rng := random.Random(seed)), rng)) for seed in none)
    yield row("healthy: sites with a cause", Unit.PERCENT, 100 * wrong / sites, limit=0.0, judged=Judged.MAX)
    row = Section(f"Causes, {NETWORKS:,} networks on {HOSTS} hosts, CPU")
    hosts = frozenset(f"node{host}" for host in range(HOSTS))
    healthy = [_healthy(vlan, hosts) for vlan in range(1, NETWORKS + 1)]
    gone = [_gone(evidence, hosts) for evidence in healthy]
    one_percent = [*gone[:CHANGED], *healthy[CHANGED:]]
    yield row("1 % of the networks broken", Unit.MILLISECONDS, _cpu_ms(one_percent), limit=50.0)
    yield row("all networks broken", Unit.MILLISECONDS, _cpu_ms(gone), limit=1_000.0)


def _is_found(seed: int, faults: int) -> bool:
    rng = random.Random(seed)
    site = injected(rng, faults)
    return found_first(site, causes_of(site, rng))


def _healthy(vlan: int, hosts: frozenset[str]) -> Evidence:
    return Evidence(
        networks=(f"default/vlan{vlan}",),
        cluster_network=CLUSTER_NETWORK,
        vlan=vlan,
        answering=hosts,
        offered=hosts,
        is_routed=True,
        gateway=IPv4Address(0x0A640001 + 256 * vlan),
        gateway_mac=router_mac(vlan % 10),
        servers=frozenset({Server(server_address(vlan % 2), router_mac(vlan % 10))}),
    )


def _gone(evidence: Evidence, hosts: frozenset[str]) -> Evidence:
    nobody = frozenset[str]()
    return replace(
        evidence,
        answering=nobody,
        silent=hosts,
        offered=nobody,
        is_unoffered=True,
        is_unrouted=True,
        is_routed=False,
    )


def _cpu_ms(rows: Sequence[Evidence]) -> float:
    began = time.process_time()
    explain_site(rows)
    return 1_000 * (time.process_time() - began)
