"""A subnet that is also the management network's, or another VLAN's: an echo may never use the VLAN.

Somebody copies a network's cidr, a DHCP server serves the scope of its neighbour, or the gateway of the VLAN
is the hosts' own default gateway. All answers come, and Active says nothing about the VLAN.
"""

import json
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.messages import HostAnnouncement, Segment
from services.contract.open_doubts import NO_DOUBTS
from services.contract.outcomes import Reason, State
from services.contract.reports import Report
from services.contract.vlan_addresses import VlanAddress
from services.network.claims import networks_on_vlans
from services.network.judge.subnets import MAX_OVERLAPS, Subnets
from services.network.parse import nad
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import NetworkRef
from services.network.parse.status import Status
from tests.unit.network.builders import config, dhcp, network, offer, verdict
from tests.unit.updater.test_service import Bench

MANAGEMENT, NEIGHBOUR = Reason.OVERLAPS_MANAGEMENT.value, Reason.OVERLAPS_NETWORK.value


class Site(Bench):
    """An updater with networks that all answer."""

    counter = 0

    def put(
        self, name: str, vlan: int, cidr: str, *, bridge: str = "extra-br", isolated: bool = False
    ) -> None:
        """Create or change a manual network, whose gateway is the first address of its subnet."""
        gateway = str(IPv4Network(cidr)[1])
        ref = NetworkRef("default", name)
        present = self.cluster.objects.get(ref)
        version = "1" if present is None else str(int(present.resource_version) + 1)
        route = json.dumps({"mode": "manual", "cidr": cidr, "gateway": gateway})
        self.appear(
            network(
                route,
                ref=ref,
                uid=f"uid-{name}",
                version=version,
                config=config(vlan, bridge=bridge),
                status=None if present is None else present.annotations.get(nad.STATUS),
                annotations={nad.ISOLATED: "true"} if isolated else {},
            )
        )
        self.answer(name)

    def answer(self, name: str, offered: str = "") -> None:
        """Report that the gateway answers; offered: by a DHCP server with this subnet."""
        intent = read_intent(self.cluster.objects[NetworkRef("default", name)])
        assert isinstance(intent, Intent)
        self.counter += 1
        subnet = IPv4Network(offered) if offered else None
        made = None
        if subnet is not None:
            named = offer(subnet[1], cidr=subnet, mac="02:00:00:00:00:09")
            made = dhcp(named.model_copy(update={"address": subnet[9]}))
        said = verdict(
            intent.digest,
            gateway=(intent.gateway or intent.known_gateway) if subnet is None else subnet[1],
            counter=self.counter,
            segment=intent.segment,
            dhcp=made,
        )
        self.updater.take_report(Report(host="node1", verdicts=(said,)))

    def settle(self) -> None:
        """Review and write until nothing is due any more."""
        for _ in range(4):
            self.updater.review_due()
            while self.updater.write_due():
                pass

    def status(self, name: str) -> Status:
        found = self.cluster.objects[NetworkRef("default", name)].status
        assert found is not None
        return found

    def findings(self, name: str) -> dict[str, str]:
        return dict(self.status(name).findings)


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_copied_subnet_is_told_at_both_networks_and_ends_with_it(site: Site) -> None:
    """The state stays what Harvester would find; an Event at each; when one moves away, both are quiet."""
    site.put("office", 7, "10.0.7.0/24")
    site.settle()
    assert site.findings("office") == {}
    site.put("copy", 8, "10.0.7.0/24")
    site.settle()
    assert site.findings("office") == {NEIGHBOUR: "10.0.7.0/24 overlaps 10.0.7.0/24 of extra/8"}
    assert site.findings("copy") == {NEIGHBOUR: "10.0.7.0/24 overlaps 10.0.7.0/24 of extra/7"}
    assert {site.status(name).state for name in ("office", "copy")} == {State.ACTIVE}
    assert [reason for _, reason, _ in site.cluster.events].count(NEIGHBOUR) == 2
    writes = len(site.cluster.written)
    site.answer("office")
    site.settle()
    assert len(site.cluster.written) == writes
    site.put("copy", 8, "10.0.8.0/24")
    site.settle()
    assert (site.findings("office"), site.findings("copy")) == ({}, {})


