"""What can be a gateway: the updater's rules and the prober's are the same, each put in its own way."""

from ipaddress import IPv4Address, IPv4Network

from hypothesis import example, given
from hypothesis import strategies as st

from services.contract.denied import DENIED_SUBNETS
from services.contract.messages import Offer
from services.contract.verdicts import AgedVerdict
from services.network.judge.leases import read_lease
from services.network.policy import Policy
from services.prober.engine.gateways import first_usable
from tests.unit.network.builders import dhcp, verdict
from tests.unit.network.test_reduction import AUTO

NEAR = st.integers(0, 7)
ROUTERS = st.lists(
    st.sampled_from(
        [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "169.254.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "10.9.0.1",
        ]
    ).map(IPv4Address)
    | NEAR.map(lambda last: IPv4Address("10.0.112.0") + last)
    | st.ip_addresses(v=4),
    max_size=4,
)


DENIED = st.sampled_from(
    [(), (IPv4Network("10.0.112.0/30"),), (IPv4Network("10.0.112.5/32"),), DENIED_SUBNETS]
)


@given(
    address=NEAR.map(lambda last: IPv4Address("10.0.112.0") + last),
    prefix=st.none() | st.integers(1, 32),
    routers=ROUTERS,
    denied=DENIED,
)
@example(address=IPv4Address("10.0.112.0"), prefix=31, routers=[IPv4Address("10.0.112.1")], denied=())
def test_prober_and_updater_take_the_same_router(
    address: IPv4Address, prefix: int | None, routers: list[IPv4Address], denied: tuple[IPv4Network, ...]
) -> None:
    """Or the updater would wait for a verdict on a gateway that no host checks."""
    masked = [(int(subnet.network_address), int(subnet.netmask)) for subnet in denied]
    taken = first_usable(map(int, routers), address=int(address), prefix=prefix, denied=masked)
    cidr = None if prefix is None else IPv4Network((address, prefix), strict=False)
    offer = Offer(
        server=IPv4Address("10.0.112.1"),
        address=address,
        cidr=cidr,
        gateway=routers[0] if routers and taken is None else None if taken is None else IPv4Address(taken),
        routers=tuple(routers),
    )
    asked = [AgedVerdict(verdict(AUTO.digest, dhcp=dhcp(offer)), 1.0)]
    lease = read_lease(AUTO, asked, confirmations=0, policy=Policy(denied_subnets=denied))
    assert lease is not None
    assert lease.gateway == (None if taken is None else IPv4Address(taken))
    assert lease.answered == (taken is not None)
    assert bool(lease.detail) == (taken is None)
