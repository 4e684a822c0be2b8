"""The parts of the big site that need no kernel: addresses, instructions, the servers' configuration."""

import itertools
from ipaddress import IPv4Address

from lab.bigsite import addressing, bpf, dhcpd


def test_no_two_vlans_share_a_network() -> None:
    """The 4094 networks are disjoint, each with its gateway and pool inside."""
    seen = set()
    for vlan in range(addressing.FIRST_VLAN, addressing.LAST_VLAN + 1):
        network, (first, last) = addressing.network(vlan), addressing.pool(vlan)
        assert addressing.gateway(vlan) < first < last
        assert {addressing.gateway(vlan), first, last} <= {
            address for address in (addressing.gateway(vlan), first, last) if address in network
        }
        seen.add(network)
    assert len(seen) == 4094
    assert addressing.gateway(7) == IPv4Address("10.0.112.1")


def test_an_instruction_is_eight_octets_with_both_registers_in_one() -> None:
    """struct bpf_insn has code, registers, offset and immediate in native byte order."""
    word = bpf.load_word(bpf.R7, bpf.R6, bpf.SKB_VLAN_TCI)
    assert word == bytes((0x61, 0x67, 24, 0, 0, 0, 0, 0))
    assert len(bpf.set_to(bpf.R2, -1) + bpf.leave()) == 16


def test_shards_cover_every_vlan_once() -> None:
    """Every VLAN has one server, and no server has more than its share."""
    vlans = range(1, 4095)
    parts = dhcpd.shards(vlans)
    assert list(itertools.chain.from_iterable(parts)) == list(vlans)
    assert [len(part) for part in parts] == [512] * 7 + [510]


def test_the_configuration_has_a_subnet_for_each_vlan() -> None:
    """Each subnet has its gateway as its router."""
    text = dhcpd.configuration([7, 9])
    assert text.count("subnet ") == 2
    assert "subnet 10.0.112.0 netmask 255.255.240.0 {" in text
    assert "option routers 10.0.144.1;" in text
    assert "ping-check false;" in text
