"""What this process knows of its networks, while Redis loses all of it."""

import pytest
import redis

from services.contract.conclusions import NO_RESULT, ConclusionRecord
from services.network.parse import nad
from services.network.reasons.events import LIMIT_REASON
from services.network.write.disputes import MAX_CORRECTIONS
from services.updater.memory.kept_memories import CHECK_CALLS, KeptMemories, _are_equal
from services.updater.memory.memories import CORRECTIONS_COUNT_S
from tests.reference.site import Site
from tests.support.manual_clock import ManualClock
from tests.unit.updater.fakes import FakeMemories

LONG_S = 40


@pytest.fixture
def site() -> Site:
    """A manual network that is Active."""
    site = Site(1, ((100, "manual"),))
    site.wait(LONG_S)
    report(site)
    assert connectivity(site) == "true"
    return site


def report(site: Site) -> None:
    """Have the host report, and the updater look."""
    site.probe("node1", 100, False, "good", "now")
    site.look()


def connectivity(site: Site) -> str:
    return site.network_at(0).route.connectivity


def take_back(site: Site) -> str:
    """Write "false" just after Redis lost everything; return what stands when the host has reported."""
    site.fault("flush")
    site.edit(0, "false")
    site.wait(1)
    report(site)
    return connectivity(site)


def test_corrections_count_although_redis_is_emptied_before_each(site: Site) -> None:
    """A fifth within the hour is told once and not answered; when the first is an hour ago, one is again."""
    assert [take_back(site) for _ in range(MAX_CORRECTIONS + 2)] == ["true"] * MAX_CORRECTIONS + ["false"] * 2
    assert [reason for _, reason, _ in site.cluster.events].count(LIMIT_REASON) == 1
    site.wait(round(CORRECTIONS_COUNT_S))
    report(site)
    assert connectivity(site) == "true"


def test_what_stood_at_the_start_is_known_as_written(site: Site) -> None:
    """A process that never wrote it counts the first time that it is taken back, too."""
    site.start()
    site.wait(LONG_S)
    report(site)
    assert [take_back(site) for _ in range(MAX_CORRECTIONS + 1)] == ["true"] * MAX_CORRECTIONS + ["false"]


def test_what_cannot_be_written_is_told_once_although_redis_is_emptied(site: Site) -> None:
    """A broken annotation is told by an Event alone, which nothing but the record remembers."""
    broken = site.cluster.edit(site.refs[0], **{nad.ROUTE: '{"connectivity":true}'})
    site.updater.upserted(broken)
    for _ in range(3):
        site.look()
        site.fault("flush")
        site.wait(LONG_S)
    assert [reason for _, reason, _ in site.cluster.events].count("Invalid") == 1


def test_what_redis_lost_is_stored_again_unless_the_network_is_gone(site: Site) -> None:
    """A restart then finds the record; of a network that is gone, nothing comes back."""
    memories, clock = FakeMemories(), ManualClock()
    uid = site.network_at(0).uid
    record = site.memories.conclusions([uid])[uid]
    kept = KeptMemories(memories, clock)
    kept.conclude([record])
    memories.records.clear()
    assert kept.conclusions([uid, "other"]) == {uid: record}
    kept.reload([uid, "other"])
    assert kept.conclusions([uid, "other"]) == {uid: record} == memories.records
    kept.remember_written(uid, "c", "d", NO_RESULT, is_correction=True)
    memories.records.clear()
    memories.contents.clear()
    kept.reload([uid, "other"])
    assert memories.contents == {uid: "c"}
    kept.forget([uid])
    assert kept.conclusions([uid]) == {}
    memories.corrected.clear()
    memories.contents.clear()
    assert kept.written([uid]) == memories.written([uid])


def test_a_forged_record_is_replaced_within_half_a_minute(site: Site) -> None:
    """R20: it is neither believed nor shown for long; one that is as it should be is not written again."""
    uid = site.network_at(0).uid
    own = site.memories.conclusions([uid])[uid]
    forged = own.model_copy(update={"status": {**own.status, "state": "Unreachable"}})
    site.memories.conclude([forged])
    # As Redis has it, it is the same.
    assert _are_equal(own, ConclusionRecord.from_wire(own.to_wire()))
    for _ in range(CHECK_CALLS + 1):
        site.wait(1)
        site.look()
    assert site.memories.conclusions([uid])[uid] == own
    assert connectivity(site) == "true"
    kept_as = site.memories.conclusions([uid])[uid]
    for _ in range(CHECK_CALLS + 1):
        site.wait(1)
        site.look()
    assert site.memories.conclusions([uid])[uid] is kept_as


def test_what_was_written_is_known_before_redis_has_it() -> None:
    """The newest content counts, Redis has it with the next store_written(), or later if that fails."""
    memories, uids = FakeMemories(), ["uid-1", "uid-2"]
    kept = KeptMemories(memories, ManualClock())
    memories.contents = {"uid-1": "old"}
    for uid in uids:
        kept.remember_written(uid, "new", "d", NO_RESULT, is_correction=False)
    assert [written.content for written in kept.written(uids).values()] == ["new", "new"]
    memories.failure = redis.ConnectionError("away")
    with pytest.raises(redis.RedisError):
        kept.store_written()
    assert memories.contents == {"uid-1": "old"}
    memories.failure = None
    kept.store_written()
    assert memories.contents == {"uid-1": "new", "uid-2": "new"}


def test_a_replica_that_lacks_the_last_write_takes_nothing_back(site: Site) -> None:
    """R3: what this process wrote counts, not what it had written before; Redis has it again."""
    memories, uid = FakeMemories(), site.network_at(0).uid
    kept = KeptMemories(memories, ManualClock())
    now = site.memories.conclusions([uid])[uid]
    before = now.model_copy(update={"status": {**now.status, "state": "Unreachable"}})
    kept.conclude([now])
    kept.remember_written(uid, "new", "d", NO_RESULT, is_correction=False)
    kept.store_written()
    memories.records, memories.contents = {uid: before}, {uid: "before"}
    assert kept.written([uid])[uid].content == "new"
    kept.reload([uid])
    assert (memories.records, memories.contents) == ({uid: now}, {uid: "new"})


def test_what_was_written_is_stored_once_in_a_while() -> None:
    """A storm of writes is not as many round trips; a single write does not wait."""
    memories, clock = FakeMemories(), ManualClock()
    kept = KeptMemories(memories, clock)

    def write(uid: str) -> dict[str, str]:
        kept.remember_written(uid, "c", "d", NO_RESULT, is_correction=False)
        kept.store_written(every_s=0.5)
        return memories.contents

    kept.store_written(every_s=0.5)
    assert write("uid-1").keys() == {"uid-1"}
    assert write("uid-2").keys() == {"uid-1"}
    clock.seconds += 0.5
    assert write("uid-3").keys() == {"uid-1", "uid-2", "uid-3"}


def test_a_correction_is_in_redis_at_once() -> None:
    """A restart must not forget it: with too few counted, two writers would fight on."""
    memories = FakeMemories()
    kept = KeptMemories(memories, ManualClock())
    kept.remember_written("uid-1", "c", "d", NO_RESULT, is_correction=True)
    assert (memories.contents, memories.corrected) == ({"uid-1": "c"}, {"uid-1": 1})


def test_what_was_written_to_a_network_that_is_gone_is_not_stored() -> None:
    """Nothing would ever delete it."""
    memories = FakeMemories()
    kept = KeptMemories(memories, ManualClock())
    kept.remember_written("uid-1", "c", "d", NO_RESULT, is_correction=False)
    kept.forget(["uid-1"])
    kept.store_written()
    assert memories.contents == {}
