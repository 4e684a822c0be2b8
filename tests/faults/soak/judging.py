"""Judges each write of nadroute's to a network by what was true on the site, within the rules' bounds."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lab.kube.jsontypes import JsonObject
from lab.kube.resources import NADS
from lab.kube.writes import WriteRecord
from lab.site_builder import vlan_cidr
from services.contract.conclusions import ConclusionRecord
from services.contract.outcomes import Reason, State
from services.network.judge.evidence import UNDECIDED
from services.network.parse import nad
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from tests.faults.soak.false_words import FalseWord, false_word
from tests.faults.soak.layout import HOSTS, MARKED, ROGUES_GATEWAY, gateway_of
from tests.faults.soak.world import ASK_WINDOW_S, SWEEP_S, World
from tests.simulation.ground_truth import WORSE_S, Written, falsehoods, replacements, unheard
from tests.support.write_history import by_us, fields, trespasses

SLACK_S = 5.0
"""For what each step takes on a machine that is not busy, and for the time that an injection takes."""
NEWS_S = WORSE_S + SLACK_S
KNOWN_S = max(SWEEP_S * 1.1, ASK_WINDOW_S * len(HOSTS)) + 16.0 + SLACK_S
"""What was told before was so since the last time each host looked, or asked DHCP in its turn."""
ROGUE_KEPT_S = 4 * SWEEP_S + SLACK_S
"""An offer counts for four sweeps, unless hosts that ask in vain refute it; those that restart may not."""
MINUTE_S, RESTART_S = 60.0, 25.0
OF_STRANGERS = frozenset(
    {Reason.DHCP_SERVERS_DISAGREE, Reason.OTHER_SERVER_ANSWERED, Reason.TOO_MANY_DHCP_SERVERS}
)
"""Findings that need a second server."""


@dataclass
class Judge:
    """Takes the records of writes in their order."""

    world: World
    judged: int = 0
    judged_for_unheard: int = 0
    """Of these, while some host could report."""
    found: list[FalseWord] = field(default_factory=list)
    _sequence: int = 0
    _asked_at: dict[str, float] = field(default_factory=dict)
    """When the owner of a network last asked for something else, by its name."""
    _told_at: dict[str, float] = field(default_factory=dict)
    """When nadroute last wrote to it."""
    _offered_at: dict[str, float] = field(default_factory=dict)
    """When another gateway was last written to it: from then on the other hosts can check that."""

    def take(self) -> list[FalseWord]:
        """Judge the writes since the last call; return what is false in them."""
        records = self.world.server.store.writes.all(after=self._sequence)
        new: list[FalseWord] = []
        for record in records:
            self._sequence = record.sequence
            if _asks_anew(record):
                self._asked_at[record.name] = record.at
            if by_us([record]) and record.changed:
                self.judged += 1
                if _gateway_of(record.before) != _gateway_of(record.after):
                    self._offered_at[record.name] = record.at
                new += self._false(record.at, list(self.of_write(record)), record.after)
                self._told_at[record.name] = record.at
        self.found += new
        return new

    def of_write(self, record: WriteRecord) -> Iterator[str]:
        """Say what is false in a write."""
        for what in trespasses(record):
            yield f"overwrites what is its owner's: {what}"
        if record.before is None or record.after is None:
            yield f"a {record.verb} of a network"
            return
        before, after = Network.from_object(record.before), Network.from_object(record.after)
        yield from self._of_status(before, after, record.at)
        yield from self._of_route(before, after, record.at)

    def of_standing(self, network: Network, *, since: float) -> Iterator[str]:
        """Say what is false in what stands, where nothing has changed since then."""
        status = network.status
        if status is None:
            yield "nothing is told"
            return
        now, intent = time.monotonic(), read_intent(network)
        if isinstance(intent, Intent) and status.digest != intent.digest:
            yield "a status of another intent"
        if isinstance(intent, Intent) and status.state in UNDECIDED:
            yield f"still {status.state}"
        written = self._written(network, network, status, now)
        if written is not None and isinstance(intent, Intent):
            strict = replace(
                written,
                is_new=False,
                believed=HOSTS,
                asked=HOSTS,
                steady=HOSTS,
                news_since=since,
                swept_since=since,
            )
            yield from falsehoods(self.world.truth, strict)
            yield from unheard(strict)
            yield from self._of_servers(status, written.vlan, now)
            is_named = intent.mode == "auto" and self.world.truth.holds(("dhcp", written.vlan, ""))
            if is_named and not written.is_gateway_real:
                yield f"{status.gateway} is the gateway, where DHCP names another"
        if isinstance(intent, NotProbed) and status.state != intent.state:
            yield f"{status.state}, but its owner made it {intent.state}"
        if network.has_route and Reason.OTHER_WRITER not in status.findings:
            yield from _contradictions(network, status)

    def of_conclusion(self, network: Network, record: ConclusionRecord | None) -> Iterator[str]:
        """Say where the stored conclusion says something else than what stands."""
        stored = None if record is None else Status.from_fields(record.status)
        if stored is None:
            yield "no conclusion is stored"
        elif network.status is not None and Reason.OTHER_WRITER not in network.status.findings:
            concluded, told = _told_by(stored), _told_by(network.status)
            if concluded != told:
                yield f"the stored conclusion says {concluded}, what stands {told}"

    def _of_status(self, former: Network, network: Network, at: float) -> Iterator[str]:
        status = network.status
        if status is None:
            yield "an unreadable status"
            return
        intent = read_intent(network)
        if not isinstance(intent, Intent):
            if status.state != intent.state:
                yield f"{status.state}, but its owner made it {intent.state}"
            return
        if status.digest != intent.digest:
            yield "a status of another intent"
            return
        written = self._written(former, network, status, at)
        if written is not None:
            yield from falsehoods(self.world.truth, written)
            # A doubt that is over now began later than that.
            since = self.world.counting.since_run(at, RESTART_S + SLACK_S)
            could_report = self.world.hosts_steady(since=since)
            self.judged_for_unheard += bool(could_report)
            yield from unheard(replace(written, steady=could_report))
            yield from self._of_servers(status, written.vlan, at)
            known = (status.digest, str(gateway_of(written.vlan)))
            if former.status is not None and (former.status.digest, former.status.gateway) == known:
                yield from replacements(self.world.truth, written)

    def _written(self, former: Network, network: Network, status: Status, at: float) -> Written | None:
        intent, before = read_intent(network), former.status
        if not isinstance(intent, Intent):
            return None
        if before is not None and (before.digest, before.gateway) != (status.digest, status.gateway):
            before = None
        if self._asked_at.get(network.ref.name, 0.0) > self._told_at.get(network.ref.name, 0.0):
            # Its owner changed what it asks for, perhaps there and back: it is told anew.
            before = None
        vlan, counting = intent.segment.vlan, self.world.counting
        return Written(
            at,
            vlan,
            before,
            status,
            believed=self.world.hosts_running(since=counting.since_probed(at, MINUTE_S + SLACK_S)),
            asked=[
                host
                for host, prober in self.world.probers.items()
                if prober.was_up(within_s=RESTART_S - SLACK_S, settles_s=SLACK_S)
            ],
            steady=self.world.hosts_steady(since=counting.since_run(at, MINUTE_S + SLACK_S)),
            news_since=counting.since_run(at, NEWS_S),
            swept_since=counting.since_probed(at, KNOWN_S),
            is_gateway_real=status.gateway in ("", str(gateway_of(vlan))),
            is_first_offer=intent.mode == "auto"
            and (
                _route_of(former).get("gateway") != status.gateway
                or self._is_lately(self._offered_at, network, at)
            ),
            is_isolated=vlan == MARKED,
            is_new=self._is_lately(self._asked_at, network, at),
        )

    def _is_lately(self, times: Mapping[str, float], network: Network, at: float) -> bool:
        return times.get(network.ref.name, float("-inf")) > self.world.counting.since_run(at, NEWS_S)

    def _of_servers(self, status: Status, vlan: int, at: float) -> Iterator[str]:
        if self._was_rogue(vlan, self.world.counting.since_probed(at, ROGUE_KEPT_S), at):
            return
        strangers = [server for server in status.servers if server.gateway != str(gateway_of(vlan))]
        if strangers:
            yield f"{strangers[0].server} is named, which is not there"
        for finding in status.findings.keys() & OF_STRANGERS:
            yield f"{finding}, but there is one server at most"
        if Reason.SERVER_ID_SHARED in status.findings:
            yield "ServerIdShared, which nobody does"

    def _of_route(self, before: Network, after: Network, at: float) -> Iterator[str]:
        old, new = _route_of(before), _route_of(after)
        status = after.status
        if old == new or status is None:
            return
        yield from _contradictions(after, status)
        intent = read_intent(after)
        if not isinstance(intent, Intent) or intent.mode != "auto":
            return
        vlan = intent.segment.vlan
        named = (new.get("cidr", ""), new.get("gateway", ""))
        possible = [("", ""), (str(vlan_cidr(vlan)), str(gateway_of(vlan)))]
        if any(begin <= at for begin, _ in self.world.rogues.get(vlan, ())):
            # Kept for an hour, because it might be a router that boots.
            possible.append((str(vlan_cidr(vlan)), str(vlan_cidr(vlan)[ROGUES_GATEWAY])))
        if named not in possible:
            yield f"route names {named}, which nobody offered"
        if (
            named == possible[-1]
            and len(possible) > 2
            and named != (old.get("cidr", ""), old.get("gateway", ""))
        ):
            since = self.world.counting.since_probed(at, ROGUE_KEPT_S)
            if not self._was_rogue(vlan, since, at) and status.gateway != named[1]:
                yield f"route comes to name {named}, which nobody has offered for long"

    def _was_rogue(self, vlan: int, since: float, until: float) -> bool:
        return any(begin <= until and end >= since for begin, end in self.world.rogues.get(vlan, ()))

    def _false(self, at: float, whats: list[str], body: object) -> list[FalseWord]:
        if not whats:
            return []
        assert isinstance(body, dict)
        return self._words(Network.from_object(body), at, whats)

    def standing(self, network: Network, whats: list[str]) -> list[FalseWord]:
        """Note what is false in what stands."""
        new = self._words(network, time.monotonic(), [f"stands: {what}" for what in whats])
        self.found += new
        return new

    def _words(self, network: Network, at: float, whats: list[str]) -> list[FalseWord]:
        asked_at = self._asked_at.get(network.ref.name)
        return [false_word(self.world, network, what, at=at, asked_at=asked_at) for what in whats]


def _gateway_of(body: "JsonObject | None") -> object:
    return None if body is None else _route_of(Network.from_object(body)).get("gateway")


def _asks_anew(record: WriteRecord) -> bool:
    """Whether a write changed what the network asks for, or made the network."""
    if record.resource != NADS.plural or not record.changed or record.after is None:
        return False
    intents = [
        None if body is None else read_intent(Network.from_object(body))
        for body in (record.before, record.after)
    ]
    before, after = (intent.digest if isinstance(intent, Intent) else None for intent in intents)
    return before != after


def _told_by(status: Status) -> tuple[object, ...]:
    return (status.state, status.reason, status.digest, status.gateway, status.connectivity, status.hosts)


def _contradictions(network: Network, status: Status) -> Iterator[str]:
    """Say where the route annotation says something else than the status."""
    route = _route_of(network)
    if status.state in (State.PENDING, State.UNKNOWN, State.IGNORED, State.DISABLED, State.INVALID):
        return
    if status.connectivity and route.get("connectivity") != status.connectivity:
        yield f"route says {route.get('connectivity')!r}, status {status.connectivity!r}"
    if route.get("gateway") and status.gateway and route["gateway"] != status.gateway:
        yield f"route names {route.get('gateway')}, status {status.gateway}"


def _route_of(network: Network) -> Mapping[str, object]:
    return fields(network.annotations.get(nad.ROUTE))
