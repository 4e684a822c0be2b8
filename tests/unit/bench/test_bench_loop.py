"""The loop's own parts: its site, its scripted prober, and how it knows that a network is told."""

import os

import pytest

from bench.fleet import memory_limit_mib
from bench.loop_client import ROUTE, Told, connectivity
from bench.loop_prober import find, fingerprint
from bench.loop_site import vlans
from bench.processes import RunFailed, cpu_s, memory_mib
from lab.bigsite import addressing
from services.contract.gateways import DENIED_SUBNETS
from services.contract.messages import SegmentProbe, Target


def test_no_network_of_the_site_is_in_a_denied_subnet() -> None:
    """The site leaves out the VLANs whose gateways are refused, and only those."""
    for vlan in range(1, 4095):
        denied = any(addressing.network(vlan).overlaps(subnet) for subnet in DENIED_SUBNETS)
        assert (vlan in vlans(4_062)) is not denied, vlan
    with pytest.raises(RunFailed, match="at most 4062"):
        vlans(4_063)


def test_the_prober_finds_the_vlan_s_own_gateway_and_offers_only_where_asked() -> None:
    """Its verdict has an offer exactly if DHCP was asked, and the same target either way."""
    target = Target(digest="0" * 16)
    asked = find(
        SegmentProbe(vlan=7, ask_dhcp=True, targets=(target,)), host="node1", request_id="r", counter=1
    )
    checked = find(SegmentProbe(vlan=7, targets=(target,)), host="node1", request_id="r", counter=2)
    assert asked.dhcp is not None
    assert asked.dhcp.servers[0].gateway == addressing.gateway(7)
    assert checked.dhcp is None
    assert asked.targets == checked.targets


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"connectivity": ""}', '{"connectivity": true}'])
def test_only_the_written_word_counts_as_told(text: str) -> None:
    """What says nothing is neither told nor wrong, and the first "true" is counted once."""
    assert connectivity({ROUTE: text}) == ""
    told = Told()
    told("net-1", {ROUTE: text})
    assert (told.at, told.wrong) == ({}, set())
    told("net-1", {ROUTE: '{"connectivity": "true"}'})
    first = told.at["net-1"]
    told("net-1", {ROUTE: '{"connectivity": "true"}'})
    assert told.at == {"net-1": first}


def test_a_wrong_word_counts_even_if_the_right_one_follows() -> None:
    """Whoever was told wrong once acted on it."""
    told = Told(expected="false")
    told("net-1", {ROUTE: '{"connectivity": "true"}'})
    told("net-1", {ROUTE: '{"connectivity": "false"}'})
    assert (set(told.at), told.wrong) == ({"net-1"}, {"net-1"})


def test_networks_that_are_never_told_end_the_run() -> None:
    """The wait is bounded and says how many are missing."""
    with pytest.raises(RunFailed, match="0 networks told within 0 s, expected 1"):
        Told().wait(1, seconds=0.0)


def test_a_repeat_is_named_by_what_was_found_and_not_by_who_or_when() -> None:
    """Two probes have the same fingerprint exactly if the same is found for them."""
    target = Target(digest="0" * 16)
    asked = SegmentProbe(vlan=7, ask_dhcp=True, targets=(target,))
    others = (
        asked.model_copy(update={"vlan": 8}),
        asked.model_copy(update={"ask_dhcp": False}),
        asked.model_copy(update={"targets": (Target(digest="1" * 16),)}),
    )
    assert fingerprint(asked) == fingerprint(asked.model_copy())
    assert len({fingerprint(probe) for probe in (asked, *others)}) == 1 + len(others)


def test_the_fleet_s_memory_is_held_against_the_line_through_both_limits() -> None:
    """One host and 32 have the limits that are stated for them."""
    assert memory_limit_mib(1) == 130.0
    assert memory_limit_mib(32) == 400.0
    assert 670.0 < memory_limit_mib(64) < 690.0


def test_cpu_and_memory_of_a_process_are_read() -> None:
    """A running interpreter has used CPU and some MiB."""
    sum(range(3_000_000))
    assert cpu_s(os.getpid()) > 0.0
    assert 5.0 < memory_mib(os.getpid()) < 10_000.0
