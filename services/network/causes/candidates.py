"""Candidates: what may be the cause of symptoms, and which of them it would explain.

A candidate is proposed only where nothing contradicts it: who hears an answer on one VLAN of an uplink has no
dead uplink, and a router that answers for one gateway is not down.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from services.contract.vlans import write_vlans
from services.network.causes.evidence import Evidence, Half, Symptom, SymptomKind
from services.network.causes.kinds import Candidate, CauseKind
from services.network.causes.prefixes import covering_prefixes

_FURTHER_VLAN = 0.1
"""What each further VLAN of a cause that only lists VLANs costs: a cause that needs no list is simpler."""
_LONGEST_LIST = 3.0
"""What it costs at most."""
_TOGETHER = 3
"""VLANs that reach no host from which one cause is likelier than as many."""
_SILENCE = (SymptomKind.FAULT, SymptomKind.SILENT)


def propose(rows: Sequence[Evidence], symptoms: Sequence[Symptom]) -> list[Candidate]:
    """Return the candidates for all symptoms of these rows."""
    by_row: dict[int, list[Symptom]] = defaultdict(list)
    for symptom in symptoms:
        by_row[symptom.row].append(symptom)
    sick = {row: rows[row] for row in by_row}
    found = [*_uplinks(rows, sick, symptoms), *_missing_vlans(sick), *_gone_vlans(rows, sick, by_row)]
    found += _silent_gateways(sick, by_row)
    found += _routers(rows, by_row)
    found += _dhcp(rows, sick)
    found += _unrouted(rows, sick)
    found += [*_native(sick, by_row), *_bridges(sick), *_half_trunks(sick), *_strangers(symptoms)]
    return [candidate for candidate in found if candidate.explains]


def _uplinks(
    rows: Sequence[Evidence], sick: dict[int, Evidence], symptoms: Iterable[Symptom]
) -> Iterator[Candidate]:
    """Propose uplinks on which no host heard anything."""
    explained: dict[tuple[str, str], set[Symptom]] = defaultdict(set)
    for symptom in symptoms:
        if symptom.kind in _SILENCE:
            explained[sick[symptom.row].cluster_network, symptom.who].add(symptom)
    heard: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        heard[row.cluster_network] |= row.answering | row.offered
    for (cluster_network, host), its in sorted(explained.items()):
        faults = [sick[s.row].faults[host] for s in its if s.kind is SymptomKind.FAULT]
        vlans = {sick[s.row].vlan for s in its}
        if host not in heard[cluster_network] and (faults or len(vlans) > 1):
            fault = min(faults, default=None)
            yield Candidate(
                CauseKind.UPLINK,
                f"{host}: {cluster_network}",
                frozenset(its),
                (host,),
                cluster_network,
                fault,
            )


def _missing_vlans(sick: dict[int, Evidence]) -> Iterator[Candidate]:
    """Propose VLANs that reach other hosts.

    The hosts that miss the same VLANs are one cause, and so are the VLANs that the same hosts miss: where two
    causes meet, each grouping finds one of them.
    """
    heard: dict[tuple[str, int], set[str]] = defaultdict(set)
    for found in sick.values():
        heard[found.segment] |= found.answering | found.offered
    by_host: dict[tuple[str, str], set[int]] = defaultdict(set)
    by_vlan: dict[tuple[str, frozenset[str]], set[int]] = defaultdict(set)
    for row, found in sick.items():
        others = heard[found.segment]
        missing = found.silent - others
        if others and missing:
            by_vlan[found.cluster_network, frozenset(missing)].add(row)
            for host in missing:
                by_host[found.cluster_network, host].add(row)
    alike: dict[tuple[str, frozenset[int]], set[str]] = defaultdict(set)
    for (name, host), missed in by_host.items():
        alike[name, frozenset(missed)].add(host)
    groups = {(name, frozenset(hosts), rows) for (name, rows), hosts in alike.items()}
    groups |= {(name, hosts, frozenset(missed)) for (name, hosts), missed in by_vlan.items()}
    for cluster_network, hosts, rows in groups:
        vlans, named = {sick[row].vlan for row in rows}, tuple(sorted(hosts))
        yield Candidate(
            CauseKind.VLANS_MISSING,
            f"{', '.join(named)}: VLAN {write_vlans(vlans)} of {cluster_network}",
            frozenset(Symptom(row, SymptomKind.SILENT, host) for row in rows for host in hosts),
            named,
            cluster_network,
            cost=_listed(vlans),
        )


def _gone_vlans(
    rows: Sequence[Evidence], sick: dict[int, Evidence], by_row: dict[int, list[Symptom]]
) -> Iterator[Candidate]:
    """Propose VLANs on which nothing answers anybody: each alone, and all of a cluster network together."""
    heard = {found.segment for found in sick.values() if found.is_heard}
    gone: dict[str, dict[int, set[Symptom]]] = defaultdict(lambda: defaultdict(set))
    for row, found in sick.items():
        if found.is_silent_everywhere and found.segment not in heard:
            gone[found.cluster_network][found.vlan].update(by_row[row])
    present: dict[str, set[int]] = defaultdict(set)
    for found in rows:
        present[found.cluster_network].add(found.vlan)
    for name, vlans in gone.items():
        for vlan, its in vlans.items():
            yield Candidate(CauseKind.VLANS_GONE, f"VLAN {vlan} of {name}", frozenset(its), (), name)
        if len(vlans) >= _TOGETHER:
            is_all = vlans.keys() == present[name]
            named = f"all {len(vlans)} VLANs" if is_all else f"VLAN {write_vlans(vlans)}"
            its = set().union(*vlans.values())
            cost = 1.0 if is_all else _listed(vlans)
            yield Candidate(CauseKind.VLANS_GONE, f"{named} of {name}", frozenset(its), (), name, cost=cost)


def _listed(vlans: Collection[int]) -> float:
    """Return the cost of a cause that only lists VLANs, each given once."""
    return min(_LONGEST_LIST, 1.0 + _FURTHER_VLAN * (len(vlans) - 1))


def _silent_gateways(sick: dict[int, Evidence], by_row: dict[int, list[Symptom]]) -> Iterator[Candidate]:
    """Propose each gateway that answers nobody, on no path."""
    for row, found in sick.items():
        if found.is_silent_everywhere and not found.is_routed and found.gateway is not None:
            subject = f"{found.gateway} on VLAN {found.vlan} of {found.cluster_network}"
            explains = frozenset(_of_gateway(found, by_row[row]))
            yield Candidate(CauseKind.GATEWAY, subject, explains, (), found.cluster_network)


def _of_gateway(found: Evidence, symptoms: Iterable[Symptom]) -> list[Symptom]:
    """Return what a dead gateway explains: DHCP too, if it came from the same machine."""
    macs = {server.mac for server in found.servers}
    is_server = bool(found.servers) and (
        macs == {found.gateway_mac} or {s.address for s in found.servers} == {str(found.gateway)}
    )
    kinds = {*_SILENCE, SymptomKind.UNROUTED, *([SymptomKind.UNOFFERED] if is_server else [])}
    return [symptom for symptom in symptoms if symptom.kind in kinds]


def _routers(rows: Sequence[Evidence], by_row: dict[int, list[Symptom]]) -> Iterator[Candidate]:
    """Propose routers of which every gateway is silent."""
    for mac, held in _grouped(rows, lambda found: [found.gateway_mac] if found.gateway_mac else []).items():
        down = [row for row in held if rows[row].is_silent_everywhere and not rows[row].is_routed]
        if len(down) > 1 and not any(rows[row].answering or rows[row].is_routed for row in held):
            explains = {s for row in down for s in _of_gateway(rows[row], by_row[row])}
            yield Candidate(CauseKind.ROUTER, f"router {mac}", frozenset(explains))


def _dhcp(rows: Sequence[Evidence], sick: dict[int, Evidence]) -> Iterator[Candidate]:
    """Propose servers and relay agents of which nothing is heard on any VLAN that they served."""
    alive = {server for found in rows if not found.is_unoffered for server in found.servers}
    addresses, macs = {server.address for server in alive}, {server.mac for server in alive}
    by_addresses: dict[frozenset[str], list[int]] = defaultdict(list)
    by_mac: dict[str, list[int]] = defaultdict(list)
    for row, found in sick.items():
        if not found.is_unoffered or not found.servers:
            continue
        named = frozenset(server.address for server in found.servers)
        if not named & addresses:
            by_addresses[named].append(row)
        relays = {server.mac for server in found.servers}
        if len(relays) == 1 and not relays & macs and "" not in relays:
            by_mac[relays.pop()].append(row)
    for named, silent in by_addresses.items():
        subject = f"DHCP server {' and '.join(sorted(named))}"
        yield Candidate(CauseKind.DHCP_SERVER, subject, _without_offer(silent))
    for mac, silent in by_mac.items():
        if len(silent) > 1:
            yield Candidate(CauseKind.DHCP_RELAY, f"relay agent {mac}", _without_offer(silent))


def _without_offer(rows: Iterable[int]) -> frozenset[Symptom]:
    return frozenset(Symptom(row, SymptomKind.UNOFFERED) for row in rows)


def _unrouted(rows: Sequence[Evidence], sick: dict[int, Evidence]) -> Iterator[Candidate]:
    """Propose prefixes and routers without a route: their gateways answer on the VLAN alone."""
    unrouted = {
        row: found.gateway
        for row, found in sick.items()
        if found.is_unrouted and found.answering and found.gateway is not None
    }
    routed = {found.gateway for found in rows if found.is_routed and found.gateway is not None}
    for prefix, gateways in covering_prefixes(set(unrouted.values()), routed).items():
        explains = frozenset(
            Symptom(row, SymptomKind.UNROUTED) for row, gateway in unrouted.items() if gateway in gateways
        )
        subject = f"management ↔ {prefix}" if prefix.prefixlen else "management ↔ all networks"
        yield Candidate(CauseKind.NO_ROUTE, subject, explains)
    by_mac = _grouped(rows, lambda found: [found.gateway_mac] if found.gateway_mac else [])
    for mac, held in by_mac.items():
        its = [row for row in held if row in unrouted]
        if len(its) > 1 and not any(rows[row].is_routed for row in held):
            explains = frozenset(Symptom(row, SymptomKind.UNROUTED) for row in its)
            yield Candidate(CauseKind.ROUTER_NOT_ROUTED, f"management ↔ router {mac}", explains)


def _native(sick: dict[int, Evidence], by_row: dict[int, list[Symptom]]) -> Iterator[Candidate]:
    """Propose the switch ports of the hosts that hear the same VLANs without their tags.

    Where no host hears it otherwise, DHCP is out because of that.
    """
    alike: dict[tuple[str, frozenset[str]], set[int]] = defaultdict(set)
    for row, found in sick.items():
        if found.native:
            alike[found.cluster_network, found.native].add(row)
    for (name, hosts), rows in alike.items():
        explains = {Symptom(row, SymptomKind.NATIVE, host) for row in rows for host in hosts}
        explains |= {
            symptom
            for row in rows
            if not (sick[row].silent or sick[row].is_heard)
            for symptom in by_row[row]
            if symptom.kind is SymptomKind.UNOFFERED
        }
        vlans, named = {sick[row].vlan for row in rows}, tuple(sorted(hosts))
        subject = f"{', '.join(named)}: VLAN {write_vlans(vlans)} of {name}"
        yield Candidate(CauseKind.NATIVE, subject, frozenset(explains), named, name)


def _bridges(sick: dict[int, Evidence]) -> Iterator[Candidate]:
    """Propose each host's bridge, for all VLANs that it does not pass on."""
    by_host: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row, found in sick.items():
        for host in found.behind:
            by_host[found.cluster_network, host].add(row)
    for (name, host), rows in sorted(by_host.items()):
        explains = frozenset(Symptom(row, SymptomKind.BEHIND, host) for row in rows)
        yield Candidate(CauseKind.BRIDGE, f"{name}-br on {host}", explains, (host,), name)


