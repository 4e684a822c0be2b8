"""Writing while the API server answers 429, beside a bare client that obeys Retry-After in each call."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.loop_site import TOLD_S, Site, open_site, vlans
from bench.processes import RunFailed
from bench.table import Entry, Judged, Section, Unit
from lab.kube.jsontypes import JsonValue
from lab.kube.process import ServerProcess

NETWORKS = 1_000
"""Written in each case."""
_RETRY_AFTER_S = 1
_SPELL_S = 2.0
_SERVED_PER_S = 100
"""Patches, and as many Events: less than the updater and the bare client write where nothing is refused."""
_QUEUED_S = 60.0
_WRITTEN_S = 60.0
_WRITES = (("patch", "network-attachment-definitions"), ("create", "events"))


@dataclass(frozen=True, slots=True)
class Case:
    """How the server refuses patches, and Events as many."""

    name: str
    count: int | None
    """So many; None: all."""
    served_per_s: int | None = None
    """Serve so many a second, and refuse the others in place of a number; None: no such limit."""


CASES = (
    Case("no 429", 0),
    Case("one 429", 1),
    Case(f"{_SERVED_PER_S} writes a second served", None, served_per_s=_SERVED_PER_S),
    Case(f"429 to every write for {_SPELL_S:.0f} s", None),
)


def measure(*, networks: int = NETWORKS) -> Iterator[Entry]:
    """Measure each case on networks of its own, on one site."""
    wanted = vlans(networks * len(CASES))
    row = Section(f"Loop: {networks:,} networks written, {_RETRY_AFTER_S} s asked by a 429")
    with open_site() as site:
        for at, case in enumerate(CASES):
            mine = wanted[at * networks : (at + 1) * networks]
            ours = _ours(site, case, mine, f"case{at}")
            bare = _bare(site, case, [f"case{at}-{vlan}" for vlan in mine])
            yield row(f"{case.name}: writes", Unit.PER_SECOND, ours)
            yield row(f"{case.name}: writes of the bare client", Unit.PER_SECOND, bare)
            yield row(
                f"{case.name}: rate ÷ bare client's rate",
                Unit.TIMES,
                ours / bare,
                limit=0.8,
                at_least=True,
                alone=True,
            )
            told = {name for name in site.client.told_by_event() if name.startswith(f"case{at}-")}
            lost = networks - len(told)
            yield row(f"{case.name}: Events lost", Unit.EVENTS, lost, limit=0.0, judged=Judged.MAX)


def _ours(site: Site, case: Case, mine: Sequence[int], prefix: str) -> float:
    """Have nadroute write these networks; return the writes per second, from the first report on."""
    before, names = len(site.told.at), [f"{prefix}-{vlan}" for vlan in mine]
    site.prober.hold()
    site.client.create(mine, prefix=prefix)
    site.prober.wait_for_requests(mine, seconds=_QUEUED_S)
    with refusing(site.server, case):
        began = time.monotonic()
        site.prober.release()
        # What is not written by then is not measured, and does not hide what is.
        with contextlib.suppress(RunFailed):
            site.told.wait(before + len(mine), seconds=_WRITTEN_S)
        written = [site.told.at[name] - began for name in names if name in site.told.at]
        seconds = max(written) if len(written) == len(names) else _WRITTEN_S
    site.told.wait(before + len(mine), seconds=TOLD_S)
    site.wait_for_events(before + len(mine))
    return len(written) / seconds


def _bare(site: Site, case: Case, names: Sequence[str]) -> float:
    with refusing(site.server, case):
        return len(names) / site.client.tell(names, events=False)


@contextlib.contextmanager
def refusing(server: ServerProcess, case: Case) -> Iterator[None]:
    """Refuse writes as the case says, from now on."""
    over = threading.Event()
    thread = threading.Thread(target=_refuse, args=(server, case, over), name="refusing", daemon=True)
    if case.count != 0:
        _script(server, case)
        thread.start()
    try:
        yield
    finally:
        over.set()
        if case.count != 0:
            thread.join()
        server.clear()


def _refuse(server: ServerProcess, case: Case, over: threading.Event) -> None:
    if case.count is None and case.served_per_s is None and not over.wait(_SPELL_S):
        server.clear()


def _script(server: ServerProcess, case: Case) -> None:
    for verb, resource in _WRITES:
        match: dict[str, JsonValue] = {"verb": verb, "resource": resource}
        if case.served_per_s is not None:
            server.fault("limit", per_second=case.served_per_s, retry_after=_RETRY_AFTER_S, match=match)
            continue
        server.fault("respond", status=429, count=case.count, retry_after=_RETRY_AFTER_S, match=match)
