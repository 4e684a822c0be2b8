"""The updater against a plain reference of the judgement, over random histories of a site."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from tests.reference.generating import generate, minimize
from tests.reference.playing import Difference, History, Player, Step

LENGTH = 125
"""Events of one history. Between them time passes: each look at the site is a step."""
LOOKS = 192
"""Steps of one history, on average."""
PER_TEST = 75
"""Histories in one test: some seven tests, so that the workers of `make test-long` can share them."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "first_seed" in metafunc.fixturenames:
        steps = metafunc.config.getoption("history_steps")
        first = metafunc.config.getoption("history_seed")
        tests = -(-steps // (LOOKS * PER_TEST))
        metafunc.parametrize("first_seed", [first + number * PER_TEST for number in range(tests)])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Printing what is logged would take longer than all the rest."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def difference(history: History) -> str:
    """Return how the updater and the reference differ; empty if they agree."""
    try:
        Player(history).play(history.steps)
    except Difference as error:
        return str(error)
    return ""


def test_the_updater_does_as_the_reference(first_seed: int) -> None:
    """Never another word, none that is worse than the evidence, and no write that changes nothing."""
    for seed in range(first_seed, first_seed + PER_TEST):
        history = generate(seed, LENGTH)
        if difference(history):
            pytest.fail(explain(seed, history), pytrace=False)


def explain(seed: int, history: History) -> str:
    """Return the shortest history that still fails, to be played again."""

    def part(steps: tuple[Step, ...]) -> History:
        return replace(history, steps=steps)

    shortest = minimize(history.steps, lambda steps: bool(difference(part(steps))))
    listed = "\n".join(f"    {step}," for step in shortest)
    return (
        f"seed {seed}: {difference(part(shortest))}\n"
        f"History({history.hosts}, {history.routes}, (\n{listed}\n), "
        f"{history.active_when!r}, {history.slowest_s})"
    )
