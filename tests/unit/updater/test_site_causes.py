"""The updater's search for causes: only after a change, and whatever fails."""

from collections.abc import Collection, Mapping

import pytest
import redis

from services.contract.causes import CauseRecord, CausesRecord
from services.contract.conclusions import ConclusionRecord
from services.contract.messages import Segment
from services.contract.outcomes import Reason, State
from services.contract.verdicts import SegmentVerdicts
from services.network.judge.evidence import Carriers
from services.network.parse.intent import Intent, NotProbed, read_intent
from services.network.parse.nad import Network
from services.updater import site_causes
from services.updater.site_causes import SiteCauses
from tests.support.manual_clock import ManualClock
from tests.support.seen_networks import DOWN, found, network_with_status, record_of, view
from tests.unit.network.builders import SEGMENT

HOSTS = frozenset({"node1", "node2"})
SILENT = {"node2": Reason.GATEWAY_SILENT_ON_VLAN.value}
PARTIAL = network_with_status(State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS, hosts=SILENT)
ACTIVE = network_with_status(State.ACTIVE, Reason.GATEWAY_ANSWERS)


class Told:
    """One network, as the updater knows it."""

    def __init__(self) -> None:
        self.present: Network | None = PARTIAL
        self.reads = 0

    def networks(self) -> list[Network]:
        return [self.present] if self.present else []

    def network(self, uid: str) -> Network | None:
        return self.present if self.present and self.present.uid == uid else None

    def intent(self, network: Network) -> Intent | NotProbed:
        return read_intent(network)

    def conclusions(self, uids: Collection[str]) -> Mapping[str, ConclusionRecord]:
        self.reads += 1
        status = self.present.status if self.present else None
        return {uid: record_of(self.present, status) for uid in uids if self.present and status}

    def verdicts_on(self, segments: Collection[Segment]) -> Mapping[Segment, SegmentVerdicts]:
        return dict.fromkeys(segments, view(found("node1"), found("node2", DOWN)).verdicts[SEGMENT])


class Hosts:
    """Two hosts that carry everything."""

    def carrying(self, _: str) -> Carriers:
        return Carriers(HOSTS)


class Site:
    """The search, its surroundings, and what it has stored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told, self.clock, self.leads = Told(), ManualClock(), True
        self.stored: list[tuple[CauseRecord, ...]] = []
        self.before = CausesRecord()
        self.is_away = False
        monkeypatch.setattr(site_causes, "read_causes", lambda _: self.before)
        monkeypatch.setattr(site_causes, "store_causes", self._store)
        self.causes = SiteCauses(
            redis.Redis(),
            self.told,
            Hosts(),  # type: ignore[arg-type]
            self.clock,
            fresh_s=lambda _: 60.0,
            leads=lambda: self.leads,
        )

    def _store(self, _: object, causes: CausesRecord) -> None:
        if self.is_away:
            raise redis.ConnectionError("away")
        self.stored.append(causes.causes)

    def look(self, *uids: str) -> list[int]:
        """Touch these networks and look; return the numbers of causes that were stored until now."""
        self.causes.touch(uids)
        self.causes.look()
        return [len(each) for each in self.stored]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


def test_causes_are_found_after_a_change_alone(site: Site) -> None:
    """The same again stores nothing; what is mended or deleted ends the cause."""
    assert site.look(PARTIAL.uid) == [1]
    assert site.look() == [1]
    assert site.look(PARTIAL.uid) == [1]
    reads = site.told.reads
    site.look()
    assert site.told.reads == reads
    site.told.present = ACTIVE
    assert site.look(PARTIAL.uid) == [1, 0]
    site.told.present = PARTIAL
    assert site.look(PARTIAL.uid) == [1, 0, 1]
    site.told.present = None
    assert site.look(PARTIAL.uid) == [1, 0, 1, 0]


def test_they_are_stored_again_before_they_expire(site: Site) -> None:
    """Once an hour."""
    site.look(PARTIAL.uid)
    site.clock.seconds += site_causes.RENEWAL_S
    assert site.look() == [1, 1]


def test_nothing_is_found_before_all_networks_are_known(site: Site) -> None:
    """Or while another updater leads: what is not known yet would look as if it was over."""
    site.leads = False
    assert site.look(PARTIAL.uid) == []
    site.leads = True
    assert site.look() == [1]
    fresh = Site(pytest.MonkeyPatch())
    assert fresh.look() == []
    assert fresh.causes.current() == CausesRecord()


def test_what_redis_did_not_take_is_stored_later(site: Site) -> None:
    """The change is not forgotten."""
    site.is_away = True
    assert site.look(PARTIAL.uid) == []
    site.is_away = False
    assert site.look() == [1]


def test_what_cannot_be_explained_ends_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the search is logged, and the next change is looked at."""
    with monkeypatch.context() as broken:
        broken.setattr(site_causes, "explain_site", lambda _: 1 / 0)
        assert site.look(PARTIAL.uid) == []
    assert site.look() == []
    site.told.present = ACTIVE
    site.look(PARTIAL.uid)
    site.told.present = PARTIAL
    assert site.look(PARTIAL.uid) == [0, 1]
