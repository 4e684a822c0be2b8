"""What follows from the facts about hosts: who is announced, what each carries, and who is missing."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from services.contract.messages import Segment
from services.contract.outcomes import Fault
from services.network.parse.intent import Intent, read_intent
from services.network.policy import Policy
from services.view.doctor.cluster_findings import NO_KUBERNETES
from services.view.doctor.facts import Facts
from services.view.doctor.findings import Finding, Unknown, cannot_tell, failed, ok, warning
from services.view.doctor.redis_findings import NO_REDIS
from services.view.hosts import HostRow, describe_conflict
from services.view.unwritten import named

NEEDED = ("watcher", "updater")
"""The parts that run wherever nadroute does, besides probers."""
_TO_DO = {
    Fault.NO_PERMISSION: "give its prober the capability NET_RAW",
    Fault.UPLINK_MISSING: "create the uplink, or name the right interface with --uplink",
    Fault.UPLINK_DOWN: "see to the link and the bond of this uplink",
    Fault.UPLINK_FLAPPING: "see to the link and the bond of this uplink",
    Fault.SEND_FAILED: "see the log of its prober: the kernel refuses to send",
}


def host_findings(facts: Facts, policy: Policy) -> Iterator[Finding]:
    """Yield the findings about hosts, in the order in which they are shown."""
    rows = facts.redis.hosts
    checks = ("hosts", "uplinks", "probing", "nodes", "host names", "versions")
    if isinstance(rows, Unknown):
        why = rows.why if facts.redis.trouble is None else NO_REDIS
        yield from (cannot_tell(check, why) for check in checks)
        return
    live = [row for row in rows if row.announcement is not None]
    if not live:
        yield failed(
            "hosts",
            "no prober is announced: nothing can be probed",
            "start a prober on each host; the log of one that runs says why it does not reach Redis",
        )
        yield from (cannot_tell(check, "no prober is announced") for check in checks[1:3])
        yield _nodes(facts, [])
        yield cannot_tell(checks[4], "no prober is announced")
        yield _versions(facts, live)
        return
    yield _hosts(rows)
    yield _uplinks(facts, live, policy)
    yield _probing(facts)
    yield _nodes(facts, live)
    yield _names(facts, live)
    yield _versions(facts, live)


def _hosts(rows: Sequence[HostRow]) -> Finding:
    late = [row.host for row in rows if row.condition == "stale"]
    gone = [row.host for row in rows if row.condition == "gone"]
    live = [row.host for row in rows if row.announcement is not None]
    if late:
        return warning(
            "hosts",
            f"{len(live)} are announced; late with it: {named(late)}",
            "see their probers' logs: Redis does not answer them, or they are starved of CPU",
        )
    if gone:
        return warning(
            "hosts",
            f"{len(live)} are announced; not announced, yet asked: {named(gone)}",
            "start their probers again; if the hosts are gone for good, the requests expire",
        )
    return ok("hosts", f"{len(live)} announced: {named(live)}")


def _uplinks(facts: Facts, live: Sequence[HostRow], policy: Policy) -> Finding:
    carriers: dict[str, list[str]] = defaultdict(list)
    for row in live:
        for name in row.announcement.uplinks if row.announcement else ():
            carriers[name].append(row.host)
    windows = facts.redis.windows if isinstance(facts.redis.windows, tuple) else ()
    bare = [
        row.host
        for row in live
        if row.announcement
        and not row.announcement.uplinks
        and not any(window.host in ("", row.host) for window in windows)
    ]
    wanted: set[str] = set()
    if not isinstance(facts.cluster.networks, Unknown):
        intents = [read_intent(network, policy) for network in facts.cluster.networks]
        wanted = {each.segment.cluster_network for each in intents if isinstance(each, Intent)}
    # What is in maintenance is not announced.
    excused = {window.cluster_network for window in windows}
    if not excused & {""} and (orphans := sorted(wanted - carriers.keys() - excused)):
        return failed(
            "uplinks",
            f"no host has an uplink of {named(orphans)}, which networks use",
            "see `nadroute hosts`; name the uplinks with --uplink CLUSTERNETWORK=INTERFACE, or --uplink auto",
        )
    if bare:
        return warning(
            "uplinks",
            f"without any uplink: {named(bare)}",
            "name the uplinks with --uplink CLUSTERNETWORK=INTERFACE, or --uplink auto",
        )
    # A host that does not carry a cluster network is no fault.
    said = [f"{name} on {len(hosts)} of {len(live)}" for name, hosts in sorted(carriers.items())]
    return ok("uplinks", ", ".join(said))


def _probing(facts: Facts) -> Finding:
    if isinstance(facts.cluster.networks, Unknown):
        return cannot_tell("probing", "the networks could not be read from Kubernetes")
    if facts.view.trouble is not None:
        return cannot_tell("probing", "what hosts found could not be read from Redis")
    faults: dict[Fault, set[str]] = defaultdict(set)
    for segment, known in facts.view.verdicts.items():
        for aged in known.latest:
            fault = aged.verdict.fault
            if fault in _TO_DO and _carries(facts, aged.verdict.host, segment):
                faults[fault].add(aged.verdict.host)
    reported = {aged.verdict.host for known in facts.view.verdicts.values() for aged in known.latest}
    if not reported:
        return cannot_tell("probing", "no host has reported yet")
    if not faults:
        return ok("probing", "every host that has reported can probe")
    fault, hosts = max(faults.items(), key=lambda item: (item[0] is Fault.NO_PERMISSION, len(item[1])))
    said = ", ".join(f"{each.value} on {named(sorted(on))}" for each, on in sorted(faults.items()))
    return failed(
        "probing", f"hosts that cannot probe: {said}", f"on {named(sorted(hosts))}, {_TO_DO[fault]}"
    )


def _carries(facts: Facts, host: str, segment: Segment) -> bool:
    known = facts.view.hosts.get(host)
    return known is not None and segment.cluster_network in known.uplinks


def _nodes(facts: Facts, live: Sequence[HostRow]) -> Finding:
    nodes, announced = facts.cluster.nodes, {row.host for row in live}
    if facts.cluster.trouble is not None:
        return cannot_tell("nodes", NO_KUBERNETES)
    if isinstance(nodes, Unknown):
        return cannot_tell("nodes", f"nodes without a prober: {nodes.why}")
    expected = {node.name: node for node in nodes if not node.is_witness}
    without = [name for name in expected if name not in announced]
    away = [name for name in without if not expected[name].is_ready]
    if away == without and away:
        return warning("nodes", f"not Ready, and without a prober: {named(away)}", "see to the nodes")
    if without:
        return failed(
            "nodes",
            f"{len(without)} of {len(expected)} have no prober: {named(without)}",
            "see the prober's pods on them (`kubectl get pods -o wide`): tolerations, images, their log",
        )
    strangers = sorted(announced - {node.name for node in nodes})
    if strangers:
        return warning(
            "nodes",
            f"every node has a prober; announced, and no node's name: {named(strangers)}",
            "give each prober its node's name (NADROUTE_HOST, from spec.nodeName)",
        )
    return ok("nodes", f"each of {len(expected)} has a prober")


def _names(facts: Facts, live: Sequence[HostRow]) -> Finding:
    clocks = facts.redis.clocks
    waiting = [row for row in live if row.waiting is not None]
    if waiting and waiting[0].waiting is not None and not isinstance(clocks, Unknown):
        return failed(
            "host names",
            describe_conflict(waiting[0].waiting, waiting[0].holder, clocks.now_ms),
            "end the one that is not meant to run, or give it another name (NADROUTE_HOST); `nadroute hosts` "
            f"shows {'all of them' if len(waiting) > 1 else 'both'}",
        )
    return ok("host names", "no two probers claim the same")


def _versions(facts: Facts, live: Sequence[HostRow]) -> Finding:
    on: dict[str, list[str]] = defaultdict(list)
    for row in live:
        if row.announcement is not None:
            on[row.announcement.version].append(f"prober on {row.host}")
    running = facts.redis.running
    for each in () if isinstance(running, Unknown) else running:
        on[each.version].append(f"{each.part} on {each.machine}")
    if set(on) - {facts.version}:
        said = "; ".join(f"{version}: {named(sorted(parts))}" for version, parts in sorted(on.items()))
        return warning(
            "versions",
            f"this program is {facts.version}; {said}",
            "finish the upgrade: all parts of one version; watcher, updater and commands first",
        )
    if isinstance(running, Unknown):
        return cannot_tell("versions", f"those of watcher and updater: {running.why}")
    if unheard := [part for part in NEEDED if part not in {each.part for each in running}]:
        return cannot_tell(
            "versions",
            f"{facts.version}: this program, and every part that says its own; not heard of: "
            f"{' and '.join(unheard)}, stopped or of an older version",
        )
    return ok("versions", f"{facts.version}: this program, and every part that runs")
