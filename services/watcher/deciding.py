"""The deciding loop: it takes what happened and sends what is due."""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from services.contract.conclusions import ConclusionRecord
from services.contract.messages import HostAnnouncement, Segment, segment_of
from services.network.parse.nad import Network
from services.network.write.supposing import as_if_written
from services.runtime.connection.outages import Outage
from services.runtime.process.clock import Clock
from services.runtime.process.outside_log import tell
from services.watcher.change_log import SendSummary, log_doubts, log_due
from services.watcher.dispatch import Dispatcher, Paused
from services.watcher.hosts import PollResult
from services.watcher.mailbox import Mail, Mailbox
from services.watcher.metrics import WatcherMetrics
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.schedule import Schedule
from services.watcher.plan.triggers import Trigger
from services.watcher.requests import NotSent

LONGEST_WAIT_S = 1.0
RESEND_BASE_S = 0.25
RESEND_CAP_S = 5.0

log = structlog.get_logger(__name__)


class Decider:
    """Feeds the schedule and sends what it makes due. Runs in one thread."""

    def __init__(
        self,
        schedule: Schedule,
        mailbox: Mailbox,
        dispatcher: Dispatcher,
        *,
        is_leader: Callable[[], bool],
        clock: Clock,
        random: Callable[[], float],
        metrics: WatcherMetrics,
    ) -> None:
        self.iterated_at = clock.monotonic()
        """When the loop iterated last (monotonic seconds)."""
        self.waiting_since: float | None = None
        """Since when something has been due, and nothing was sent (monotonic seconds); None if nothing is."""
        self.segments: tuple[Segment, ...] = ()
        """The segments whose routers matter to the plan."""
        self._metrics = metrics
        self._summary = SendSummary()
        self._schedule = schedule
        self._mailbox = mailbox
        self._dispatcher = dispatcher
        self._is_leader = is_leader
        self._clock = clock
        self._random = random
        self._networks: dict[str, Network] = {}
        """The networks as they are; the schedule has them as they would be, if all could be written."""
        self._unwritten: Mapping[str, ConclusionRecord] = {}
        self._sends = False
        self._paused = False
        self._incarnations: dict[str, int] = {}
        self._refusals = 0
        self._outage = Outage(log, "nothing sent", over="requests are sent again")
        self._resend_at = float("-inf")

    def problem(self) -> str | None:
        """Return why what was due could not be sent; None if it could."""
        return self._outage.problem()

    def run(self, stop: threading.Event) -> None:
        """Loop until stop is set. Whoever sets it should wake the mailbox."""
        while not stop.is_set():
            self.step()

    def step(self) -> None:
        """Wait until something happens or is due, and act on it: one iteration."""
        now = self.iterated_at = self._clock.monotonic()
        wait_s = min(LONGEST_WAIT_S, max(self._schedule.next_due(), self._resend_at) - now)
        mail = self._mailbox.take(max(0.0, wait_s))
        self._take(mail)
        now = self._clock.monotonic()
        leads = self._is_leader()
        sends = leads and not self._paused
        if sends and not self._sends:
            self._schedule.make_all_due(now)
        self._sends = sends
        if sends:
            log_doubts(self._schedule.doubt(mail.doubts, now))
        if sends and mail.poll is not None:
            self._dispatcher.mark_sending(self._schedule.intervals(now), self._schedule.crowds.doubt_pace)
        lag_s = now - self._schedule.next_due()
        self._metrics.iterated(
            self._schedule.size, postponed=self._schedule.postponed, lag_s=lag_s, paused=self._paused
        )
        self._summary.flush(now)
        if not sends or (lag_s < 0 and not self._refusals):
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = now
        if now < self._resend_at:
            return
        due = self._schedule.due(now)
        # On standby or while paused the schedule runs on as the leader's does, but nothing is sent.
        if due and sends:
            self._send(due)

    def _take(self, mail: Mail) -> None:
        now = self._clock.monotonic()
        due = []
        for uid, network in {**self._reread(mail), **mail.networks}.items():
            if network is None:
                gone = self._schedule.delete(uid, now)
                self._networks.pop(uid, None)
                tell(log, "network gone", level="info", network=str(gone.ref) if gone else "", uid=uid)
                continue
            self._networks[uid] = network
            record = self._unwritten.get(uid)
            trigger = self._schedule.upsert(as_if_written(network, record) if record else network, now)
            if trigger is not Trigger.NOTHING:
                due.append((network.ref, trigger))
        log_due(due)
        if mail.routers:
            self._schedule.take_routers(mail.routers)
        if mail.poll is not None:
            self._take_poll(mail.poll, now)

    def _reread(self, mail: Mail) -> dict[str, Network | None]:
        """Return the networks whose record of what is not written has changed."""
        if mail.unwritten is None:
            return {}
        before, self._unwritten = self._unwritten, mail.unwritten
        uids = before.keys() | self._unwritten.keys()
        changed = [uid for uid in uids if before.get(uid) != self._unwritten.get(uid)]
        return {uid: self._networks[uid] for uid in changed if uid in self._networks}

    def _take_poll(self, poll: PollResult, now: float) -> None:
        if poll.paused != self._paused:
            log.info("paused by an operator" if poll.paused else "resumed")
        self._paused = poll.paused
        for said in poll.by_hand:
            for vlan, frames in said.frames:
                self._schedule.lanes.sent_by_hand(segment_of(said.cluster_network, vlan), frames, now)
        self.segments = self._schedule.shared_segments()
        self._take_hosts(poll.hosts, now)
        if poll.lost:
            log.warning("Redis lost its data; probing everything again")
            self._dispatcher.forget_all()
            self._schedule.make_all_due(now)

    def _take_hosts(self, hosts: Sequence[HostAnnouncement], now: float) -> None:
        incarnations = {announced.host: announced.incarnation for announced in hosts}
        for host in incarnations.keys() | self._incarnations.keys():
            before, after = self._incarnations.get(host), incarnations.get(host)
            if before == after:
                continue
            self._dispatcher.forget_host(host)
            what = "announced" if before is None else "gone" if after is None else "restarted"
            tell(log, f"host {what}", level="info", host=host, incarnation=after)
        self._incarnations = incarnations
        self._schedule.set_hosts(hosts, now)

    def _send(self, due: Sequence[HostProbe]) -> None:
        try:
            dispatched = self._dispatcher.dispatch(due)
        except Paused:
            # Seen before the next poll; everything becomes due when the pause is over.
            log.info("paused by an operator")
            self._paused, self._sends = True, False
            return
        except NotSent as error:
            self._refusals += 1
            cap_s = min(RESEND_CAP_S, RESEND_BASE_S * 2.0 ** min(self._refusals, 10))
            self._resend_at = self._clock.monotonic() + cap_s * self._random()
            self._schedule.put_back(due, self._resend_at)
            self._metrics.not_sent()
            self._outage.failed(error, probes=len(due))
            return
        self._outage.succeeded()
        self._schedule.answered(dispatched.answered, self._clock.monotonic())
        self.waiting_since = None
        if self._refusals:
            self._refusals = 0
            self._schedule.spread_overdue(self._clock.monotonic())
        self._metrics.sent(dispatched.requests, covered=dispatched.covered)
        self._summary.add(dispatched.requests)
        self._summary.flush(self._clock.monotonic())
        if dispatched.covered:
            log.debug("probes already outstanding", probes=dispatched.covered)
