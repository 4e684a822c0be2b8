"""What can be seen at one moment, which doubt is over, and what is to be told. Times as in judging.py."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from services.contract.messages import Offer
from services.contract.outcomes import State
from services.network.parse.intent import Intent
from tests.reference.reducing import (
    Evidence,
    answered,
    answerers,
    askers,
    conclusive,
    in_vain_since,
    is_unclear,
    reduce,
)
from tests.reference.senders import learned, own_answers, untelling
from tests.reference.words import Arrival, Word

BOUND_MS = 25_000
"""How long a host has for its report, unless it announces a slower pace."""
NEVER = float("-inf")


@dataclass(frozen=True)
class Look:
    """What can be seen of one segment at one moment."""

    now: int
    carriers: Collection[str]
    latest: Mapping[str, Arrival]
    """The newest report of each host since Redis was emptied last."""
    asked: Mapping[str, Arrival]
    """The same of those that asked DHCP."""
    knows_hosts: bool
    """Whether all hosts have had the time to announce themselves."""
    time_runs: bool = True
    resumed: int = 0
    """When time went on after it had stood still: what arrived before may be long outdated."""
    bound_ms: int = BOUND_MS
    fresh_ms: int = 600_000
    active_when: str = "routed"
    offered: Collection[Offer] = ()
    """Whatever was offered on this segment since the first network."""
    crowded: bool = False
    """Whether so much is in doubt that two hosts are enough."""
    needs_address: bool = False
    """Whether silence to 0.0.0.0 proves nothing."""
    is_told: bool = False
    """Whether that is to be told."""

    def as_asked(self, digest: str, *, is_told: bool) -> "Look":
        """Return what can be seen, if silence is read by how it was asked. is_told: see senders.learned."""
        latest, asked = (
            [arrival for host, arrival in arrivals.items() if host in self.carriers]
            for arrivals in (self.latest, self.asked)
        )
        needs_address, is_known = learned(
            digest, latest, asked, now=self.now, fresh_ms=self.fresh_ms, is_told=is_told
        )
        if not needs_address:
            return self
        return replace(
            self,
            latest=untelling(digest, self.latest),
            asked=untelling(digest, self.asked),
            needs_address=True,
            is_told=is_known,
        )

    @property
    def settled(self) -> bool:
        """Whether anything may be told that is not better."""
        return self.knows_hosts and self.time_runs

    def first_answer(self, digest: str, gateway: str, *, since: float) -> float:
        """Return when this gateway first answered a carrier on the VLAN, of what counts; since if none."""
        evidence = self._with_own_answers(self._evidence(since, NEVER), digest, since)
        return min(answered(evidence, digest, gateway), default=since)

    def answerers(self, digest: str, gateway: str, *, since: float) -> set[str]:
        """Return the MAC addresses by which this gateway answers carriers on the VLAN, of what counts."""
        return answerers(self._evidence(since, NEVER), digest, gateway)

    def heard(self, digest: str, *, since: float) -> set[str]:
        """Return the carriers that have said something about this intent since then."""
        counting = self._evidence(since, NEVER).counting(digest)
        return set(counting)

    def could_tell(self, digest: str, *, since: float) -> set[str]:
        """Return those of them that could tell whether the gateway answers."""
        counting = self._evidence(since, NEVER).counting(digest)
        return {host for host, verdict in counting.items() if not is_unclear(verdict, digest)}

    def asked_since(self, digest: str, since: float) -> int:
        """Return how many carriers DHCP has answered since then, with an offer or with none in time."""
        return conclusive(self._evidence(NEVER, NEVER), digest, since)

    def askers(self) -> int:
        """Return how many hosts have to ask before it is told that DHCP names no better gateway."""
        return askers(self._evidence(NEVER, NEVER))

    def word(self, intent: Intent, *, since: float, offers_since: float, is_out: bool, is_late: bool) -> Word:
        """Reduce what was said since then.

        is_out: whether it was told that DHCP offers nothing. is_late: whether others had their time to ask.
        """
        evidence = self._evidence(since, offers_since, is_out=is_out)
        evidence = self._with_own_answers(evidence, intent.digest, since)
        word = reduce(intent, replace(evidence, is_out=is_out or is_late))
        return replace(word, needs_address=self.is_told)

    def _with_own_answers(self, evidence: Evidence, digest: str, since: float) -> Evidence:
        """Return the evidence with what hosts found while they held an address."""
        if not self.needs_address:
            return evidence
        after = max(since, self.now - 2 * self.fresh_ms + 1)
        return replace(evidence, latest=own_answers(digest, evidence.latest, self.asked, since=after))

    def reported(self, digest: str, *, since: float) -> set[str]:
        """Return the carriers that have done so, however long ago."""
        whenever = replace(self, fresh_ms=self.now)
        return whenever.heard(digest, since=since)

    def has_former(self, watermark: float) -> bool:
        """Whether any host has a fresh report from before, which would count without the watermark."""
        return any(self.now - a.at < self.fresh_ms and a.at < watermark for a in self.latest.values())

    def in_vain_since(self, digest: str, offers_since: float, before: float | None) -> float | None:
        """Return when the first host asked DHCP in vain after the newest offer; None if none did.

        before: what it was at the last look: it is not later because that host asks again.
        """
        first, last_offer = in_vain_since(self._evidence(NEVER, offers_since), digest)
        first = before if before is not None and before > last_offer else first
        return None if first is None else max(first, self.resumed)

    def _evidence(self, since: float, offers_since: float, *, is_out: bool = False) -> Evidence:
        return Evidence(
            self.now,
            self.carriers,
            {host: arrival for host, arrival in self.latest.items() if arrival.at >= since},
            self.asked,
            offers_since,
            NEVER if is_out else self.resumed,
            self.fresh_ms,
            self.active_when,
            self.offered,
            is_out,
        )


@dataclass(frozen=True)
class Doubt:
    """Which hosts are waited for: those that have not reported since then."""

    since: float
    is_crowded: bool = False
    """Whether two of them are enough."""
    answered: bool = False
    """Whether they may answer as well as the first one did: they are waited for, and nothing is doubted."""
    is_over: bool = False
    """Whether nobody is waited for any more."""
    passed: frozenset[str] = frozenset()
    """Who had not reported by then."""

    def at(self, look: Look, digest: str) -> "Doubt":
        """Return it as it is now: over once all have reported or had their time; anew for who came since."""
        missing = frozenset(look.carriers) - look.could_tell(digest, since=self.since)
        if self.is_over:
            is_another = not self.is_crowded and not self.answered and not missing <= self.passed
            return Doubt(look.now) if is_another else self
        enough = min(2, len(look.carriers)) if self.is_crowded else len(look.carriers)
        heard = len(look.carriers) - len(missing)
        if heard < enough and look.now < self.since + look.bound_ms:
            return self
        return replace(self, is_over=True, passed=missing)


@dataclass(frozen=True)
class Telling:
    """A word that is to be told now."""

    word: Word
    doubt: Doubt | None = None
    """What is in doubt once it is told."""
    ends_asking: bool = False
    """Whether a host that asks DHCP in vain from then on is the first one."""

    @property
    def closes(self) -> bool:
        """Whether nothing else is in doubt once it is told."""
        return self.word.state is not State.PENDING