def test_a_subnet_within_another_is_told_and_ends_when_it_is_deleted(site: Site) -> None:
    """From both sides, whoever came first."""
    site.put("small", 7, "10.0.7.0/25")
    site.put("large", 8, "10.0.0.0/16")
    site.settle()
    assert site.findings("small") == {NEIGHBOUR: "10.0.7.0/25 overlaps 10.0.0.0/16 of extra/8"}
    assert site.findings("large") == {NEIGHBOUR: "10.0.0.0/16 overlaps 10.0.7.0/25 of extra/7"}
    del site.cluster.objects[NetworkRef("default", "small")]
    site.updater.deleted("uid-small")
    site.settle()
    assert site.findings("large") == {}


def test_what_dhcp_offers_counts_as_well(site: Site) -> None:
    """A server that answers on its neighbour's VLAN."""
    site.put("office", 7, "10.0.7.0/24")
    site.appear(network(ref=NetworkRef("default", "auto"), uid="uid-auto", config=config(8)))
    site.answer("auto", offered="10.0.7.0/24")
    site.settle()
    assert set(site.findings("office")) == set(site.findings("auto")) == {NEIGHBOUR}
    site.answer("auto", offered="10.0.8.0/24")
    site.settle()
    site.answer("auto", offered="10.0.8.0/24")
    site.settle()
    assert (site.findings("office"), site.findings("auto")) == ({}, {})


def test_it_ends_while_dhcp_says_nothing_and_leaves_no_doubt(site: Site) -> None:
    """It rests on the other network, not on what DHCP said; nothing waits for hosts to report."""
    site.appear(network(ref=NetworkRef("default", "auto"), uid="uid-auto", config=config(8)))
    site.answer("auto", offered="10.0.7.0/24")
    site.put("office", 7, "10.0.7.0/24")
    site.settle()
    assert set(site.findings("auto")) == {NEIGHBOUR}
    record = site.memories.conclusions(["uid-auto"])["uid-auto"]
    assert record.doubts == NO_DOUBTS
    for _ in range(4):
        site.clock.seconds += 400
        for name in ("auto", "office"):
            site.answer(name)
        site.settle()
    site.put("office", 7, "10.0.9.0/24")
    site.settle()
    assert (site.status("auto").state, site.findings("auto")) == (State.ACTIVE, {})


def test_networks_of_one_vlan_or_apart_on_purpose_do_not_overlap(site: Site) -> None:
    """Two on one segment, one VLAN by two cluster networks, and one that is marked as isolated."""
    site.put("office", 7, "10.0.7.0/24")
    site.put("guests", 7, "10.0.7.0/24")
    site.put("uplink", 7, "10.0.7.0/24", bridge="mgmt-br")
    site.put("island", 9, "10.0.7.0/24", isolated=True)
    site.settle()
    assert [site.findings(name) for name in ("office", "guests", "uplink", "island")] == [{}, {}, {}, {}]


@pytest.mark.parametrize(
    ("own", "text"),
    [
        ("10.0.7.0/24", "10.0.7.0/24 overlaps 10.0.7.0/24, a network of the hosts"),
        ("10.0.0.0/16", "10.0.7.0/24 overlaps 10.0.0.0/16, a network of the hosts"),
        ("10.0.7.254/32", "10.0.7.0/24 holds 10.0.7.254, the hosts' default gateway"),
    ],
)
def test_the_management_network_is_told(site: Site, own: str, text: str) -> None:
    """Once it is believed; a claim alone neither makes nor ends the finding."""
    site.put("office", 7, "10.0.7.0/24")
    site.hosts.unsure_connected = frozenset({IPv4Network(own)})
    site.settle()
    assert site.findings("office") == {}
    site.hosts.connected, site.hosts.unsure_connected = site.hosts.unsure_connected, frozenset()
    site.settle()
    assert site.findings("office") == {MANAGEMENT: text}
    # The updater starts again.
    site.hosts.connected, site.hosts.unsure_connected = frozenset(), site.hosts.connected
    site.settle()
    assert site.findings("office") == {MANAGEMENT: text}
    site.hosts.unsure_connected = frozenset()
    site.settle()
    assert site.findings("office") == {}


