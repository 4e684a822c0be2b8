"""Playing a history: each step happens to the site, and the updater is compared with the reference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.contract.messages import HostAnnouncement, Offer, Segment
from services.contract.outcomes import Reason, State
from services.network.parse import nad
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.network.parse.status import Status
from tests.reference.judging import TTL_MS, Judge
from tests.reference.looking import BOUND_MS, Look, Telling
from tests.reference.memory_redis import MakeRedis, in_memory
from tests.reference.site import FRESH_S, Site
from tests.reference.words import Arrival, Word, newest

Step = tuple[object, ...]
"""The name of a method of Site, and its arguments."""
HOUR_S = 3_600.0
LOOK_S = 10
CORRECTIONS_AN_HOUR = 4
UNHEARD_MS = 60_000
"""After its start the updater takes every host at its word for so long."""
OVERWRITING = ("true", "false", "ping failed", "ui", "bare", "manual", "auto")
"""Edits that may take a result of ours back."""


@dataclass(frozen=True)
class History:
    """A site, and what happens there."""

    hosts: int
    routes: tuple[tuple[int, str], ...]
    """VLAN and kind of each network."""
    steps: tuple[Step, ...]
    active_when: str = "routed"
    slowest_s: float = BOUND_MS / 1000
    """How long the first host may take to report, as it announces."""


class Difference(AssertionError):
    """The updater and the reference disagree."""


@dataclass
class _Announcements:
    """What was read of the hosts' announcements by the present updater."""

    polls: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    readable_since: int | None = None
    ended: Mapping[str, int] = field(default_factory=dict)
    """When each host that is gone was first missed."""
    said: dict[str, HostAnnouncement] = field(default_factory=dict)
    """By host, what it announced last."""
    shown: set[str] = field(default_factory=set)
    """Hosts of which a report has come of the incarnation that they announce: their pace is believed."""

    def read(
        self, now: int, hosts: Mapping[str, HostAnnouncement], reporters: Iterable[tuple[str, int]]
    ) -> None:
        """reporters: host and incarnation of each report since the last reading."""
        self.shown |= {
            host for host, number in reporters if host in self.said and self.said[host].incarnation == number
        }
        self.said |= hosts
        self.polls.append((now, frozenset(hosts)))
        self.ended = dict(self._ended())
        if self.readable_since is None:
            self.readable_since = now
        self.shown &= self.carriers(now)
        self.said = {host: said for host, said in self.said.items() if host in self.carriers(now)}

    def carriers(self, now: int) -> frozenset[str]:
        """Return the announced hosts, and those whose announcement ended a moment ago."""
        present = self.polls[-1][1]
        return present | frozenset(host for host, ended in self.ended.items() if now - ended < BOUND_MS)

    def bound_ms(self, now: int) -> int:
        """Return how long the slowest of them may take to report, as far as that is believed."""
        assert self.readable_since is not None
        is_early = now < self.readable_since + UNHEARD_MS
        believed = self.carriers(now) if is_early else self.carriers(now) & self.shown
        return max([BOUND_MS, *(round(1000 * self.said[host].report_within_s) for host in believed)])

    def _ended(self) -> Iterator[tuple[str, int]]:
        for host in frozenset[str]().union(*(hosts for _, hosts in self.polls)):
            absent = [at for at, hosts in self.polls if host not in hosts]
            seen = max(at for at, hosts in self.polls if host in hosts)
            since = [at for at in absent if at >= seen]
            if since:
                yield host, since[0]


