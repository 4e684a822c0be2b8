"""K8: when a change that admission denied is tried again."""

from dataclasses import replace

import pytest

from services.network.parse.nad import Network, NetworkRef
from services.network.parse.status import Status
from services.network.write.writing import Change
from services.updater.decide.denied_backoff import (
    EDITED_PAUSE_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    ONE_PAUSE_S,
    PER_REASON_S,
    DeniedBackoff,
)
from tests.support.manual_clock import ManualClock
from tests.unit.network.builders import network


def change(state: str = "Active", *, since: str = "1") -> Change:
    """Return a change that reports this state."""
    status = Status(state=state, reason="x", since=since)
    return Change(annotations={"a": "b"}, after=status, before=None)


class Denials:
    """A backoff, and the networks that it had reviewed."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.again: list[str] = []
        self.backoff = DeniedBackoff(self.clock, look_again=self.again.append)
        self.networks = [named(number) for number in range(5)]

    def deny(
        self, *networks: Network, words: str = 'webhook "v" denied the request: {name} is not mine'
    ) -> None:
        for each in networks:
            self.backoff.record(each, CHANGE, words.format(name=each.ref.name))

    def blocked(self) -> list[float]:
        return [self.backoff.blocked_s(each, CHANGE) for each in self.networks]


def named(number: int) -> Network:
    return network(uid=f"uid-{number}", ref=NetworkRef("default", f"net{number}"))


CHANGE = change()


@pytest.fixture
def denials() -> Denials:
    return Denials()


def test_of_networks_denied_for_one_reason_one_is_tried_within_a_minute(denials: Denials) -> None:
    """The first, again and again; a write a minute tells whether the webhook has let go."""
    denials.deny(*denials.networks)
    assert denials.blocked() == [FIRST_PAUSE_S, *[LONGEST_PAUSE_S] * 4]
    for _ in range(5):
        denials.clock.seconds += ONE_PAUSE_S
        assert denials.blocked()[0] == 0
        denials.deny(denials.networks[0])
    assert denials.blocked()[0] == ONE_PAUSE_S
    assert ONE_PAUSE_S < 60


def test_when_it_is_accepted_all_are_tried(denials: Denials) -> None:
    """Of the same reason; another webhook may deny still."""
    denials.deny(*denials.networks[:3])
    denials.deny(*denials.networks[3:], words='webhook "w" denied the request')
    denials.backoff.accepted("uid-0")
    assert denials.again == ["uid-1", "uid-2"]
    assert denials.blocked() == [0, 0, 0, FIRST_PAUSE_S, LONGEST_PAUSE_S]


def test_when_it_is_gone_the_next_is_tried_for_all(denials: Denials) -> None:
    """A deleted network holds up no other."""
    denials.deny(*denials.networks)
    denials.backoff.forget("uid-0")
    assert denials.again == ["uid-1"]
    assert denials.blocked() == [0, FIRST_PAUSE_S, *[LONGEST_PAUSE_S] * 3]


def test_when_it_is_as_it_should_be_another_is_tried_for_all(denials: Denials) -> None:
    """Nothing is to be written to it any more."""
    denials.deny(*denials.networks)
    denials.backoff.unwanted("uid-3")
    assert denials.again == []
    denials.backoff.unwanted("uid-0")
    assert denials.again == ["uid-1"]
    assert denials.blocked() == [LONGEST_PAUSE_S, FIRST_PAUSE_S, *[LONGEST_PAUSE_S] * 3]


def test_a_changed_object_is_tried_soon_and_another_change_at_once(denials: Denials) -> None:
    """Not fifty times a second, should somebody change it as often; a later time alone is no other change."""
    denials.deny(*denials.networks)
    edited = replace(denials.networks[1], resource_version="2")
    assert denials.backoff.blocked_s(edited, CHANGE) == EDITED_PAUSE_S
    assert denials.backoff.blocked_s(edited, change(since="2")) == EDITED_PAUSE_S
    assert denials.backoff.blocked_s(denials.networks[1], change("Partial")) == 0


def test_where_each_is_denied_with_other_words_one_in_two_seconds_is_tried(denials: Denials) -> None:
    """Thousands of reasons are no storm of writes."""
    denials.networks = [named(number) for number in range(100)]
    for number, each in enumerate(denials.networks):
        denials.deny(each, words=f"denied the request {chr(1000 + number)}")
    assert denials.blocked()[0] == PER_REASON_S * 100