def test_the_hosts_own_vlan_is_no_overlap(site: Site) -> None:
    """Where hosts have their address on that very VLAN, an echo does use it; elsewhere it is one."""
    announced = HostAnnouncement(
        host="node1", uplinks={}, version="1", incarnation=1,
        vlan_addresses=(VlanAddress(cluster_network="extra", vlan=7, address="10.0.7.20", prefix=24),),
    )  # fmt: skip
    site.hosts.vlans = networks_on_vlans([announced])
    site.hosts.connected = frozenset(map(IPv4Network, ("10.0.7.0/24", "10.0.7.1/32")))
    site.put("office", 7, "10.0.7.0/24")
    site.put("other", 8, "10.0.7.0/25")
    site.settle()
    assert MANAGEMENT not in site.findings("office")
    assert MANAGEMENT in site.findings("other")


def test_a_forged_network_marks_no_more_than_a_few(site: Site) -> None:
    """Whoever reaches Redis may announce 10.0.0.0/8, and an owner name it as cidr: others stay quiet."""
    count = MAX_OVERLAPS + 4
    for vlan in range(1, count + 1):
        site.put(f"net{vlan}", vlan, f"10.0.{vlan}.0/24")
    site.settle()
    writes = len(site.cluster.written)
    site.hosts.connected = frozenset({IPv4Network("10.0.0.0/8")})
    site.put("forged", 4000, "10.0.0.0/8")
    site.settle()
    assert len(site.cluster.written) == writes + 1
    assert site.findings("forged") == {
        NEIGHBOUR: f"10.0.0.0/8 holds the subnets of more than {MAX_OVERLAPS} other VLANs"
    }
    for vlan in range(1, 5):
        site.put(f"net{vlan}", vlan, f"10.9.{vlan}.0/24" if vlan == 1 else f"172.16.{vlan}.0/24")
    site.settle()
    assert NEIGHBOUR in site.findings("forged")


def test_after_a_start_what_stands_is_kept_until_all_is_known(site: Site) -> None:
    """The list of networks may come in parts: no Event tells what was told before."""
    site.put("office", 7, "10.0.7.0/24")
    site.put("copy", 8, "10.0.7.0/24")
    site.settle()
    again = Site(cluster=site.cluster)
    again.hosts.is_settled = False
    site.cluster.events.clear()
    again.updater.upserted(site.cluster.objects[NetworkRef("default", "office")])
    again.answer("office")
    again.settle()
    assert set(again.findings("office")) == {NEIGHBOUR}
    again.updater.upserted(site.cluster.objects[NetworkRef("default", "copy")])
    again.answer("copy")
    again.hosts.is_settled = True
    again.settle()
    assert [set(again.findings(name)) for name in ("office", "copy")] == [{NEIGHBOUR}, {NEIGHBOUR}]
    assert site.cluster.events == []


SUBNETS = st.tuples(st.integers(0, 31), st.integers(27, 32)).map(
    lambda pair: IPv4Network((pair[0], pair[1]), strict=False)
)
SEGMENTS = st.builds(Segment, cluster_network=st.sampled_from(["extra", "mgmt"]), vlan=st.integers(1, 14))
CHANGES = st.lists(
    st.tuples(st.integers(0, 24), SEGMENTS, st.none() | SUBNETS), min_size=1, max_size=60
)  # fmt: skip
HOST_NETWORKS = [IPv4Network("0.0.0.0/28"), IPv4Network("0.0.0.9/32")]


