"""Faults of the API server."""

import contextlib
from collections.abc import Callable

from lab.kube import Match
from lab.kube.faults import Fault as ApiFault
from lab.kube.resources import NADS
from tests.faults.soak.faulting import Fault, Kinds
from tests.faults.soak.layout import NETWORKS
from tests.support.updater_site import NAMESPACE

NAD_WRITES = Match(verb="patch", resource=NADS.plural)
SLOW_S = 2.0
FROZEN_WEBHOOK_S = 20.0
CONFLICTS_PER_S = 50.0


class ApiFaults(Kinds):
    """See the module."""

    def api(self) -> Fault:
        """The API server is away or frozen, or answers writes with errors, late or not at all."""
        faults = self.world.server.faults
        kinds: tuple[Callable[[], Fault], ...] = (
            self.restart,
            self.half_open,
            lambda: self.at_once("the API server cuts all watches", "api", faults.cut_watches),
            self.busy,
            self.failing,
            self.lost_answers,
            self.webhook_down,
            self.slow,
        )
        return self.chance.choice(kinds)()

    def restart(self) -> Fault:
        """It is away, and comes back without its history (K1)."""
        server = self.world.server

        def come() -> None:
            server.store.compact()
            server.start()

        return self.central("the API server is away", "api", server.stop, come)

    def compacted(self) -> Fault:
        """Its history is gone: 410 in the stream, or as the answer to the next watch (K2)."""
        faults = self.world.server.faults
        style = self.chance.choice(("event", "status"))

        def begin() -> None:
            faults.gone_style = "event" if style == "event" else "status"
            faults.compact()
            faults.cut_watches()

        return self.at_once(f"the API server compacts, and says 410 by {style}", "api", begin)

    def half_open(self) -> Fault:
        """It takes connections and requests, and answers nothing (K3)."""
        faults = self.world.server.faults
        return self.central("the API server is frozen", "api", faults.freeze, faults.thaw)

    def token(self) -> Fault:
        """The token changes, and for a time none is right (K4)."""
        server = self.world.server

        def refuse() -> ApiFault:
            server.tokens.rotate()
            return server.faults.respond(401, count=None)

        return self._scripted_central("the API server knows no token", refuse)

    def busy(self) -> Fault:
        """It answers writes with 429 (K5)."""
        faults = self.world.server.faults
        return self._scripted(
            "the API server is busy (429)",
            lambda: faults.respond(429, match=NAD_WRITES, count=None, retry_after=1),
        )

    def busy_for_all(self) -> Fault:
        """It answers everything with 429 (K5)."""
        faults = self.world.server.faults
        return self._scripted_central(
            "the API server is busy for all (429)", lambda: faults.respond(429, count=None, retry_after=2)
        )

    def failing(self) -> Fault:
        """It answers writes with 500 (K6)."""
        faults = self.world.server.faults
        return self._scripted(
            "the API server refuses writes (500)",
            lambda: faults.respond(500, match=NAD_WRITES, count=None),
        )

    def lost_answers(self) -> Fault:
        """It commits writes and breaks the connection (K6)."""
        faults = self.world.server.faults
        return self._scripted(
            "the API server loses its answers to writes",
            lambda: faults.drop_response(match=NAD_WRITES, count=None),
        )

    def slow(self) -> Fault:
        """It takes two seconds for a write."""
        faults = self.world.server.faults
        return self._scripted(
            "the API server is slow to write", lambda: faults.delay(SLOW_S, match=NAD_WRITES, count=None)
        )

    def conflicts(self) -> Fault:
        """Another writer writes to one network all the time (K7)."""
        rival = self.world.server.rival(NAMESPACE, self.chance.choice(NETWORKS).name)
        standing = contextlib.ExitStack()
        return Fault(
            f"{rival.name} is written {CONFLICTS_PER_S:g} times a second",
            frozenset({"api"}),
            lambda: standing.enter_context(rival.storm(per_second=CONFLICTS_PER_S)),
            standing.close,
            self.seconds(),
        )

    def denied(self) -> Fault:
        """Its webhook denies all writes to networks (K8)."""
        faults = self.world.server.faults
        return self._scripted(
            "the webhook denies all writes", lambda: faults.deny(match=NAD_WRITES, count=None)
        )

    def webhook_down(self) -> Fault:
        """Its webhook cannot be reached (K8)."""
        faults = self.world.server.faults
        return self._scripted(
            "the API server cannot reach its webhook",
            lambda: faults.webhook_down(match=NAD_WRITES, count=None),
        )

    def webhook_frozen(self) -> Fault:
        """Its webhook takes each write and does not answer (K8)."""
        faults = self.world.server.faults
        return self._scripted(
            "the webhook is frozen",
            lambda: faults.webhook_down(match=NAD_WRITES, count=None, delay=FROZEN_WEBHOOK_S),
        )

    def stale(self) -> Fault:
        """The next lists are those of a replica that lags (K12)."""
        faults = self.world.server.faults

        def script() -> ApiFault:
            made = faults.stale_reads(count=None)
            faults.cut_watches()
            return made

        return self._scripted("the API server lists what was before", script)

    def _scripted(self, label: str, script: Callable[[], ApiFault]) -> Fault:
        made: list[ApiFault] = []

        def heal() -> None:
            for each in made:
                each.cancel()

        return Fault(label, frozenset({"api"}), lambda: made.append(script()), heal, self.seconds())

    def _scripted_central(self, label: str, script: Callable[[], ApiFault]) -> Fault:
        scripted = self._scripted(label, script)
        return self.central(label, "api", scripted.begin, scripted.heal)
