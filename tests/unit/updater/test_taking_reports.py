"""A report that a round overtakes, between Redis and the memory, counts as news in the next round."""

from collections.abc import Collection
from typing import Any

import pytest

from services.contract.messages import Verdict
from tests.reference.site import Site
from tests.unit.updater.fakes import FakeDoubtLog


def test_a_host_that_was_stored_while_a_round_ran_is_named_as_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doubt that its report opens asks the other host alone."""
    log = FakeDoubtLog()
    monkeypatch.setattr("tests.reference.site.FakeDoubtLog", lambda: log)
    site = Site(2, ((100, "manual"),))
    for host in ("node1", "node2"):
        site.probe(host, 100, host == "node1", "good", "now")
        look(site)
    site.truth(100, "vlan node2")
    store = site.verdicts.put

    def overtaken(verdicts: Collection[Verdict]) -> Any:
        changed = store(verdicts)
        look(site)
        return changed

    monkeypatch.setattr(site.verdicts, "put", overtaken)
    site.probe("node2", 100, False, "good", "now")
    look(site)
    assert [doubt.heard for doubt in log.published] == [("node2",)]


def look(site: Site) -> None:
    site.wait(1)
    site.look()
