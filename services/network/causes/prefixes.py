"""Prefixes that hold some addresses and none of others."""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv4Network

ADDRESS_BITS = 32


def covering_prefixes(
    wanted: Collection[IPv4Address], others: Collection[IPv4Address]
) -> Mapping[IPv4Network, frozenset[IPv4Address]]:
    """Return the fewest prefixes that hold all wanted addresses and none of the others, each with its own.

    Each prefix is the longest that holds its addresses; with no others, and addresses that have nothing in
    common, it is 0.0.0.0/0.
    """
    found: dict[IPv4Network, frozenset[IPv4Address]] = {}
    pending = [
        (sorted({int(a) for a in wanted}), sorted({int(a) for a in others} - {int(a) for a in wanted}))
    ]
    while pending:
        inside, outside = pending.pop()
        if not inside:
            continue
        length = _common_bits(inside[0], inside[-1])
        first = inside[0] >> (ADDRESS_BITS - length) << (ADDRESS_BITS - length)
        last = first + (1 << (ADDRESS_BITS - length)) - 1
        outside = [address for address in outside if first <= address <= last]
        if not outside or length == ADDRESS_BITS:
            found[IPv4Network((first, length))] = frozenset(map(IPv4Address, inside))
            continue
        middle = first + (1 << (ADDRESS_BITS - length - 1))
        pending.append(([a for a in inside if a < middle], [a for a in outside if a < middle]))
        pending.append(([a for a in inside if a >= middle], [a for a in outside if a >= middle]))
    return found


def _common_bits(first: int, last: int) -> int:
    return ADDRESS_BITS - (first ^ last).bit_length()
