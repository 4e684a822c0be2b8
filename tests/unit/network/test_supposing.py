"""A network as it would be, if what is concluded of it could be written."""

from dataclasses import replace

import pytest

from services.contract.conclusions import NO_RESULT, Hindrance
from services.contract.open_doubts import NO_DOUBTS
from services.network.judge.reduction import Conclusion
from services.network.parse.intent import read_intent
from services.network.parse.nad import Network
from services.network.write.remembering import Memory
from services.network.write.supposing import as_if_written
from services.network.write.writing import decide
from services.updater.decide.recording import record_of
from tests.unit.network.builders import NOW, network
from tests.unit.network.test_writing import ACTIVE, FAILED, LEASED, OUT, PENDING

OBSERVING = Memory(observe_only=True)


@pytest.mark.parametrize("conclusion", [ACTIVE, OUT, FAILED, PENDING])
@pytest.mark.parametrize(
    "route",
    [
        None,
        '{"mode":"auto"}',
        f'{{"mode":"auto",{LEASED},"outdated":true,"x":1}}',
        f'{{"mode":"manual",{LEASED}}}',
    ],
)
def test_it_is_the_network_that_an_updater_let_loose_would_leave(
    route: str | None, conclusion: Conclusion
) -> None:
    """Both annotations, to the letter."""
    given = network(route)
    change = decide(given, read_intent(given), conclusion, now=NOW, memory=OBSERVING)
    assert change is not None
    record = record_of(given, change, NO_DOUBTS, None)
    expected = replace(given, annotations={**given.annotations, **change.annotations})
    assert as_if_written(given, record) == expected
    written = record.model_copy(update={"unwritten": None})
    assert as_if_written(given, written) == given


def test_what_another_writer_took_back_is_not_supposed() -> None:
    """Its values stand, so hosts have to check those."""
    given = network(f'{{"mode":"auto",{LEASED}}}')
    change = decide(given, read_intent(given), OUT, now=NOW)
    assert change is not None
    left = replace(change, annotations={}, left_for_s=60.0)
    record = record_of(given, left, NO_DOUBTS, None)
    assert record.unwritten is not None
    assert (record.unwritten.why, dict(record.unwritten.route)) == (Hindrance.TAKEN_BACK, change.route)
    assert change.route
    assert as_if_written(given, record) == given


def test_a_forged_record_sets_only_what_nadroute_writes() -> None:
    """Anyone may write Redis. An annotation that cannot be read stays as it is."""
    given = network('{"mode":"auto"}')
    change = decide(given, read_intent(given), ACTIVE, now=NOW, memory=OBSERVING)
    assert change is not None
    record = record_of(given, change, NO_DOUBTS, None)
    assert record.unwritten is not None
    forged = record.unwritten.model_copy(update={"route": {"serverIPAddr": "10.0.0.66", "x": "y"}})
    supposed = as_if_written(given, record.model_copy(update={"unwritten": forged, "result": NO_RESULT}))
    assert supposed.route == given.route
    broken: Network = network("{")
    assert as_if_written(broken, record) == broken
