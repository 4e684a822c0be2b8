"""The pairs of faults that chaos draws."""

import itertools
import random

from services.contract.names import PROBE_TASK, REPORT_TASK
from tests.faults.soak.catalogue import Catalogue, Pair
from tests.faults.soak.healing import CATALOGUE, read_catalogue
from tests.faults.soak.world import World

MANY = 150


def drawn(world: World, seed: int) -> list[Pair]:
    """Return the first pairs of this seed."""
    world.good = {task: {} for task in (REPORT_TASK, PROBE_TASK)}
    catalogue = Catalogue(world, random.Random(seed), edits=random.Random(0))
    return list(itertools.islice(catalogue.pairs(catalogue.kinds), MANY))


def test_two_faults_of_a_pair_are_of_different_parts_and_do_not_break_the_same(world: World) -> None:
    """Also the same process: one that is killed cannot be frozen."""
    for pair in drawn(world, 1):
        assert pair.rows[0][0] != pair.rows[1][0]
        assert not pair.faults[0].claims & pair.faults[1].claims


def test_each_row_comes_before_most_come_again(world: World) -> None:
    """A run of half an hour has them all; each is a row of docs/faults.md."""
    catalogue = Catalogue(world, random.Random(0), edits=random.Random(0))
    rows = [row for pair in drawn(world, 1)[: len(catalogue.kinds) * 2 // 3] for row in pair.rows]
    assert set(rows) == set(catalogue.kinds)
    assert set(rows) <= set(read_catalogue(CATALOGUE.read_text()))


def test_a_seed_repeats_its_pairs(world: World) -> None:
    """With everything that was drawn of them; another seed has others."""

    def labels(seed: int) -> list[tuple[str, float]]:
        return [(fault.label, fault.seconds) for pair in drawn(world, seed) for fault in pair.faults]

    assert labels(3) == labels(3) != labels(4)
