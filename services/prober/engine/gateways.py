"""Which router of an offer a host can be asked to check: the updater accepts the same ones, and no others."""

from collections.abc import Collection, Iterable
from typing import Final

from services.prober.frames.dhcp import is_host

_LINK_LOCAL: Final = 0xA9FE
"""169.254: nobody forwards from there (RFC 3927 section 2.7)."""


def is_usable(router: int, *, address: int, prefix: int, denied: Iterable[tuple[int, int]] = ()) -> bool:
    """Whether the router is a host of the offered subnet, not the offered address itself, and not denied.

    denied: subnets as (address, mask).
    """
    if router == address or prefix > 31 or not is_host(router) or router >> 16 == _LINK_LOCAL:
        return False
    host_mask = (1 << 32 - prefix) - 1
    if (router ^ address) & ~host_mask:
        return False
    for subnet, mask in denied:
        if router & mask == subnet:
            return False
    # In a /31 both addresses are hosts' (RFC 3021).
    return prefix == 31 or router & host_mask not in (0, host_mask)


def first_usable(
    routers: Iterable[int | None],
    *,
    address: int,
    prefix: int | None,
    denied: Collection[tuple[int, int]] = (),
) -> int | None:
    """The first router that is usable, see is_usable; none is without a mask."""
    if prefix is None:
        return None
    for router in routers:
        if router is not None and is_usable(router, address=address, prefix=prefix, denied=denied):
            return router
    return None
