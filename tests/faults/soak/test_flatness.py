"""What counts as flat: values that stay, and none that grow within the lives of a process."""

import random
from collections.abc import Callable

import pytest

from tests.faults.soak.flatness import JUDGED_S, WARM_S, Growth, Sample, growths

HALF_AN_HOUR_S = 1_800.0


def grown(value: Callable[[float], float], *, life_s: float = HALF_AN_HOUR_S, lives: int = 1) -> Growth:
    """Return what is found of a process that is sampled every ten seconds; value: by its age."""
    samples = [
        Sample("updater", "memory MB", life, float(age_s), value(float(age_s)))
        for life in range(lives)
        for age_s in range(0, int(life_s), 10)
    ]
    (found,) = growths(samples)
    return found


def test_memory_that_stays_is_flat() -> None:
    """Also where it varies, warms up first, and has a burst."""
    dice = random.Random(1)

    def value(age_s: float) -> float:
        warming = 40.0 * min(1.0, age_s / WARM_S)
        return 40.0 + warming + dice.uniform(-2.0, 2.0) + (50.0 if 600.0 < age_s < 700.0 else 0.0)

    assert grown(value).is_flat is True


def test_memory_that_leaks_is_found() -> None:
    """A megabyte a minute."""
    found = grown(lambda age_s: 80.0 + age_s / 60.0)
    assert found.is_flat is False
    assert found.growth == pytest.approx(30.0)


def test_a_leak_is_found_though_each_restart_ends_it() -> None:
    """Six lives of five minutes, none of which grows by more than it may in half an hour."""
    assert grown(lambda age_s: 80.0 + age_s / 60.0, life_s=300.0, lives=6).is_flat is False
    assert grown(lambda _: 80.0, life_s=300.0, lives=6).is_flat is True


def test_a_pool_may_fill_and_a_leak_of_descriptors_is_found() -> None:
    """The updater opens twelve connections more when it writes at the same time; others have no such pool."""

    def found(of: str, value: Callable[[int], float]) -> bool | None:
        (growth,) = growths(Sample(of, "files", 1, age_s, value(age_s)) for age_s in range(0, 1_800, 10))
        return growth.is_flat

    assert found("updater", lambda age_s: 24.0 + 4.0 * (age_s // 500)) is True
    assert found("watcher", lambda age_s: 24.0 + 4.0 * (age_s // 500)) is False
    assert found("updater", lambda age_s: 24.0 + age_s // 60) is False


def test_processes_of_different_size_do_not_count_as_growth() -> None:
    """A later life that begins larger, and stays so, is no leak."""
    samples = [
        Sample("updater", "threads", life, age_s, 10.0 + 10.0 * life)
        for life in range(3)
        for age_s in range(0, 600, 10)
    ]
    (found,) = growths(samples)
    assert found.is_flat is True


def test_a_run_that_is_too_short_says_nothing() -> None:
    """The time to warm up does not count."""
    assert grown(lambda age_s: age_s, life_s=JUDGED_S + WARM_S - 10.0).is_flat is None
    assert grown(lambda age_s: age_s, life_s=JUDGED_S + WARM_S + 20.0).is_flat is False
    assert grown(lambda age_s: age_s, life_s=WARM_S, lives=20).is_flat is None