class Player:
    """One history on its way."""

    def __init__(self, history: History, make_redis: MakeRedis = in_memory) -> None:
        self._active_when = history.active_when
        self.site = Site(
            history.hosts,
            history.routes,
            make_redis,
            active_when=history.active_when,
            slowest_s=history.slowest_s,
        )
        self._judges: dict[str, Judge] = {}
        self._read: dict[str, tuple[Network, Intent | NotProbed]] = {}
        """What was read of each network as it last was; most looks find it as it was."""
        self._announcements = _Announcements()
        self.looks = 0
        """How often both were compared."""
        self._stood: dict[str, Intent] = {}
        """Each network's intent, while it is the same, when what was told last stood in its annotation."""
        self._named: dict[str, Intent] = {}
        """The same until something is told of another intent: what it names is still known."""
        self._outdated: set[str] = set()
        """Networks of which nothing is known any more, which waits for Harvester's check to be told."""
        self._offered: dict[Segment, dict[Offer, int]] = {}
        """Whatever was offered, and when last."""
        self._left_at: dict[str, int] = {}
        """When each network was not probed last: who named its gateway before is not known any more."""
        self._overwritten: list[tuple[float, object]] = []
        self.look()

    def play(self, steps: Sequence[Step]) -> None:
        """Raise Difference at the first step after which the updater is not as it should be."""
        for number, (name, *arguments) in enumerate(steps):
            try:
                if name == "wait":
                    self._wait(int(str(arguments[0])))
                    continue
                getattr(self.site, str(name))(*arguments)
                if name == "edit" and arguments[1] in OVERWRITING:
                    self._overwritten.append((self.site.clock.seconds, arguments[0]))
                if name == "fault" and arguments == ["updater"]:
                    self._restart()
                self.site.wait(1)
                self.look()
            except AssertionError as error:
                raise Difference(f"after step {number}, {(name, *arguments)}: {error}") from error

    def _restart(self) -> None:
        """Take that the updater is a new one: it has the records in Redis, and was not there before."""
        self._announcements = _Announcements()
        self.site.reporters.clear()
        for judge in self._judges.values():
            judge.restart()

    def _wait(self, seconds: int) -> None:
        """Let time pass; the updater looks now and then, as it does by itself."""
        while seconds > 0:
            self.site.wait(min(LOOK_S, seconds))
            seconds -= LOOK_S
            self.look()

    def look(self) -> None:
        """Let the updater look, and compare what it made of it."""
        site = self.site
        self.looks += 1
        known = site.known()
        before = [site.network_at(index) for index in range(len(site.refs))]
        can_see = not (site.redis.is_away or site.is_paused)
        observed = site.verdicts.observed_ms() if can_see else 0
        site.look()
        after = [site.network_at(index) for index in range(len(site.refs))]
        if not can_see:
            assert after == before, "written while nothing can be seen"
            return
        self._announcements.read(observed, site.announced(), site.reporters)
        site.reporters.clear()
        if not site.has_listed:
            assert after == before, "written what was never listed"
            return
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            _check_number(old, new)
            if not self._sees(old, known.get(old.uid), observed):
                assert new == old, "written on what is outdated"
                continue
            found = self._read_intent(old)
            if isinstance(found, Intent):
                self._check(old, new, found, observed)
                if self._must_be_corrected(index):
                    self._check_route(found, new)
            else:
                self._check_left_alone(old, new, found, observed)
            self._note_standing(new)

    def _sees(self, present: Network, known: Network | None, now: int) -> bool:
        """Return whether the updater takes up what is there now, which the watch may not have reported yet.

        If it is behind, it does so when it has something to write: then it finds out that it is.
        """
        if known == present:
            return True
        if known is None:
            return False
        found = read_intent(known)
        if isinstance(found, Intent):
            judge = self._judge_of(known)
            intent = self._with_known_gateway(known, found, judge)
            telling = judge.look(intent, self._look_of(known.uid, intent, now))
            has_tried = self.site.known().get(known.uid) != known
            may_write = not self.site.cluster.is_away
            assert has_tried or telling is None or not may_write or _is_being_pinged(known, telling.word)
        return self.site.known().get(known.uid) != known

    def _look_of(self, uid: str, intent: Intent, now: int) -> Look:
        arrivals = [Arrival(at, v) for at, v in self.site.verdicts.arrivals if v.segment == intent.segment]
        latest, since = newest(arrivals), self._announcements.readable_since
        assert since is not None
        settled = now - since >= TTL_MS
        asked = newest(arrivals, asked=True)
        offered = self._offered.setdefault(intent.segment, {})
        offered |= {o: a.at for a in latest.values() if a.verdict.dhcp for o in a.verdict.dhcp.servers}
        fresh = [a for a in asked.values() if now - a.at < 2_000 * FRESH_S]
        known = {o for a in fresh if a.verdict.dhcp for o in a.verdict.dhcp.servers}
        left_at = self._left_at.get(uid, 0)
        time = self.site.verdicts.read([intent.segment])[intent.segment]
        return Look(
            now,
            self._announcements.carriers(now),
            latest,
            asked,
            settled,
            time.time_runs,
            time.resumed_ms,
            bound_ms=self._announcements.bound_ms(now),
            fresh_ms=round(FRESH_S * 1000),
            active_when=self._active_when,
            offered=known | {offer for offer, at in offered.items() if at > left_at},
        )

    def _read_intent(self, network: Network) -> Intent | NotProbed:
        present, found = self._read.get(network.uid, (None, None))
        if found is None or present is not network:
            found = read_intent(network)
            self._read[network.uid] = network, found
        return found

    def _judge_of(self, network: Network) -> Judge:
        return self._judges.setdefault(network.uid, Judge())

    def _check(self, old: Network, new: Network, intent: Intent, now: int) -> None:
        judge = self._judge_of(old)
        intent = self._with_known_gateway(old, intent, judge)
        telling = judge.look(intent, self._look_of(old.uid, intent, now))
        may_write = not self.site.cluster.is_away
        if telling is not None and _is_being_pinged(old, telling.word):
            self._outdated.add(old.uid)
        elif telling is not None and may_write:
            judge.tell(telling)
        _check_status(judge, new.status)

    def _with_known_gateway(self, network: Network, intent: Intent, judge: Judge) -> Intent:
        """Return the intent with the gateway that stood there, if another writer has removed it."""
        is_empty = not (network.route.cidr or network.route.gateway)
        named = (self._named if is_empty else self._stood).get(network.uid)
        told = judge.told
        is_told = told is not None and told.state is not State.PENDING and told.digest == intent.digest
        if not is_told or named is None or named.digest != intent.digest or intent.known_gateway is not None:
            return intent
        return replace(intent, known_gateway=named.known_gateway, known_cidr=named.known_cidr)

    def _note_standing(self, network: Network) -> None:
        found, judge, uid = self._read_intent(network), self._judge_of(network), network.uid
        digest, standing = found.digest if isinstance(found, Intent) else "", judge.standing
        if isinstance(found, Intent) and standing is not None and standing.digest == digest:
            if _says(network, standing):
                self._stood[uid] = self._named[uid] = found
                self._outdated.discard(uid)
        elif uid in self._stood and self._stood[uid].digest != digest:
            del self._stood[uid]
        if uid in self._named and judge.told is not None and judge.told.digest != self._named[uid].digest:
            del self._named[uid]

    def _must_be_corrected(self, index: int) -> bool:
        """Whether another writer's change is to be answered: not when there were too many of them."""
        since = self.site.clock.seconds - HOUR_S
        recent = [which for at, which in self._overwritten if at > since and which == index]
        return len(recent) <= CORRECTIONS_AN_HOUR and not self.site.cluster.is_away

    def _check_route(self, intent: Intent, new: Network) -> None:
        judge, stood = self._judge_of(new), self._stood.get(new.uid)
        has_stood = stood is not None and stood.digest == intent.digest and new.uid not in self._outdated
        if judge.standing is not None and (judge.is_clear or has_stood):
            _check_route(new, judge.standing)

    def _check_left_alone(self, old: Network, new: Network, found: NotProbed, now: int) -> None:
        judge = self._judge_of(old)
        self._left_at[old.uid] = now
        judge.leave_alone()
        if not self.site.cluster.is_away:
            judge.tell(Telling(Word(found.state, found.reason)))
        _check_status(judge, new.status)


