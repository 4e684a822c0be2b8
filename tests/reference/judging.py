"""The rules of when a word may be told: better at once, anything else on complete evidence.

Times are milliseconds of observed time. Everything is computed anew at each look; what is kept between looks
is only what the rules themselves speak of: what was told last, what is in doubt since when, the watermarks.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from services.contract.outcomes import Reason, State
from services.network.parse.intent import Intent
from tests.reference.comparing import ACCUSE_NOBODY, is_better, is_worse, names_another
from tests.reference.looking import NEVER, Doubt, Look, Telling
from tests.reference.reducing import failed
from tests.reference.words import NOT_HEARD, Arrival, Word

TTL_MS = 15_000
"""How long an announcement lives: from then on all hosts are known, and an Unknown is no hiccup."""
LATE_MS = 5_000
"""Who is asked late has the whole time from then on."""
ANSWER_MS = 5_000
"""Who may be answered by a gateway again says so within this time."""
KEPT_FRESHNESS = 6
"""A gateway that nothing confirms is forgotten after so many times the time for which a report is fresh."""
ON_VLAN = (State.ACTIVE, State.PARTIAL, State.ISOLATED)


class Judge:
    """The judgement of one network."""

    def __init__(self) -> None:
        self.told: Word | None = None
        """What stands, if anything was told."""
        self._looked_at: float | None = None
        self._answers = "", "", ""
        """The intent that was told of last, its gateway, and by which MAC address that answers."""
        self._begin("")

    def _begin(self, digest: str) -> None:
        """Begin with an intent, of which nothing was seen yet."""
        self.doubt: Doubt | None = None
        self._pending = Word(State.PENDING, Reason.NOT_PROBED_YET)
        self._digest = digest
        self._watermark = NEVER
        self._offers_since = NEVER
        self._unheard: set[str] = set()
        """Hosts that were told to be unheard, and have not reported since."""
        self._in_vain_since: float | None = None
        self._named_since: float | None = None
        self._unconfirmed_since: float | None = None
        self._agrees = False
        """Whether the evidence says what stands."""
        self._undecided_since: float | None = None
        self._differs_since: float | None = None

    @property
    def standing(self) -> Word | None:
        """What was told of this very intent, if it said anything."""
        told = self.told
        return told if told is not None and told.digest == self._digest and told.is_decided else None

    @property
    def is_clear(self) -> bool:
        """Whether the evidence says what stands."""
        return self._agrees and self.doubt is None and self._named_since is None

    def restart(self) -> None:
        """Take that whoever looked so far is gone; all else was written down."""
        self._looked_at = None

    def leave_alone(self) -> None:
        """Take that the network is not probed now: once it is again, nobody has looked at it yet."""
        self._begin("")
        self.restart()

    def look(self, intent: Intent, look: Look) -> Telling | None:
        """Return what is to be told now; None while what stands is to stand."""
        if intent.digest != self._digest:
            self._begin(intent.digest)
        self._agrees = False
        told = self.told
        is_told = told is not None and told.digest == intent.digest and told.needs_address
        look = look.as_asked(intent.digest, is_told=is_told)
        telling = self._consider(intent, look)
        self._looked_at = look.now
        if telling is None and self.told is not None and self.told.digest != self._digest and look.settled:
            # What stands is about another intent.
            telling = Telling(self._pending)
        return None if telling is None else replace(telling, word=replace(telling.word, digest=intent.digest))

    def tell(self, telling: Telling) -> None:
        """Take that this was written."""
        self.told, self._agrees = telling.word, True
        word = telling.word
        if word.is_decided or self._answers[0] != word.digest:
            self._answers = word.digest, word.checked, word.mac
        if telling.closes:
            # Who was asked before nothing was known any more is waited for no longer than that.
            is_open = self.doubt is not None and not (self.doubt.is_over or self.doubt.answered)
            self.doubt = self.doubt if telling.word.state is State.UNKNOWN and is_open else telling.doubt
            self._named_since = None
            self._undecided_since = self._differs_since = None
        if telling.ends_asking:
            self._in_vain_since = None
        self._unheard |= {host for host, why in telling.word.hosts.items() if why == NOT_HEARD}

    def _consider(self, intent: Intent, look: Look) -> Telling | None:
        is_over = self._advance(look)
        word = self._word(intent, look, since=self._watermark)
        if self.doubt is not None and not self.doubt.answered and is_over:
            restricted = self._word(intent, look, since=self.doubt.since)
            if self._says_something(restricted, look):
                self._watermark, word = self.doubt.since, restricted
                self._unheard = set()
            elif self._says_something(word, look) and self._needs_evidence(word, intent):
                return self._hold(restricted, look)
        self._pending = word if word.state is State.PENDING else Word(State.PENDING, Reason.NOT_PROBED_YET)
        if not self._says_something(word, look):
            return self._hold(word, look)
        self._undecided_since = None
        return self._weigh(intent, word, look)

    def _advance(self, look: Look) -> bool:
        """Return whether a doubt is over. Where time stood still, all who are waited for have it anew."""
        self._unheard -= look.reported(self._digest, since=self._watermark)
        if look.knows_hosts:
            self._unheard &= set(look.carriers)
        is_needed = look.has_former(self._watermark) or self._unheard & set(look.carriers)
        if self.doubt is None and not is_needed:
            self._watermark, self._unheard = NEVER, set()
        if self._named_since is not None:
            self._named_since = max(self._named_since, look.resumed)
        if self.doubt is not None and self.doubt.since < look.resumed:
            self.doubt = replace(self.doubt, since=look.resumed, is_over=False)
        return self._is_over(look)

    def _is_over(self, look: Look) -> bool:
        """Whether all who are waited for have reported, or had their time; see Doubt.at()."""
        if self.doubt is not None and look.settled:
            self.doubt = self.doubt.at(look, self._digest)
        return self.doubt is not None and self.doubt.is_over

    def _weigh(self, intent: Intent, word: Word, look: Look) -> Telling | None:
        """Compare what the evidence says with what stands."""
        stands = self._stands(word)
        if stands is not None and word.says_as(stands):
            self._agrees, self._differs_since = True, None
            self._end_asking(look, word, is_told=True)
            self._end_doubt()
            return None
        if is_better(word, self.standing, intent) and self._accuses_unheard(look):
            # Their silence acquits nobody, or not before they had their time.
            return self._detail(word, look)
        if is_better(word, self.standing, intent):
            if self._was_silent and (self.doubt is None or not self.doubt.answered):
                return self._recover(intent, word, look)
            is_outdated = self._was_silent and word.state is not State.ACTIVE and not look.time_runs
            is_told = not self._awaits_others(look) and not is_outdated
            self._end_asking(look, word, is_told=is_told)
            return Telling(word) if is_told else None
        if word.state is State.DHCP_FAILED and is_worse(word, stands) and not word.is_forgotten:
            # As many hosts as could contradict have asked in vain, or had their time.
            return Telling(word) if look.settled else None
        if self._needs_evidence(word, intent):
            return self._doubt(intent, word, look)
        if word.state is State.UNKNOWN:
            self._in_vain_since = None
            self._end_doubt()
        return self._detail(word, look)

    def _needs_evidence(self, word: Word, intent: Intent) -> bool:
        """Whether others may contradict it."""
        stands = self._stands(word)
        is_other = is_worse(word, stands) or names_another(word, stands, intent)
        return is_other and not is_better(word, self.standing, intent)

    def _end_asking(self, look: Look, word: Word, *, is_told: bool) -> None:
        """Nothing is to be confirmed of DHCP where no host asked in vain, or that is told."""
        is_out = word.dhcp_out or word.state is State.DHCP_FAILED
        if (is_out and is_told) or look.in_vain_since(self._digest, self._offers_since, None) is None:
            self._in_vain_since = None

    def _had_its_time(self, look: Look) -> bool:
        """Whether as many hosts as could contradict a missing offer have asked since, or had their time."""
        since = self._in_vain_since
        if since is None:
            return True
        return look.now >= since + look.bound_ms or look.asked_since(self._digest, since) >= look.askers()

    def _says_something(self, word: Word, look: Look) -> bool:
        """Whether it says something at all; Unknown does where nothing stands, once all hosts are known."""
        return word.is_decided or (word.state is State.UNKNOWN and self.standing is None and look.settled)

    def _end_doubt(self) -> None:
        self.doubt = None

    def _word(self, intent: Intent, look: Look, *, since: float) -> Word:
        """Reduce what counts; carriers that were told to be unheard stay so until they report."""
        standing = self.standing
        is_out = standing is not None and (standing.dhcp_out or standing.state is State.DHCP_FAILED)
        before = self._in_vain_since
        asked_at = None if is_out else look.in_vain_since(self._digest, self._offers_since, before)
        if asked_at is None:
            # An offer has refuted it.
            self._in_vain_since = None
        is_late = asked_at is not None and look.now >= asked_at + look.bound_ms
        word = look.word(intent, since=since, offers_since=self._offers_since, is_out=is_out, is_late=is_late)
        if word.state is not State.UNKNOWN and look.heard(self._digest, since=since):
            self._in_vain_since = asked_at
            if look.settled and asked_at is not None and (word.dhcp_out or word.state is State.DHCP_FAILED):
                # It is confirmed, be it told or not: older offers count no more.
                self._offers_since = max(self._offers_since, asked_at)
        if not word.is_decided:
            return word
        word = self._forget(word, look)
        knows_dhcp = word.servers or word.dhcp_out or word.state is State.DHCP_FAILED
        if standing is not None and intent.mode == "auto" and not knows_dhcp:
            # Nothing was learned of DHCP, or not enough yet.
            word = replace(
                word,
                servers=standing.servers,
                dhcp_out=standing.dhcp_out,
                gateway=standing.gateway,
                cidr=standing.cidr,
            )
        checked = word.gateway or intent.gateway or intent.known_gateway or (standing and standing.checked)
        word = replace(word, checked="" if word.state is State.DHCP_FAILED else str(checked or ""))
        word = replace(word, mac=self._who_answers(word, look, since=since))
        return _naming(word, self._unheard & set(look.carriers)) if since == self._watermark else word

    def _who_answers(self, word: Word, look: Look, *, since: float) -> str:
        """Return by which MAC address the checked gateway answers: another one once every host says so."""
        told = self._answers[2] if self._answers[:2] == (self._digest, word.checked) else ""
        found = look.answerers(self._digest, word.checked, since=since)
        return next(iter(found)) if len(found) == 1 else told

    def _forget(self, word: Word, look: Look) -> Word:
        """Forget a gateway that for an hour DHCP has not named and no host has reached on the VLAN."""
        if word.state in ON_VLAN or (word.gateway and not word.dhcp_out):
            self._unconfirmed_since = None
        elif word.dhcp_out and self._unconfirmed_since is None:
            self._unconfirmed_since = look.now
        since = self._unconfirmed_since
        is_silent = word.dhcp_out and word.state in (State.UNREACHABLE, State.OFF_VLAN)
        if since is None or not is_silent or look.now - since < KEPT_FRESHNESS * look.fresh_ms:
            return word
        forgotten = Word(
            State.DHCP_FAILED, Reason.NO_DHCP_OFFER, hosts=word.hosts, servers=word.servers,
            is_forgotten=True, in_vain=word.in_vain, all_in_vain=word.all_in_vain,
            needs_address=word.needs_address,
        )  # fmt: skip
        return failed(forgotten)

    def _awaits_others(self, look: Look) -> bool:
        """After a silent gateway has answered one host, the others have a moment to say so too."""
        is_asking = self.doubt is not None and self.doubt.answered and not self._is_over(look)
        return is_asking and self.doubt is not None and look.now < self.doubt.since + ANSWER_MS

    def _recover(self, intent: Intent, word: Word, look: Look) -> Telling | None:
        """Begin to wait for the others: what was found before the first answer is outdated."""
        self.doubt = Doubt(self._newest_at(look.latest, look), look.crowded, answered=True)
        self._watermark = look.first_answer(self._digest, word.checked, since=self._watermark)
        return self._consider(intent, look)

    @property
    def _was_silent(self) -> bool:
        return self.standing is not None and self.standing.state in (State.UNREACHABLE, State.OFF_VLAN)

    def _newest_at(self, arrivals: Mapping[str, Arrival], look: Look) -> float:
        """Return when the newest report that counts arrived; now, if it was not what made the difference."""
        counting = look.heard(self._digest, since=self._watermark) & arrivals.keys()
        newest = max((arrivals[host].at for host in counting), default=NEVER)
        is_news = self._looked_at is not None and newest >= self._looked_at and newest >= look.now - LATE_MS
        return max(round(newest) if is_news else look.now, look.resumed)

    def _hold(self, word: Word, look: Look) -> Telling | None:
        """A word that says less than what stands is held back for a while."""
        if self.standing is None:
            return None
        if self._undecided_since is None:
            if not look.settled:
                # The hosts that can tell may not be known yet.
                return None
            self._undecided_since = look.now
        held_ms = TTL_MS if word.state is State.UNKNOWN else look.fresh_ms
        if word.reason is Reason.NO_HOST:
            held_ms = 0
        awaited = set(look.carriers) - self._unheard
        if word.reason is Reason.CANNOT_PROBE and awaited - look.heard(self._digest, since=self._watermark):
            # Whoever has not reported has the time of any host.
            held_ms = look.bound_ms
        if not look.settled or look.now - self._undecided_since < held_ms:
            return None
        reason = Reason.NO_FRESH_VERDICT if word.reason is Reason.NOT_PROBED_YET else word.reason
        return Telling(
            replace(word, state=State.UNKNOWN, reason=reason), ends_asking=self._had_its_time(look)
        )

    def _accuses_unheard(self, look: Look) -> bool:
        """Whether what stands accuses a host of which nothing counts now."""
        hosts = {} if self.standing is None else self.standing.hosts
        accused = {host for host, why in hosts.items() if why not in ACCUSE_NOBODY}
        if look.settled:
            accused &= set(look.carriers)
        return not accused <= look.could_tell(self._digest, since=self._watermark)

    def _stands(self, word: Word) -> Word | None:
        """Return what this word is compared with: an Unknown with an Unknown, too."""
        told = self.told
        if told is None or told.digest != self._digest:
            return None
        is_same = word.state is told.state is State.UNKNOWN
        return told if is_same else self.standing

    def _doubt(self, intent: Intent, word: Word, look: Look) -> Telling | None:
        if word.gateway and intent.known_gateway is None:
            return self._doubt_gateway(word, look)
        if self.doubt is None or self.doubt.answered:
            self.doubt = Doubt(self._newest_at(look.latest, look), look.crowded)
            if self._is_over(look):
                return self._consider(intent, look)
        if not look.settled or not self._is_over(look):
            return None
        if word.is_decided and not self.doubt.is_crowded:
            word = _naming(word, set(look.carriers) - look.reported(self._digest, since=self._watermark))
        return Telling(word, ends_asking=word.state is State.UNKNOWN and self._had_its_time(look))

    def _doubt_gateway(self, word: Word, look: Look) -> Telling | None:
        """Of a gateway that only DHCP names, others can say something only by asking DHCP."""
        if self._named_since is None:
            self._named_since = self._newest_at(look.asked, look)
        asked = look.asked_since(self._digest, self._named_since)
        is_over = look.now >= self._named_since + look.bound_ms or asked >= look.askers()
        return Telling(word) if look.settled and is_over else None

    def _detail(self, word: Word, look: Look) -> Telling | None:
        self._differs_since = look.now if self._differs_since is None else self._differs_since
        if self._is_over(look):
            self._end_doubt()
        if self.doubt is not None or not look.settled:
            return None
        is_complete = look.heard(self._digest, since=self._watermark) >= set(look.carriers)
        asked_at = self._in_vain_since if word.dhcp_out else None
        is_late = look.now >= min(self._differs_since, asked_at or look.now) + look.bound_ms
        return Telling(word) if (is_complete and not self._accuses_unheard(look)) or is_late else None


def _naming(word: Word, unheard: Collection[str]) -> Word:
    return replace(word, hosts={**word.hosts, **dict.fromkeys(sorted(unheard), NOT_HEARD)})
