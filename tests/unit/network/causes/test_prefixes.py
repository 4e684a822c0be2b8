"""Prefixes that hold the wanted addresses alone."""

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from services.network.causes.prefixes import covering_prefixes

ADDRESSES = st.sets(st.integers(0, 2**32 - 1).map(IPv4Address), max_size=20)
NEAR = st.sets(st.integers(0, 1023).map(IPv4Address), max_size=40)


@given(ADDRESSES | NEAR, ADDRESSES | NEAR)
def test_the_prefixes_hold_the_wanted_addresses_and_no_other(
    wanted: set[IPv4Address], others: set[IPv4Address]
) -> None:
    """Each wanted address is in exactly one prefix, which holds none of the others."""
    found = covering_prefixes(wanted, others)
    held = [address for addresses in found.values() for address in addresses]
    assert sorted(held) == sorted(wanted)
    for prefix, addresses in found.items():
        assert all(address in prefix for address in addresses)
        assert not any(address in prefix for address in others - wanted)