def _half_trunks(sick: dict[int, Evidence]) -> Iterator[Candidate]:
    """Propose the switch port of each NIC, for all VLANs that it lacks."""
    by_nic: dict[tuple[str, Half], set[int]] = defaultdict(set)
    for row, found in sick.items():
        for half in found.halves:
            by_nic[found.cluster_network, half].add(row)
    for (name, half), rows in sorted(by_nic.items()):
        explains = frozenset(Symptom(row, SymptomKind.HALF, str(half)) for row in rows)
        yield Candidate(CauseKind.HALF_TRUNK, str(half), explains, (half.host,), name)


def _strangers(symptoms: Iterable[Symptom]) -> Iterator[Candidate]:
    """Propose each strange DHCP server, on all VLANs where it answers."""
    by_server: dict[str, set[Symptom]] = defaultdict(set)
    for symptom in symptoms:
        if symptom.kind is SymptomKind.STRANGER:
            by_server[symptom.who].add(symptom)
    for server, its in by_server.items():
        yield Candidate(CauseKind.STRANGER, f"DHCP server {server}", frozenset(its))


def _grouped(rows: Sequence[Evidence], keys_of: Callable[[Evidence], Iterable[str]]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for row, found in enumerate(rows):
        for key in keys_of(found):
            groups[key].append(row)
    return groups