def plainly(of: dict[str, tuple[Segment, IPv4Network]], segment: Segment, cidr: IPv4Network) -> object:
    """Look at all networks."""

    def held(outer: IPv4Network, by: Segment) -> set[Segment]:
        return {
            s for s, c in of.values()
            if s != by and c.subnet_of(outer) and not (s.vlan == by.vlan and c == outer)
        }  # fmt: skip

    if len(held(cidr, segment)) > MAX_OVERLAPS:
        return None
    return {
        (s, c) for s, c in of.values()
        if s != segment and c.overlaps(cidr) and not (s.vlan == segment.vlan and c == cidr)
        and (c.subnet_of(cidr) or len(held(c, s)) <= MAX_OVERLAPS)
    }  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(changes=CHANGES)
def test_the_index_finds_what_looking_at_all_would_and_names_who_is_concerned(changes: list) -> None:  # type: ignore[type-arg]
    """After each change, and every network for which the answer differs is among those that are named."""
    index = Subnets()
    of: dict[str, tuple[Segment, IPv4Network]] = {}
    for number, segment, cidr in changes:
        uid = str(number)
        before = {u: plainly(of, *found) for u, found in of.items()}
        common = {n: len({s for s, c in of.values() if c.overlaps(n)}) > MAX_OVERLAPS for n in HOST_NETWORKS}
        touched = index.put(uid, segment, cidr, HOST_NETWORKS)
        of.pop(uid, None)
        if cidr is not None:
            of[uid] = (segment, cidr)
        after = {u: plainly(of, *found) for u, found in of.items()}
        for u, (where, own) in of.items():
            found = index.overlapping(where, own)
            assert (None if found is None else set(found)) == after[u]
            if u != uid and after[u] != before.get(u):
                assert where in touched or where == segment
        for n in HOST_NETWORKS:
            concerned = {s for s, c in of.values() if c.overlaps(n)}
            assert index.is_common(n) == (len(concerned) > MAX_OVERLAPS)
            if index.is_common(n) != common[n]:
                assert concerned - {segment} <= touched


def test_who_holds_too_many_is_dropped_everywhere_at_once() -> None:
    """The ninth subnet makes the large one too large; without it the others are told again."""
    index, large = Subnets(), Segment(cluster_network="extra", vlan=100)
    index.put("large", large, IPv4Network("10.0.0.0/16"))
    segments = [Segment(cluster_network="extra", vlan=vlan) for vlan in range(1, MAX_OVERLAPS + 2)]
    for segment in segments:
        touched = index.put(str(segment), segment, IPv4Network(f"10.0.{segment.vlan}.0/24"))
    assert touched == {large, *segments[:-1]}
    assert index.overlapping(segments[0], IPv4Network("10.0.1.0/24")) == []
    assert index.put(str(segments[-1]), None, None) == {large, *segments[:-1]}
    assert index.overlapping(segments[0], IPv4Network("10.0.1.0/24")) == [(large, IPv4Network("10.0.0.0/16"))]


def test_a_change_looks_at_few_of_four_thousand() -> None:
    """Its cost does not grow with the networks that have nothing to do with it."""
    index = Subnets()
    for number in range(4000):
        segment = Segment(cluster_network=f"c{number // 4000}", vlan=number % 4000 + 1)
        subnet = IPv4Network(((10 << 24) + (number << 8), 24))
        assert index.put(str(number), segment, subnet) == set()
    looked = []

    class Counting(dict[object, object]):
        def __getitem__(self, key: object) -> object:
            looked.append(key)
            return super().__getitem__(key)

    index._at = Counting(index._at)  # type: ignore[assignment]
    other = Segment(cluster_network="other", vlan=9)
    touched = index.put("new", other, IPv4Network("10.0.7.0/25"))
    assert touched == {Segment(cluster_network="c0", vlan=8)}
    index.put("new", other, IPv4Network("10.0.0.0/8"))
    assert 2 <= len(looked) < 400
