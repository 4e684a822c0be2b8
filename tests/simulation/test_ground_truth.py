"""The judge itself: a status that was true is let pass, and each kind of false word is found."""

from dataclasses import replace

import pytest

from services.network.parse.status import Status
from tests.simulation.ground_truth import SWEEP_S, WORSE_S, Truth, Written, falsehoods, unheard

HOSTS = ("n1", "n2", "n3")
NOW = 10_000.0
VLAN = 7
ACTIVE = Status("Active", "GatewayAnswers", connectivity="true")
PARTIAL = Status(
    "Partial", "GatewaySilentOnSomeHosts", connectivity="true", hosts={"n2": "GatewaySilentOnVlan"}
)
UNREACHABLE = Status("Unreachable", "GatewaySilent", connectivity="false")
OFF_VLAN = Status("OffVlan", "GatewaySilentOnVlan", connectivity="true")
ISOLATED = Status("Isolated", "GatewayNotRouted", connectivity="false")
DHCP_FAILED = Status("DHCPFailed", "NoDHCPOffer", connectivity="DHCP failed")


def written(after: Status, *, before: Status | None = ACTIVE, **more: object) -> Written:
    """Return a status that is written now, with all hosts up."""
    made = Written(
        NOW,
        VLAN,
        before,
        after,
        believed=HOSTS,
        asked=HOSTS,
        steady=HOSTS,
        news_since=NOW - WORSE_S,
        swept_since=NOW - SWEEP_S,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def truth(*facts: tuple[str, str], since: float = NOW - WORSE_S + 1.0, until: float | None = None) -> Truth:
    """Return a site where these paths are broken from a host since then, until then."""
    made = Truth()
    for path, host in facts:
        made.set((path, VLAN, host), False, since)
        if until is not None:
            made.set((path, VLAN, host), True, until)
    return made


def everywhere(*paths: str) -> list[tuple[str, str]]:
    """Return these paths from all hosts."""
    return [(path, host) for path in paths for host in HOSTS]


TRUE = [
    pytest.param(truth(), ACTIVE, id="all answers"),
    pytest.param(truth(("vlan", "n2")), PARTIAL, id="one host is silent"),
    pytest.param(truth(*everywhere("vlan", "routed")), UNREACHABLE, id="nothing answers"),
    pytest.param(truth(*everywhere("vlan")), OFF_VLAN, id="routing alone answers"),
    pytest.param(truth(*everywhere("routed")), ISOLATED, id="the VLAN alone answers"),
    pytest.param(truth(("dhcp", "")), DHCP_FAILED, id="no server answers"),
    pytest.param(truth(*everywhere("dhcp")), DHCP_FAILED, id="no host gets an offer"),
    pytest.param(
        truth(*everywhere("vlan", "routed"), until=NOW - 1.0), UNREACHABLE, id="it answers again just now"
    ),
    pytest.param(
        truth(("uplink", "n2"), ("vlan", "n2")), replace(ACTIVE, hosts={"n2": "UplinkDown"}), id="uplink down"
    ),
]


@pytest.mark.parametrize(("site", "after"), TRUE)
def test_what_was_true_within_the_bound_is_let_pass(site: Truth, after: Status) -> None:
    """News of the last 41 s, and of a host for which it was so at some time of them."""
    assert list(falsehoods(site, written(after))) == []


STALE = truth(*everywhere("vlan", "routed"), since=NOW - 300.0, until=NOW - WORSE_S - 1.0)
"""All was silent, but no longer within the bound for news."""
FALSE = [
    pytest.param(truth(), PARTIAL, "silent on ['n2']", id="a host is accused"),
    pytest.param(truth(), UNREACHABLE, "silent on ['n1', 'n2', 'n3']", id="all are accused"),
    pytest.param(truth(), ISOLATED, "false, but it answers", id="it is routed"),
    pytest.param(
        truth(("routed", "n1")), ISOLATED, "false, but it answers ['n2', 'n3']", id="it is routed to two"
    ),
    pytest.param(STALE, UNREACHABLE, "silent on", id="news that is too old"),
    pytest.param(
        truth(*everywhere("routed"), since=0.0), ACTIVE, "true, but it answers no host", id="not routed"
    ),
    pytest.param(
        truth(*everywhere("vlan"), since=0.0), ACTIVE, "Active, but it answers nobody", id="silent for long"
    ),
    pytest.param(
        truth(("vlan", "n2"), since=0.0), ACTIVE, "not that it is silent on ['n2']", id="one is left out"
    ),
    pytest.param(truth(), DHCP_FAILED, "DHCP is out, but it answers", id="DHCP answers"),
    pytest.param(
        truth(("dhcp", "n1")), DHCP_FAILED, "DHCP is out, but it answers ['n2', 'n3']", id="two get offers"
    ),
    pytest.param(truth(), replace(ACTIVE, dhcp_out=True), "DHCP is out", id="DHCP answers beside a gateway"),
    pytest.param(truth(), replace(ACTIVE, state="Unknown"), "Unknown, but", id="hosts could report"),
    pytest.param(truth(), replace(ACTIVE, state="Pending"), "Pending, after Active", id="it was known"),
    pytest.param(
        truth(), replace(ACTIVE, hosts={"n1": "UplinkDown"}), "UplinkDown of n1", id="its uplink works"
    ),
    pytest.param(truth(), replace(ACTIVE, hosts={"n1": "SendFailed"}), "SendFailed of n1", id="it can send"),
    pytest.param(
        truth(), replace(PARTIAL, hosts={"n2": "NativeVlan"}), "silent on ['n2']", id="it answers tagged"
    ),
    pytest.param(truth(), replace(PARTIAL, hosts={}), "Partial, but no host is named", id="nobody is named"),
]


@pytest.mark.parametrize(("site", "after", "what"), FALSE)
def test_each_kind_of_false_word_is_found(site: Truth, after: Status, what: str) -> None:
    """A state that is worse than anything in the time that it may be about, or better, or another cause."""
    found = list(falsehoods(site, written(after)))
    assert any(each.startswith(what) or what in each for each in found), found


def test_what_was_known_before_a_recovery_accuses_nobody() -> None:
    """A host that was silent with all others, and has not looked again since."""
    site = truth(("vlan", "n2"), since=NOW - 300.0, until=NOW - WORSE_S - 1.0)
    for before in (UNREACHABLE, OFF_VLAN):
        assert list(falsehoods(site, written(PARTIAL, before=before))) == [
            "silent on ['n2'], where it answers"
        ]
    assert list(falsehoods(site, written(PARTIAL, before=PARTIAL))) == []


def test_a_host_that_could_report_is_not_passed_over() -> None:
    """And one that could not may be."""
    told = written(replace(ACTIVE, hosts={"n1": "NotHeard"}))
    assert list(unheard(told)) == ["NotHeard of n1, which could report"]
    assert list(unheard(replace(told, steady=("n2", "n3")))) == []


def test_nothing_is_known_where_no_uplink_works() -> None:
    """And something is, once one does."""
    told = replace(ACTIVE, state="Unknown", hosts=dict.fromkeys(("n1", "n2", "n3"), "UplinkDown"))
    down = truth(*(("uplink", host) for host in ("n1", "n2", "n3")))
    assert list(falsehoods(down, written(told))) == []
    of_two = replace(told, hosts={"n1": "UplinkDown", "n2": "UplinkDown"})
    assert list(falsehoods(down, written(of_two))) == ["Unknown, but ['n3'] could report"]


def test_a_host_that_asked_in_vain_may_lose_its_uplink() -> None:
    """While no other host could ask; its uplink alone proves nothing."""
    told = replace(ACTIVE, dhcp_out=True, hosts={"n2": "UplinkDown"})
    alone = written(told, asked=("n2",), steady=("n2",))
    assert list(falsehoods(truth(("dhcp", "n2"), ("uplink", "n2")), alone)) == []
    assert list(falsehoods(truth(("uplink", "n2")), alone)) == ["DHCP is out, but it answers []"]


def test_a_host_that_asked_in_vain_may_lose_too_many_frames_since() -> None:
    """While the only other host crashes again and again; its losses alone prove nothing."""
    told = replace(ACTIVE, dhcp_out=True, hosts={"n2": "Inconclusive"})
    alone = written(told, asked=("n1", "n2"), steady=("n2",))
    assert list(falsehoods(truth(("dhcp", "n2")), alone)) == []
    assert list(falsehoods(truth(), alone)) == ["DHCP is out, but it answers ['n1']"]


def test_one_host_speaks_for_all_of_a_gateway_that_dhcp_just_named() -> None:
    """The others learn of it by the write; but one has to have found it so."""
    site = truth(("routed", "n2"))
    assert list(falsehoods(site, written(ISOLATED, before=None, is_first_offer=True))) == []
    assert list(falsehoods(site, written(ISOLATED, before=None)))
    assert list(falsehoods(truth(), written(ISOLATED, before=None, is_first_offer=True)))


def test_a_host_that_could_not_tell_says_nothing() -> None:
    """The only one that the gateway answers through routing may have lost its frames."""
    site = truth(("routed", "n1"), ("routed", "n2"))
    assert list(falsehoods(site, written(ISOLATED)))
    told = replace(ISOLATED, hosts={"n3": "Inconclusive"})
    assert list(falsehoods(site, written(told))) == []


def test_what_was_told_before_may_be_as_old_as_a_sweep() -> None:
    """The same words are false as news and true where they stood before."""
    assert list(falsehoods(STALE, written(UNREACHABLE)))
    assert list(falsehoods(STALE, written(UNREACHABLE, before=UNREACHABLE))) == []


def test_hosts_that_were_away_are_accused_of_nothing() -> None:
    """A host that was down for longer than a restart takes has no part in what is told."""
    site = truth(("vlan", "n1"), ("routed", "n1"))
    assert list(falsehoods(site, written(UNREACHABLE)))
    assert list(falsehoods(site, written(UNREACHABLE, asked=("n1",)))) == []


def test_a_gateway_that_does_not_exist_never_answers() -> None:
    """Of an owner's or a rogue's gateway only silence is true."""
    assert list(falsehoods(truth(), written(UNREACHABLE, is_gateway_real=False))) == []
    assert list(falsehoods(truth(), written(ACTIVE, is_gateway_real=False)))


def test_the_vlan_decides_where_a_network_is_marked_as_isolated() -> None:
    """One host that is silent on the VLAN makes it "false", and routing does not."""
    told = replace(PARTIAL, connectivity="false")
    assert list(falsehoods(truth(("vlan", "n2")), written(told, is_isolated=True))) == []
    assert list(
        falsehoods(truth(*everywhere("routed")), written(replace(ISOLATED, state="Active"), is_isolated=True))
    )
    assert list(falsehoods(truth(*everywhere("routed"), since=0.0), written(ACTIVE, is_isolated=True))) == []


def test_while_frames_are_lost_both_are_true() -> None:
    """And no longer."""
    site, fact = Truth(), ("vlan", VLAN, "n2")
    site.blur(fact, NOW - 100.0)
    assert list(falsehoods(site, written(PARTIAL))) == []
    site.clear(fact, NOW - WORSE_S - 1.0)
    assert list(falsehoods(site, written(PARTIAL)))
