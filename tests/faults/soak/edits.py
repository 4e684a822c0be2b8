"""Edits by owners: of the route, the config, labels and notes, and of the whole network."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.harvester import HarvesterUi, StoreNetworks
from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject, metadata, section
from lab.kube.objects import Actor
from lab.kube.resources import NADS
from services.network.parse import nad
from tests.faults.soak.faulting import Fault, Kinds, nothing
from tests.faults.soak.layout import AUTO, NETWORKS, Owned, manual_route
from tests.support.updater_site import NAMESPACE

EDITS_AN_HOUR = 3
"""To one network, of those that a correction may follow: a fifth one within an hour is told, not made."""
FREE = ("it is deleted and created again", "a note is added")
"""What no correction follows."""
HOUR_S = 3_600.0
AUTO_ROUTE = '{"mode":"auto"}'
DESCRIPTION = "field.cattle.io/description"
PERSON = Actor(user="person", agent="browser")
BROKEN_ROUTES = (
    "{",
    "[]",
    "5",
    '"manual"',
    "[" * 5_000,
    '{"mode":5}',
    '{"mode":"manual","cidr":[],"gateway":{}}',
    '{"mode":"manual","cidr":"10.0.0.0/99","gateway":"x"}',
    '{"mode":"auto","note":"' + "x" * 100_000 + '"}',
    '{"mode":"\\ud800"}',
)
BROKEN_CONFIGS = ("", "{", "[]", "5", "[" * 5_000, '{"type":"bridge","bridge":"extra-br","vlan":"x"}')


@dataclass
class Edits(Kinds):
    """Edits by owners; those that a correction follows, a few to each network in an hour."""

    made: dict[str, list[float]] = field(default_factory=dict)

    def edit(self) -> Fault | None:
        """Return an edit of what a network asks for; None where it has been edited often enough."""
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
        # A manual route that is written over one is a correction there and back.
        corrections = 0 if kind in FREE else 2 if is_taken_back and owned.mode == "manual" else 1
        if not self._may_edit(owned, corrections):
            return None
        return Fault(
            f"{owned.name}: {kind}",
            frozenset({f"edit {owned.name}"}),
            kinds[kind],
            self._write_own_route(owned) if is_taken_back else nothing,
            self.seconds() if is_taken_back else 0.0,
        )

    def remark(self) -> Fault:
        """Return an edit of what nadroute must leave alone, and has no reason to look at."""
        owned, word = self.chance.choice(NETWORKS), f"word-{self.chance.randrange(1_000)}"
        kinds = {
            "a note is changed": self._annotate(owned, "example.com/note", word),
            "a note is taken away": self._annotate(owned, "example.com/note", None),
            "its description is changed": self._annotate(owned, DESCRIPTION, word),
            "a label is changed": self._label(owned, word),
        }
        kind = self.chance.choice(list(kinds))
        return self.at_once(f"{owned.name}: {kind}", f"remark {owned.name}", kinds[kind])

    def storm(self) -> Fault:
        """Return a thousand edits at once (K13)."""

        def begin() -> None:
            for number in range(1_000):
                self._annotate(NETWORKS[number % len(NETWORKS)], "example.com/storm", str(number))()

        return self.at_once("a thousand notes are changed", "storm", begin)

    def create_several_again(self) -> Fault:
        """Return the deletion of five networks, and their creation under the same names (K9)."""
        chosen = self.chance.sample(NETWORKS, 5)

        def begin() -> None:
            for owned in chosen:
                self._create_again(owned)()

        claims = frozenset(f"edit {owned.name}" for owned in chosen)
        return Fault("five networks are deleted and created again", claims, begin, nothing, 0.0)

    def edit_several(self) -> Fault | None:
        """Return an edit of several routes: manual, with a wrong gateway, and back (K10)."""
        chosen = [owned for owned in self.chance.sample(NETWORKS, 5) if self._may_edit(owned, 2)]

        def begin() -> None:
            for owned in chosen:
                self._write_route(owned, manual_route(owned.vlan, host=77))()

        def heal() -> None:
            for owned in chosen:
                self._write_own_route(owned)()

        claims = frozenset(f"edit {owned.name}" for owned in chosen)
        label = f"{len(chosen)} routes are made manual, with a wrong gateway"
        return Fault(label, claims, begin, heal, self.seconds()) if chosen else None

    def broken(self) -> Fault | None:
        """Return an annotation or a config that cannot be read, past Harvester's webhook (K15)."""
        owned = self.chance.choice(NETWORKS)
        if not self._may_edit(owned, 2):
            return None
        if self.chance.random() < 0.5:
            text = self.chance.choice(BROKEN_ROUTES)
            label, begin = "its route", self._write_route(owned, text)
        else:
            text = self.chance.choice(BROKEN_CONFIGS)
            label, begin = "its config", self._write_config(owned, text)

        def heal() -> None:
            self._write_config(owned, owned.config)()
            self._write_own_route(owned)()

        def unseen(action: Callable[[], None]) -> Callable[[], None]:
            def act() -> None:
                with self.world.admission.bypassed():
                    action()

            return act

        return Fault(
            f"{owned.name}: {label} cannot be read",
            frozenset({f"edit {owned.name}"}),
            unseen(begin),
            unseen(heal),
            self.seconds(),
        )

    def _may_edit(self, owned: Owned, times: int) -> bool:
        now = time.monotonic()
        recent = [at for at in self.made.get(owned.name, ()) if at > now - HOUR_S]
        if len(recent) + times > EDITS_AN_HOUR:
            return False
        self.made[owned.name] = recent + [now] * times
        return True

    def _write_own_route(self, owned: Owned) -> Callable[[], None]:
        return self._write_route(owned, AUTO_ROUTE if owned.mode == "auto" else manual_route(owned.vlan))

    def _write_route(self, owned: Owned, route: str) -> Callable[[], None]:
        return self._annotate(owned, nad.ROUTE, route)

    def _annotate(self, owned: Owned, key: str, value: str | None) -> Callable[[], None]:
        rival = self.world.server.rival(NAMESPACE, owned.name)
        return _unless_refused(lambda: rival.annotate(key, value))

    def _label(self, owned: Owned, word: str) -> Callable[[], None]:
        def edit(body: JsonObject) -> JsonObject:
            own = metadata(body)
            own["labels"] = {**section(own, "labels"), "example.com/label": word}
            return body

        return self._change(owned, edit)

    def _write_config(self, owned: Owned, config: str) -> Callable[[], None]:
        def edit(body: JsonObject) -> JsonObject:
            section(body, "spec")["config"] = config
            return body

        return self._change(owned, edit)

    def _change(self, owned: Owned, edit: Callable[[JsonObject], JsonObject]) -> Callable[[], None]:
        store = self.world.server.store
        return _unless_refused(lambda: store.change(NADS, NAMESPACE, owned.name, edit, actor=PERSON))

    def _save_form(self, owned: Owned) -> Callable[[], None]:
        form = HarvesterUi(StoreNetworks(self.world.server.store, actor=PERSON))
        return _unless_refused(lambda: form.save((NAMESPACE, owned.name)))

    def _create_again(self, owned: Owned) -> Callable[[], None]:
        store = self.world.server.store

        def again() -> None:
            # It is another network: what was corrected before does not count.
            self.made.pop(owned.name, None)
            store.delete(NADS, NAMESPACE, owned.name)
            store.create(NADS, NAMESPACE, owned.body())

        return _unless_refused(again)


def _unless_refused(action: Callable[[], object]) -> Callable[[], None]:
    """Return the action; Harvester's webhook may refuse it."""

    def edit() -> None:
        with contextlib.suppress(ApiError):
            action()

    return edit
