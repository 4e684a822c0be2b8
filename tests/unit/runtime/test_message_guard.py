"""What the guard does with what it refuses."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.contract.envelopes import Refusal
from services.contract.names import REPORT_QUEUE, REPORT_TASK
from services.runtime.queues.message_guard import MessageGuard
from services.runtime.stored import dead_letters
from tests.support.poison import POISON
from tests.unit.contract.test_envelopes import GOOD


def test_each_refusal_is_counted_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its reason: from the queue, from what is unacknowledged, and as a broadcast."""
    recorded: list[dict[str, object]] = []
    monkeypatch.setattr(dead_letters, "record", lambda _, **letter: recorded.append(letter))
    registry = CollectorRegistry()
    nobody: Any = None
    guard = MessageGuard(nobody, queue=REPORT_QUEUE, tasks=frozenset({REPORT_TASK}), registry=registry)
    assert guard.admit(json.dumps(GOOD).encode(), REPORT_QUEUE) is not None
    for _, poison in POISON.values():
        assert guard.admit(poison(GOOD), REPORT_QUEUE) is None
    assert not guard.admits_stored(b"5")
    assert not guard.admits_broadcast(b"5", "/0.celery.pidbox")
    wanted = [refusal for refusal, _ in POISON.values()] + [Refusal.MALFORMED] * 2
    counted = {
        refusal: registry.get_sample_value("nadroute_messages_refused_total", {"reason": refusal.value})
        for refusal in Refusal
    }
    assert counted == {refusal: wanted.count(refusal) for refusal in Refusal}
    assert len(recorded) == len(wanted)
    assert [letter["where"] for letter in recorded[-2:]] == [REPORT_QUEUE, "/0.celery.pidbox"]
