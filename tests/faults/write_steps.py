"""The steps of a write of the updater at which somebody else interferes, on the lab's API server."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from lab.kube import Match
from lab.kube.faults import Fault
from lab.kube.requests import Request
from lab.kube.resources import EVENTS, NADS
from tests.support.updater_site import UpdaterSite, state_of

vlans = itertools.count(300)
"""A VLAN for each test's network."""
_markers = itertools.count(1)


@dataclass(frozen=True)
class Step:
    """A moment of a write: before a request takes effect, or after that, before its response."""

    verb: str
    resource: str
    is_before: bool
    after_conflict: bool = False
    """Whether another writer first makes a patch meet a conflict, so that the write is decided again."""

    def __str__(self) -> str:
        """Return the test's id."""
        when = "before" if self.is_before else "after"
        return f"{when} {self.verb} {self.resource}{' on conflict' if self.after_conflict else ''}"

    def interfere(self, site: UpdaterSite, name: str, action: Callable[[], None]) -> None:
        """Act at this step of a network's next write; the updater's watch sees it before the step ends."""

        def act(_request: Request) -> None:
            action()
            see_everything(site)

        def hook(_request: Request | None = None) -> Fault:
            named = name if self.resource == NADS.plural else None
            match = Match(verb=self.verb, resource=self.resource, name=named)
            return site.server.faults.hook(
                before=act if self.is_before else None, after=None if self.is_before else act, match=match
            )

        if not self.after_conflict:
            hook()
            return

        def conflict(request: Request) -> None:
            site.edit(name, "example.com/other", "writer")
            hook(request)

        patch = Match(verb="patch", resource=NADS.plural, name=name)
        site.server.faults.hook(before=conflict, match=patch)


def _both(verb: str, resource: str, *, after_conflict: bool = False) -> list[Step]:
    return [Step(verb, resource, is_before, after_conflict) for is_before in (True, False)]


STEPS = [
    *_both("patch", NADS.plural),
    *_both("get", NADS.plural, after_conflict=True),
    *_both("patch", NADS.plural, after_conflict=True),
    *_both("create", EVENTS.plural),
]


def see_everything(site: UpdaterSite) -> None:
    """Wait until the updater's watch has seen all changes so far: it has written a later network's status."""
    marker = f"marker-{next(_markers)}"
    site.create(marker, vlan=0)
    site.wait_for(marker, lambda network: state_of(network) == "Ignored")
