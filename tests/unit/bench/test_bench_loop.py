"""The loop's own parts: its site, its scripted prober, and how it knows that a network is told."""

import os

import pytest

from bench.loop import cpu_s, memory_mib, vlans
from bench.loop_client import ROUTE, Told, is_connected
from bench.loop_prober import find
from bench.processes import RunFailed
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
    asked = find(SegmentProbe(vlan=7, ask_dhcp=True, targets=(target,)), request_id="r", counter=1)
    checked = find(SegmentProbe(vlan=7, targets=(target,)), request_id="r", counter=2)
    assert asked.dhcp is not None
    assert asked.dhcp.servers[0].gateway == addressing.gateway(7)
    assert checked.dhcp is None
    assert asked.targets == checked.targets


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"connectivity": "false"}', '{"connectivity": true}'])
def test_only_the_written_word_counts_as_told(text: str) -> None:
    """Anything but Harvester's "true" is not told yet, and the first "true" is counted once."""
    assert not is_connected({ROUTE: text})
    told = Told()
    told("net-1", {ROUTE: text})
    assert told.at == {}
    told("net-1", {ROUTE: '{"connectivity": "true"}'})
    first = told.at["net-1"]
    told("net-1", {ROUTE: '{"connectivity": "true"}'})
    assert told.at == {"net-1": first}


def test_networks_that_are_never_told_end_the_run() -> None:
    """The wait is bounded and says how many are missing."""
    with pytest.raises(RunFailed, match="0 networks told within 0 s, expected 1"):
        Told().wait(1, seconds=0.0)


def test_cpu_and_memory_of_a_process_are_read() -> None:
    """A running interpreter has used CPU and some MiB."""
    sum(range(3_000_000))
    assert cpu_s(os.getpid()) > 0.0
    assert 5.0 < memory_mib(os.getpid()) < 10_000.0
