"""N6, N20 on real frames: strangers are quicker than dnsmasq and ISC dhcpd, which check the address first."""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from lab.running import RunningSite, start_site
from lab.site import ServerKind
from lab.site_builder import build_site, build_vlan, vlan_cidr
from services.contract.limits import MAX_SERVERS
from services.contract.messages import Segment, SegmentProbe, Target, Verdict
from services.contract.outcomes import Reason
from services.contract.verdicts import AgedVerdict
from services.network.judge.reduction import Conclusion, reduce
from services.network.parse.intent import Intent
from tests.faults.hostile import ROGUE
from tests.faults.trunk import outcome, probe, standing_at_port
from tests.network.lab_site import require_lab

pytestmark = pytest.mark.network

DNSMASQ, ISC = ServerKind.DNSMASQ, ServerKind.ISC
STRANGER = {60: DNSMASQ, 61: ISC}
"""VLANs on which another server answers at once, with the kind of their own server, which does not."""
TRUE_ID = {62: DNSMASQ, 63: ISC}
INVENTED = {64: ISC}
ALONE, NEW = 65, 66
"""VLANs without a server of their own; on the second no gateway is known, or answers."""
SCRIPTS = {
    **{vlan: ["rogue"] for vlan in [*STRANGER, ALONE, NEW]},
    **{vlan: ["true id"] for vlan in TRUE_ID},
    **{vlan: ["invented"] for vlan in INVENTED},
}
SITE = build_site(
    [
        *(build_vlan(vlan, server=kind, ping_check=True)
          for vlan, kind in {**STRANGER, **TRUE_ID, **INVENTED}.items()),
        build_vlan(ALONE, server=None),
    ],
    hosts=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Verdict]]:
    """Probe all VLANs at once; one run, because a missing offer is waited for until the deadline."""
    require_lab(SITE)
    with start_site(SITE, tmp_path_factory.mktemp("lab") / "state") as running:
        yield _probe(running)


def _probe(site: RunningSite) -> dict[int, Verdict]:
    with standing_at_port(site, "hostile", json.dumps(SCRIPTS)):
        return probe(site, [_ask(vlan) for vlan in SCRIPTS])


def _ask(vlan: int) -> SegmentProbe:
    intent = intent_of(vlan)
    target = Target(digest=intent.digest, gateway=intent.known_gateway)
    return SegmentProbe(vlan=vlan, ask_dhcp=True, targets=(target,))


def intent_of(vlan: int) -> Intent:
    """Return the intent of a network whose gateway is known, except on VLAN NEW."""
    cidr = None if vlan == NEW else vlan_cidr(vlan)
    return Intent(
        Segment(cluster_network="extra", vlan=vlan), "auto",
        known_gateway=None if cidr is None else cidr[1], known_cidr=cidr,
    )  # fmt: skip


def judged(verdict: Verdict) -> Conclusion:
    """Return the state of the network, judged by this one verdict."""
    seen = [AgedVerdict(verdict, 1.0)]
    intent = intent_of(verdict.segment.vlan)
    return reduce(intent, seen, seen, hosts=frozenset({verdict.host}), fresh_s=600.0)


def offered(verdict: Verdict) -> set[tuple[str, bool]]:
    """Return the servers that offered, each with whether it named itself as the gateway."""
    assert verdict.dhcp is not None
    return {(str(offer.server), offer.server == offer.gateway) for offer in verdict.dhcp.servers}


@pytest.mark.parametrize("vlan", STRANGER)
def test_n20_quick_stranger_does_not_take_the_place_of_the_known_gateway(
    verdicts: dict[int, Verdict], vlan: int
) -> None:
    """N6: both servers are reported; the state stays that of the known gateway."""
    known = str(vlan_cidr(vlan)[1])
    assert offered(verdicts[vlan]) == {(known, True), (ROGUE, True)}
    conclusion = judged(verdicts[vlan])
    assert str(conclusion.gateway) == known
    assert conclusion.answering == ("node1",)
    assert Reason.DHCP_SERVERS_DISAGREE in conclusion.findings


@pytest.mark.parametrize("vlan", TRUE_ID)
def test_n20_offer_under_the_true_servers_id_is_told_and_displaces_nothing(
    verdicts: dict[int, Verdict], vlan: int
) -> None:
    """Both offers are reported, each with the MAC address that it came from."""
    known = vlan_cidr(vlan)[1]
    assert offered(verdicts[vlan]) == {(str(known), True), (str(known), False)}
    conclusion = judged(verdicts[vlan])
    assert conclusion.gateway == known
    text = conclusion.findings[Reason.SERVER_ID_SHARED]
    assert verdicts[vlan].dhcp is not None
    for offer in verdicts[vlan].dhcp.servers:  # type: ignore[union-attr]
        assert str(offer.mac) in text


def test_n20_flood_of_invented_servers_displaces_nothing_and_is_told(verdicts: dict[int, Verdict]) -> None:
    """A hundred quick offers, and the true one a second later."""
    (vlan,) = INVENTED
    known = vlan_cidr(vlan)[1]
    verdict = verdicts[vlan]
    assert verdict.dhcp is not None
    assert len(verdict.dhcp.servers) == MAX_SERVERS
    assert verdict.dhcp.omitted >= 101 - MAX_SERVERS
    conclusion = judged(verdict)
    assert conclusion.gateway == known
    assert [server.server for server in conclusion.servers] == [str(known)]
    assert Reason.TOO_MANY_DHCP_SERVERS in conclusion.findings


def test_n20_stranger_alone_does_not_take_the_place_of_a_gateway_that_answers(
    verdicts: dict[int, Verdict],
) -> None:
    """The known one is kept, and the finding names the stranger."""
    conclusion = judged(verdicts[ALONE])
    assert conclusion.gateway == vlan_cidr(ALONE)[1]
    assert conclusion.answering == ("node1",)
    assert ROGUE in conclusion.findings[Reason.OTHER_SERVER_ANSWERED]


def test_n20_same_frames_name_the_gateway_where_none_is_known(verdicts: dict[int, Verdict]) -> None:
    """So the stranger's offer was valid, and was disregarded for no other reason."""
    assert outcome(verdicts[NEW]) == "offered"
    assert judged(verdicts[NEW]).gateway == IPv4Address(ROGUE)
