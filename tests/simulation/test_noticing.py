"""A gateway that falls silent is told within 30 s, at a rate that its router can bear.

Each site has settled when its gateways die, so the sweeps alone would take minutes.
"""

import math

import pytest

from services.contract.limits import FRAMES_PER_S
from services.watcher.limits.pace import Pace
from tests.simulation.noticing import MANY_S, told_s

LIMIT_S = 30.0
ROUTER_S = 60.0


@pytest.mark.parametrize("hosts", [1, 2, 8, 32])
def test_a_silent_gateway_is_told_within_30_s(hosts: int) -> None:
    """However many hosts carry the network: with few, one of them checks between the sweeps."""
    told, *_ = told_s(hosts=hosts, vlans=100, dead=50, pace=Pace())
    assert told <= LIMIT_S


def test_one_of_a_thousand_is_told_within_30_s() -> None:
    """The checks that this takes stay below what a router should have to answer."""
    told, rate, _ = told_s(hosts=2, vlans=1_000, dead=30, pace=Pace())
    assert told <= LIMIT_S
    assert rate <= FRAMES_PER_S


def test_a_router_with_500_gateways_that_dies_is_told_within_a_minute() -> None:
    """All its gateways fall silent at once, and DHCP still answers."""
    told, *_ = told_s(hosts=8, vlans=500, dead=500, pace=Pace(), spread_s=0.0)
    assert told <= ROUTER_S


def test_one_of_4094_is_told_within_90_s() -> None:
    """Their checks take turns, so that a router bears them."""
    told, rate, _ = told_s(hosts=1, vlans=4_094, dead=60, pace=Pace())
    assert told <= MANY_S
    assert rate <= FRAMES_PER_S


def test_one_of_4094_is_told_within_30_s_where_the_router_bears_it() -> None:
    """Without a limit of frames."""
    told, *_ = told_s(hosts=1, vlans=4_094, dead=60, pace=Pace(patrol_per_s=math.inf, frames_per_s=0.0))
    assert told <= LIMIT_S
