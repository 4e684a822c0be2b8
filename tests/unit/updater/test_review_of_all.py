"""The hourly review of everything, over random histories of a site: it never finds anything new."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.reference.generating import generate
from tests.reference.playing import Step
from tests.reference.site import Site

LENGTH = 125
PER_TEST = 8
LOOK_S = 10


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Printing what is logged would take longer than all the rest."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def happen(site: Site, step: Step) -> Iterator[None]:
    """Let this happen, and pause wherever the updater looks."""
    name, *arguments = step
    seconds = 1
    if name == "wait":
        seconds = int(str(arguments[0]))
    else:
        getattr(site, str(name))(*arguments)
    while seconds > 0:
        site.wait(min(LOOK_S, seconds))
        seconds -= LOOK_S
        yield


def found_by_a_review_of_all(site: Site) -> frozenset[str]:
    """Return the networks about which it finds something new, a moment after the updater has looked."""
    rounds = site.updater._rounds
    site.wait(1)
    rounds._check_at = float("-inf")
    site.look()
    return rounds._differing


@pytest.mark.parametrize("first_seed", range(0, 48, PER_TEST))
def test_it_finds_nothing_that_nothing_had_touched(first_seed: int) -> None:
    """After each step of each history: whatever may change a conclusion touches its networks."""
    for seed in range(first_seed, first_seed + PER_TEST):
        history = generate(seed, LENGTH)
        site = Site(
            history.hosts, history.routes, active_when=history.active_when, slowest_s=history.slowest_s
        )
        for number, step in enumerate(history.steps):
            for _ in happen(site, step):
                if site.look():
                    assert not found_by_a_review_of_all(site), f"seed {seed}, step {number}: {step}"