def _check_number(old: Network, new: Network) -> None:
    """A write changes something, and one is enough."""
    writes = int(new.resource_version) - int(old.resource_version)
    assert writes <= 1, f"{writes} writes at once"
    if writes:
        told = [
            (sorted(n.status.findings), n.status.detail, n.status.servers) if n.status else None
            for n in (old, new)
        ]
        changed = _facts(new.status) != _facts(old.status) or old.route != new.route or told[0] != told[1]
        assert changed, f"needless: {old.annotations} became {new.annotations}"


def _check_status(judge: Judge, status: Status | None) -> None:
    told = judge.told
    expected = None if told is None else (*told.facts(), told.digest)
    if told is not None and status is not None and told.state == status.state and not told.is_decided:
        # Why nothing is known may be told a little sooner or later.
        return
    assert _facts(status) == expected, f"told {_facts(status)}, expected {expected}"


def _facts(status: Status | None) -> tuple[object, ...] | None:
    if status is None:
        return None
    servers = tuple(offer.server for offer in status.servers)
    facts = status.state, status.reason, status.connectivity, dict(status.hosts), servers, status.dhcp_out
    return (*facts, Reason.ARP_NEEDS_ADDRESS in status.findings, status.gateway_mac, status.digest)


def _is_being_pinged(network: Network, word: Word) -> bool:
    """Whether Harvester is checking the gateway now, and any write would make it begin anew."""
    route = network.route
    return not word.is_decided and route.lacks_connectivity and not route.outdated


def _says(network: Network, standing: Word) -> bool:
    try:
        _check_route(network, standing)
    except AssertionError:
        return False
    return True


def _check_route(network: Network, standing: Word) -> None:
    """What was told stands in Harvester's annotation too."""
    route = network.route
    if standing.state is State.DHCP_FAILED and (route.cidr, route.connectivity) == ("", "false"):
        # Harvester's word about a gateway that is gone, and no other word than ours.
        return
    if nad.ROUTE not in network.annotations:
        assert not standing.gateway, "the gateway that DHCP names is not written"
        return
    if standing.gateway:
        assert (route.gateway, route.cidr) == (standing.gateway, standing.cidr), network.annotations
    assert route.connectivity == standing.connectivity, network.annotations
    assert not route.outdated
