"""Grouping probes into requests."""

import itertools
import json
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from services.contract.envelopes import MAX_SENT_BYTES
from services.contract.limits import MAX_TARGETS
from services.contract.messages import ProbeRequest, Segment, SegmentProbe, Target
from services.contract.outcomes import Depth
from services.watcher.plan.host_probe import HostProbe
from services.watcher.requests import SEGMENTS_IN_A_REQUEST, build_requests


def probe(host: str, cluster_network: str, vlan: int, *, ask_dhcp: bool = True) -> HostProbe:
    return HostProbe(
        host,
        Segment(cluster_network=cluster_network, vlan=vlan),
        SegmentProbe(vlan=vlan, ask_dhcp=ask_dhcp, targets=(Target(digest="0" * 16),)),
    )


def built(probes: list[HostProbe]) -> list[ProbeRequest]:
    numbers = itertools.count()
    return build_requests(probes, sent_at_ms=5, max_age_ms=60_000, new_id=lambda: f"id-{next(numbers)}")


@given(
    asked=st.sets(
        st.tuples(st.sampled_from(["n1", "n2"]), st.sampled_from(["mgmt", "extra"]), st.integers(1, 400))
    )
)
def test_every_probe_is_in_one_request_of_its_host(asked: set[tuple[str, str, int]]) -> None:
    """No probe is lost or doubled, no request is too large, and each is valid with its own id."""
    requests = built([probe(*each) for each in sorted(asked, key=hash)])
    sent = [(r.host, r.cluster_network, p.vlan) for r in requests for p in r.segments]
    assert sorted(sent) == sorted(asked)
    assert all(len(request.segments) <= SEGMENTS_IN_A_REQUEST for request in requests)
    assert len({request.id for request in requests}) == len(requests)
    assert [ProbeRequest.from_wire(request.to_wire()) for request in requests] == requests


def test_requests_are_filled() -> None:
    """300 segments of one host make three requests."""
    requests = built([probe("n1", "extra", vlan) for vlan in range(1, 301)])
    assert [len(request.segments) for request in requests] == [128, 128, 44]


def test_no_request_is_too_large_to_be_taken() -> None:
    """Also where each segment has all its targets; no probe is lost."""
    address = IPv4Address("255.255.255.255")
    target = Target(digest="f" * 16, gateway=address, from_dhcp=False, server=address)
    vlans = range(1, 301)
    probes = [
        HostProbe(
            "n1",
            Segment(cluster_network="extra", vlan=vlan),
            SegmentProbe(
                vlan=vlan, ask_dhcp=True, depth=Depth.LEASE, source=address, targets=(target,) * MAX_TARGETS
            ),
        )
        for vlan in vlans
    ]
    requests = built(probes)
    assert [p.vlan for request in requests for p in request.segments] == list(vlans)
    assert all(len(json.dumps(request.to_wire())) <= MAX_SENT_BYTES for request in requests)


def test_the_last_of_two_probes_of_one_segment_wins() -> None:
    """A request that named a VLAN twice would be refused."""
    (request,) = built([probe("n1", "extra", 7), probe("n1", "extra", 7, ask_dhcp=False)])
    assert [p.ask_dhcp for p in request.segments] == [False]
