"""R20: which addresses of hosts are believed."""

from ipaddress import IPv4Address

from services.contract.names import HOST_TTL_S
from services.network.claims import BELIEVED_AFTER_S, AddressClaims

OWN = frozenset({IPv4Address("10.0.112.1")})
NOTHING = frozenset[IPv4Address]()


def announced_from(start: float, seconds: float, claims: AddressClaims | None = None) -> AddressClaims:
    """Announce the address every second."""
    claims = claims or AddressClaims()
    for second in range(int(seconds) + 1):
        claims.take(OWN, start + second)
    return claims


def test_a_claim_is_believed_after_two_minutes() -> None:
    """Not before: a forged one may be gone by then."""
    claims = announced_from(1_000.0, BELIEVED_AFTER_S - 1)
    assert (claims.believed, claims.unsure) == (NOTHING, OWN)
    claims.take(OWN, 1_000.0 + BELIEVED_AFTER_S)
    assert (claims.believed, claims.unsure) == (OWN, NOTHING)


def test_a_break_begins_a_claim_anew() -> None:
    """Also where only its host was said to restart: it was not believed."""
    claims = announced_from(0.0, BELIEVED_AFTER_S - 1)
    claims.take(NOTHING, BELIEVED_AFTER_S, restarting=OWN)
    assert (claims.believed, claims.unsure) == (NOTHING, NOTHING)
    announced_from(BELIEVED_AFTER_S + 1, BELIEVED_AFTER_S - 1, claims)
    assert (claims.believed, claims.unsure) == (NOTHING, OWN)


def test_nothing_is_known_of_a_time_in_which_nobody_looked() -> None:
    """An announcement can have expired meanwhile, and have been forged again."""
    claims = AddressClaims()
    claims.take(OWN, 0.0)
    claims.take(OWN, BELIEVED_AFTER_S + HOST_TTL_S)
    assert (claims.believed, claims.unsure) == (NOTHING, OWN)


def test_what_is_believed_outlives_its_hosts_restart_only() -> None:
    """A prober's restart, or an outage of Redis, is no news about addresses."""
    claims = announced_from(0.0, BELIEVED_AFTER_S)
    claims.take(OWN, 10_000.0)
    claims.take(NOTHING, 10_001.0, restarting=OWN)
    assert claims.believed == OWN
    claims.take(NOTHING, 10_002.0)
    claims.take(OWN, 10_003.0)
    assert (claims.believed, claims.unsure) == (NOTHING, OWN)
