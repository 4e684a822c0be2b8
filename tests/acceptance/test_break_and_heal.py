"""A gateway that fails and recovers while the demo runs is reported by table, Events and text."""

import pytest

from tests.acceptance.conftest import Demo, wait_until

BOTH = ("default/storefront", "production/storefront")

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("demo")]


def _all(demo: Demo, state: str) -> bool:
    states = demo.states()
    return all(states[network] == state for network in BOTH)


@pytest.mark.kubectl
def test_a_gateway_that_breaks_and_heals_is_told_everywhere(demo: Demo) -> None:
    """Both networks on the VLAN fail and recover; no other network gets an Event meanwhile."""
    wait_until(lambda: _all(demo, "Active"), "both networks to become Active")
    neighbour = demo.events("warehouse")
    before = demo.events("storefront")
    demo.nadroute("demo", "break", "7")
    wait_until(lambda: _all(demo, "Unreachable"), "both networks to become Unreachable")
    assert demo.route("storefront")["connectivity"] == "false"
    wait_until(
        lambda: demo.events("storefront").count("Unreachable") > before.count("Unreachable"),
        "an Event on the network",
    )
    down = demo.events("storefront")
    told = demo.nadroute("explain", "default/storefront")
    assert "default/storefront is ✘ Unreachable" in told
    assert "ARP for 10.0.112.1 on the VLAN: asked 3 times, no answer" in told
    assert "is the router's interface for VLAN 7 up" in told
    demo.nadroute("demo", "heal", "7")
    wait_until(lambda: _all(demo, "Active"), "both networks to become Active again")
    assert demo.route("storefront")["connectivity"] == "true"
    wait_until(
        lambda: demo.events("storefront").count("Active") > down.count("Active"),
        "an Event of its recovery",
    )
    assert "answered by" in demo.nadroute("explain", "default/storefront")
    assert demo.events("warehouse") == neighbour


@pytest.mark.kubectl
def test_a_pause_holds_still_what_is_told(demo: Demo) -> None:
    """A broken gateway is not reported during a pause, and is reported after it."""
    wait_until(lambda: _all(demo, "Active"), "both networks to become Active")
    demo.nadroute("pause", "--reason", "test")
    demo.nadroute("demo", "break", "7")
    found = demo.nadroute("probe", "default/storefront", "--wait", "--timeout", "100s")
    assert "Unreachable" in found
    assert _all(demo, "Active")
    demo.nadroute("resume")
    wait_until(lambda: _all(demo, "Unreachable"), "the pause to be over")
