"""The subnets of all networks, to find those that overlap without looking at all others.

Two subnets are disjoint, or one holds the other. So what overlaps one are the subnets within it, which stand
side by side in their order, and those around it, of which there is at most one for each shorter prefix.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from itertools import islice

from services.contract.messages import Segment

MAX_OVERLAPS = 8
"""Segments that one finding names. A subnet that holds more says more about itself: it accuses no other."""
_MAX_EXAMINED = 8 * MAX_OVERLAPS
"""Subnets that one look examines: an owner may give networks of one VLAN a thousand."""

_Subnet = tuple[int, int]
"""First address and prefix, in the order of which all that one holds follow it."""


class Subnets:
    """The subnets of networks, by segment. Not thread-safe."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Segment, _Subnet]] = {}
        """By uid of the network."""
        self._at: dict[_Subnet, Counter[Segment]] = {}
        """How many networks have a subnet, by segment."""
        self._order: list[_Subnet] = []
        self._prefixes: Counter[int] = Counter()

    def put(
        self,
        uid: str,
        segment: Segment | None,
        cidr: IPv4Network | None,
        hosts: Iterable[IPv4Network] = (),
    ) -> set[Segment]:
        """Set a network's subnet, None for none; return the segments on which something else is found since.

        hosts: the hosts' own networks.
        """
        new = None if segment is None or cidr is None else (segment, _key(cidr))
        old = self._of.get(uid)
        if old == new:
            return set()
        touched: set[Segment] = set()
        if old is not None:
            del self._of[uid]
            if self._at[old[1]][old[0]] == 1:
                touched |= self._concerned(*old, hosts)
            self._remove(*old)
        if new is not None:
            self._of[uid] = new
            is_first = new[0] not in self._at.get(new[1], ())
            self._add(*new)
            if is_first:
                touched |= self._concerned(*new, hosts)
        return touched

    def overlapping(self, segment: Segment, cidr: IPv4Network) -> list[tuple[Segment, IPv4Network]] | None:
        """Return the subnets of other segments that overlap this one, in order; None for too many.

        A VLAN of the same number with the same subnet is the same VLAN, which another cluster network reaches
        as well. One that holds more than MAX_OVERLAPS is not among them.
        """
        key = _key(cidr)
        inside = self._within(key, but=segment)
        if inside is None or len({other for other, _ in inside}) > MAX_OVERLAPS:
            return None
        around = [
            (other, outer)
            for outer in self._around(key)
            for other in self._on(outer)
            if other != segment and not self._is_wide(outer, but=other)
        ]
        found = sorted({*inside, *around}, key=lambda pair: (pair[0].cluster_network, pair[0].vlan, pair[1]))
        return [(other, IPv4Network(subnet)) for other, subnet in found]

    def is_common(self, network: IPv4Network) -> bool:
        """Whether a network of the hosts overlaps more segments than one can be believed to."""
        found = self._overlapped(_key(network))
        return found is None or len(found) > MAX_OVERLAPS

    def _concerned(self, segment: Segment, key: _Subnet, hosts: Iterable[IPv4Network]) -> set[Segment]:
        """Return the segments on which more is found with this subnet than without it."""
        inside = self._within(key, but=segment)
        concerned: set[Segment] = set()
        if inside is not None:
            held = {other for other, _ in inside}
            concerned |= held if len(held) <= MAX_OVERLAPS + 1 else set()
        for outer in [*self._around(key), key]:
            for other in islice(self._on(outer), _MAX_EXAMINED):
                inside = self._within(outer, but=other) if other != segment else None
                held = {one for one, _ in inside or ()}
                if inside is not None and len(held) <= MAX_OVERLAPS + 1:
                    concerned.add(other)
                    # With this one it holds too many, or without it no more.
                    concerned |= held if len(held) > MAX_OVERLAPS else set()
        for network in hosts:
            host = _key(network)
            if _holds(host, key) or _holds(key, host):
                found = self._overlapped(host)
                if found is not None and len(found) == MAX_OVERLAPS + 1:
                    concerned |= found
        return concerned - {segment}

    def _overlapped(self, key: _Subnet) -> set[Segment] | None:
        """Return the segments with a subnet that overlaps this one; None for very many."""
        inside = self._within(key, but=None)
        if inside is None:
            return None
        found = {other for other, _ in inside}
        for outer in self._around(key):
            found.update(self._on(outer))
            if len(found) > _MAX_EXAMINED:
                return None
        return found

    def _is_wide(self, key: _Subnet, *, but: Segment) -> bool:
        held = self._within(key, but=but)
        return held is None or len({other for other, _ in held}) > MAX_OVERLAPS

    def _within(self, key: _Subnet, *, but: Segment | None) -> set[tuple[Segment, _Subnet]] | None:
        """Return what lies in this subnet, itself too, on other segments; None for very many."""
        first, prefix = key
        end = (first + (1 << 32 - prefix), 0)
        found: set[tuple[Segment, _Subnet]] = set()
        examined = 0
        for index in range(bisect_left(self._order, key), len(self._order)):
            subnet = self._order[index]
            if subnet >= end:
                break
            for other in self._at[subnet]:
                examined += 1
                if examined > _MAX_EXAMINED:
                    return None
                if other != but and not (but is not None and subnet == key and other.vlan == but.vlan):
                    found.add((other, subnet))
        return found

    def _around(self, key: _Subnet) -> Iterator[_Subnet]:
        """Yield the subnets that hold this one."""
        first, prefix = key
        for length in sorted(self._prefixes):
            if length >= prefix:
                return
            outer = (first >> 32 - length << 32 - length, length)
            if outer in self._at:
                yield outer

    def _on(self, key: _Subnet) -> Counter[Segment]:
        return self._at.get(key, Counter())

    def _add(self, segment: Segment, key: _Subnet) -> None:
        if key not in self._at:
            self._at[key] = Counter()
            insort(self._order, key)
            self._prefixes[key[1]] += 1
        self._at[key][segment] += 1

    def _remove(self, segment: Segment, key: _Subnet) -> None:
        at = self._at[key]
        at[segment] -= 1
        if not at[segment]:
            del at[segment]
        if not at:
            del self._at[key]
            del self._order[bisect_left(self._order, key)]
            self._prefixes[key[1]] -= 1
            if not self._prefixes[key[1]]:
                del self._prefixes[key[1]]


def _key(cidr: IPv4Network) -> _Subnet:
    return int(cidr.network_address), cidr.prefixlen


def _holds(outer: _Subnet, inner: _Subnet) -> bool:
    return outer[1] <= inner[1] and (outer[0] ^ inner[0]) >> 32 - outer[1] == 0
