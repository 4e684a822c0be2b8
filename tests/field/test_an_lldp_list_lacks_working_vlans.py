"""A trunk of 200 VLANs, whose switch advertises few of them by LLDP: the list accuses nobody.

Switches leave out VLANs that do not fit into the frame, or advertise the native VLAN alone.
"""

from dataclasses import replace

import pytest

from services.contract.member_nics import LLDPState, MemberNIC, SwitchPort
from services.contract.messages import Segment
from services.contract.outcomes import Reason, State
from services.contract.verdicts import AgedVerdict, SegmentVerdicts
from services.network.parse.status import Status
from services.network.policy import DEFAULT_POLICY
from services.view.explained_network import ExplainedNetwork, explain_network
from services.view.host_checks import RedisView
from services.view.rows import network_row
from tests.support.seen_networks import DOWN, found, network_with_status, record_of, view
from tests.unit.network.builders import SEGMENT

WORKING = range(1001, 1201)
STATE, REASON = State.PARTIAL, Reason.GATEWAY_SILENT_ON_SOME_HOSTS
NAME = "Gi1/0/14 of sw-rack3 (node2, eno1)"
GIVEN = network_with_status(STATE, REASON, hosts={"node2": "GatewaySilentOnVlan"})
RECORD = record_of(GIVEN, GIVEN.status or Status(STATE, REASON))


def seen(**said: object) -> RedisView:
    """Return a site with 200 VLANs that work on node2, and one that does not; said: of its switch port."""
    port = SwitchPort(switch="sw-rack3", port="Gi1/0/14").model_copy(update=said)
    member = MemberNIC(interface="eno1", cluster_networks=("extra",), lldp=LLDPState.HEARD, port=port)
    base = view(found("node1"), found("node2", DOWN), conclusions=(RECORD,))
    hosts = {**base.hosts, "node2": base.hosts["node2"].model_copy(update={"members": (member,)})}
    verdicts = dict(base.verdicts)
    for vlan in WORKING:
        segment = Segment(cluster_network="extra", vlan=vlan)
        answered = found("node2").model_copy(update={"segment": segment})
        verdicts[segment] = SegmentVerdicts((AgedVerdict(answered, 4.0),))
    return replace(base, hosts=hosts, verdicts=verdicts)


def explained(site: RedisView) -> ExplainedNetwork:
    row = network_row(GIVEN, DEFAULT_POLICY, RECORD)
    return explain_network(GIVEN, row, [GIVEN], DEFAULT_POLICY, site)


def by_lldp(site: RedisView) -> list[str]:
    """Return what is said of the VLAN by LLDP, of the 200 working ones first."""
    return [text for text in explained(site).meaning if "LLDP" in text]


@pytest.mark.parametrize(
    "said",
    [
        {"vlans": ((1001, 1040),)},
        {"vlans": ((1001, 1199),)},
        {"native_vlan": 1},
        {"native_vlan": 1, "vlans": ((1, 1),)},
        {},
        {"vlans": ((1001, 1200),), "others": 1},
        {"vlans": ((100, 100), (1001, 1200))},
    ],
    ids=["40 of 200", "199 of 200", "PVID alone", "the native VLAN by name", "nothing", "a hub", "all"],
)
def test_no_vlan_is_accused_by_a_list_that_lacks_one_that_works(said: dict[str, object]) -> None:
    """40 of 200, all but one, the PVID alone, or another sender's list: none says anything of a VLAN."""
    assert by_lldp(seen(**said)) == []


def test_a_list_that_holds_all_that_is_heard_supports_the_cause() -> None:
    """It is a sentence more, and the port is named; the state and the reason are what the probes found."""
    result = explained(seen(vlans=((1001, 1200),)))
    (said,) = [text for text in result.meaning if "LLDP" in text]
    assert said == (
        f"By LLDP, {NAME} advertises 200 VLANs, not VLAN {SEGMENT.vlan}; all that the host hears are among "
        "them."
    )
    assert (result.row.state, result.row.reason) == (STATE, REASON)
    assert result.steps[0].startswith(f"On {NAME}, check that the port is a trunk")
    assert any(f"missing on {NAME}." in text for text in result.meaning)


def test_a_host_that_hears_nothing_is_accused_by_no_list() -> None:
    """Nothing shows then that the list is whole."""
    site = seen(vlans=((1001, 1200),))
    assert by_lldp(replace(site, verdicts={SEGMENT: site.verdicts[SEGMENT]})) == []


def test_the_native_vlan_is_told_where_nothing_is_heard_on_it() -> None:
    """It is untagged on the port, so what is sent with its tag may be dropped."""
    assert by_lldp(seen(native_vlan=SEGMENT.vlan)) == [
        f"By LLDP, VLAN {SEGMENT.vlan} is the native VLAN of {NAME}: it is untagged there."
    ]
