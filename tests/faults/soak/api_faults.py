"""Faults of the API server, and edits by owners."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.harvester import HarvesterUi, StoreNetworks
from lab.kube import Match
from lab.kube.errors import ApiError
from lab.kube.faults import Fault as ApiFault
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from services.network.parse import nad
from tests.faults.soak.faulting import Fault, Kinds, nothing
from tests.faults.soak.layout import AUTO, NETWORKS, Owned, manual_route
from tests.support.updater_site import NAMESPACE

EDITS_AN_HOUR = 3
"""To one network: a fifth correction within an hour is told, not made."""
HOUR_S = 3_600.0
AUTO_ROUTE = '{"mode":"auto"}'
NAD_WRITES = Match(verb="patch", resource=NADS.plural)
PERSON = Actor(user="person", agent="browser")
SLOW_S = 2.0


class ApiFaults(Kinds):
    """Faults of the API server."""

    def api(self) -> Fault:
        """The API server is away or frozen, or answers writes with errors, late or not at all."""
        faults = self.world.server.faults
        scripts: dict[str, Callable[[], ApiFault]] = {
            "is busy (429)": lambda: faults.respond(429, match=NAD_WRITES, count=None, retry_after=1),
            "refuses writes (500)": lambda: faults.respond(500, match=NAD_WRITES, count=None),
            "loses its answers to writes": lambda: faults.drop_response(match=NAD_WRITES, count=None),
            "cannot reach its webhook": lambda: faults.webhook_down(match=NAD_WRITES, count=None),
            "is slow to write": lambda: faults.delay(SLOW_S, match=NAD_WRITES, count=None),
        }
        kind = self.chance.choice(("away", "frozen", "watches", *scripts))
        match kind:
            case "away":
                return self.central("the API server is away", "api", self._go, self._come)
            case "frozen":
                return self.central("the API server is frozen", "api", self._freeze, self._thaw)
            case "watches":
                label = "the API server cuts all watches"
                return Fault(label, frozenset({"api"}), faults.cut_watches, nothing, 0.0)
        return self._scripted(f"the API server {kind}", scripts[kind])

    def _scripted(self, label: str, script: Callable[[], ApiFault]) -> Fault:
        made: list[ApiFault] = []

        def heal() -> None:
            for each in made:
                each.cancel()

        return Fault(label, frozenset({"api"}), lambda: made.append(script()), heal, self.seconds())

    def _go(self) -> None:
        self.world.is_api_away = True
        self.world.server.stop()

    def _come(self) -> None:
        self.world.server.start()
        self.world.is_api_away = False

    def _freeze(self) -> None:
        self.world.is_api_away = True
        self.world.server.faults.freeze()

    def _thaw(self) -> None:
        self.world.server.faults.thaw()
        self.world.is_api_away = False


@dataclass
class Edits(Kinds):
    """Edits by owners, a few to each network in an hour."""

    made: dict[str, list[float]] = field(default_factory=dict)

    def edit(self) -> Fault | None:
        """Return an edit; None where this network has been edited often enough."""
        owned = self.chance.choice(NETWORKS)
        kinds = {
            "its route is made manual": self._write_route(owned, manual_route(owned.vlan)),
            "its gateway is made a wrong one": self._write_route(owned, manual_route(owned.vlan, host=77)),
            "the form is saved": self._save_form(owned),
            "it is deleted and created again": self._create_again(owned),
            "a note is added": self._annotate(owned, "example.com/note", str(self.chance.random())),
        }
        if owned.vlan in AUTO:
            kinds["its route is made a bare auto"] = self._write_route(owned, AUTO_ROUTE)
        kind = self.chance.choice(list(kinds))
        is_taken_back = "is made" in kind and "bare" not in kind
        if not self._may_edit(owned, 2 if is_taken_back else 1):
            return None
        back = self._write_route(owned, AUTO_ROUTE if owned.mode == "auto" else manual_route(owned.vlan))
        return Fault(
            f"{owned.name}: {kind}",
            frozenset({f"edit {owned.name}"}),
            kinds[kind],
            back if is_taken_back else nothing,
            self.seconds() if is_taken_back else 0.0,
        )

    def _may_edit(self, owned: Owned, times: int) -> bool:
        now = time.monotonic()
        recent = [at for at in self.made.get(owned.name, ()) if at > now - HOUR_S]
        if len(recent) + times > EDITS_AN_HOUR:
            return False
        self.made[owned.name] = recent + [now] * times
        return True

    def _write_route(self, owned: Owned, route: str) -> Callable[[], None]:
        return self._annotate(owned, nad.ROUTE, route)

    def _annotate(self, owned: Owned, key: str, value: str) -> Callable[[], None]:
        rival = self.world.server.rival(NAMESPACE, owned.name)
        return _unless_refused(lambda: rival.annotate(key, value))

    def _save_form(self, owned: Owned) -> Callable[[], None]:
        form = HarvesterUi(StoreNetworks(self.world.server.store, actor=PERSON))
        return _unless_refused(lambda: form.save((NAMESPACE, owned.name)))

    def _create_again(self, owned: Owned) -> Callable[[], None]:
        store = self.world.server.store

        def again() -> None:
            store.delete(NADS, NAMESPACE, owned.name)
            store.create(NADS, NAMESPACE, owned.body())

        return _unless_refused(again)


def _unless_refused(action: Callable[[], object]) -> Callable[[], None]:
    """Return the action; Harvester's webhook may refuse it."""

    def edit() -> None:
        with contextlib.suppress(ApiError):
            action()

    return edit
