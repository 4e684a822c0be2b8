"""The guided tour of the demo, without a demo."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import repeat

import pytest

from services.cli.local.demo_tour import ACTIVE, STEPS, UNREACHABLE, Tour
from tests.support.manual_clock import ManualClock


class Recorder:
    """Runs nothing, remembers the commands, and interrupts at the pause before one of them."""

    def __init__(self, interrupt_at: str = "") -> None:
        self.commands: list[str] = []
        self._interrupt_at = interrupt_at

    def run(self, command: Sequence[str]) -> None:
        self.commands.append(" ".join(command))

    def pause(self, line: str) -> None:
        if self._interrupt_at and self._interrupt_at in line:
            raise KeyboardInterrupt


def tour(recorder: Recorder, states: Iterator[str]) -> Tour:
    return Tour(
        run=recorder.run,
        read_state=lambda: next(states),
        pause=recorder.pause,
        clock=ManualClock(),
        waiting=lambda _text: nullcontext(),
    )


def test_the_tour_breaks_watches_explains_and_heals(capsys: pytest.CaptureFixture[str]) -> None:
    """In this order; it waits for each state and heals once."""
    recorder = Recorder()
    states = iter(["Pending", ACTIVE, ACTIVE, UNREACHABLE, UNREACHABLE, ACTIVE])
    assert tour(recorder, states).go() == 0
    assert recorder.commands == [" ".join(step.command) for step in STEPS]
    assert [command.split()[:2] for command in recorder.commands if "status" not in command] == [
        ["demo", "break"],
        ["explain", "default/storefront"],
        ["demo", "heal"],
    ]
    assert list(states) == []
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(("interrupt_at", "heals"), [("demo break", 0), ("explain", 1), ("demo heal", 1)])
def test_an_interrupted_tour_heals_what_it_broke(interrupt_at: str, heals: int) -> None:
    """And nothing that it has not broken."""
    recorder = Recorder(interrupt_at)
    states = iter([ACTIVE, UNREACHABLE, ACTIVE])
    with pytest.raises(KeyboardInterrupt):
        tour(recorder, states).go()
    assert recorder.commands.count("demo heal 7") == heals


def test_a_state_that_does_not_come_ends_the_tour(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 after two minutes, with both states in the message."""
    recorder = Recorder()
    states: Iterator[str] = iter([ACTIVE, *repeat(ACTIVE, 1_000)])
    assert tour(recorder, states).go() == 1
    assert "is Active after 120 s, expected Unreachable" in capsys.readouterr().err
    assert recorder.commands[-1] == "demo heal 7"
