"""A gateway that fails and recovers while the demo runs is reported by table, Events and text."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Demo, wait_until

BOTH = ("default/storefront", "production/storefront")

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("demo")]


def _all(demo: Demo, state: str) -> bool:
    states = demo.states()
    return all(states[network] == state for network in BOTH)


@contextlib.contextmanager
def _broken(demo: Demo) -> Iterator[None]:
    """Break the gateway of both for the duration of the block; other tests share the demo."""
    demo.nadroute("demo", "break", "7")
    try:
        yield
    finally:
        demo.nadroute("demo", "heal", "7")


@pytest.mark.kubectl
def test_a_gateway_that_breaks_and_heals_is_reported_everywhere(demo: Demo) -> None:
    """Both networks on the VLAN fail and recover; no other network gets an Event meanwhile."""
    wait_until(lambda: _all(demo, "Active"), "both networks to become Active")
    neighbour = demo.events("warehouse")
    before = demo.events("storefront")
    with _broken(demo):
        wait_until(lambda: _all(demo, "Unreachable"), "both networks to become Unreachable")
        wait_until(lambda: demo.route("storefront")["connectivity"] == "false", "the annotation to follow")
        wait_until(
            lambda: demo.events("storefront").count("Unreachable") > before.count("Unreachable"),
            "an Event on the network",
        )
        down = demo.events("storefront")
        text = " ".join(demo.nadroute("explain", "default/storefront").split())
        assert "default/storefront is ✘ Unreachable" in text
        assert "ARP for 10.0.112.1 on the VLAN: asked 3 times, no answer" in text
        assert "check that the interface on VLAN 7 is up and has the address 10.0.112.1" in text
    wait_until(lambda: _all(demo, "Active"), "both networks to become Active again")
    wait_until(lambda: demo.route("storefront")["connectivity"] == "true", "the annotation to follow")
    wait_until(
        lambda: demo.events("storefront").count("Active") > down.count("Active"),
        "an Event of its recovery",
    )
    assert "answered by" in demo.nadroute("explain", "default/storefront")
    assert demo.events("warehouse") == neighbour


@pytest.mark.kubectl
def test_a_pause_holds_the_reported_states(demo: Demo) -> None:
    """A broken gateway is not reported during a pause, and is reported after it."""
    wait_until(lambda: _all(demo, "Active"), "both networks to become Active")
    demo.nadroute("pause", "--reason", "test")
    with _broken(demo):
        try:
            found = demo.nadroute("probe", "default/storefront", "--wait", "--timeout", "100s")
            assert "Unreachable" in found
            assert _all(demo, "Active")
        finally:
            demo.nadroute("resume")
        wait_until(lambda: _all(demo, "Unreachable"), "the pause to be over")


@pytest.mark.long
def test_a_host_without_its_uplink_is_one_cause(demo: Demo) -> None:
    """All its networks have it, in explain, in status and in the metric; it ends with the trouble."""

    def causes() -> list[tuple[str, list[str], int]]:
        site = json.loads(demo.nadroute("explain", "-o", "json"))
        return [(cause["kind"], cause["hosts"], len(cause["networks"])) for cause in site["causes"]]

    wait_until(lambda: _all(demo, "Active"), "both networks to become Active")
    demo.nadroute("demo", "host-down", "node2")
    try:
        wait_until(lambda: causes()[0][:2] == ("HostUplink", ["node2"]), "one cause for node2's networks")
        wait_until(lambda: causes()[0][2] >= 9, "all its networks to have it")
    finally:
        demo.nadroute("demo", "host-up", "node2")
    wait_until(lambda: "HostUplink" not in [kind for kind, *_ in causes()], "the cause to end")


def test_the_tour_breaks_watches_explains_and_heals(demo: Demo) -> None:
    """Without waiting for Enter it runs to its end, and shows each stage; afterwards all is as before."""
    shown = demo.nadroute("demo", "tour", "--no-wait")
    assert "default/storefront is ✘ Unreachable" in shown
    assert shown.index("$ nadroute demo break 7") < shown.index("$ nadroute explain")
    assert shown.index("$ nadroute explain") < shown.index("$ nadroute demo heal 7")
    assert "That was the tour." in shown
    assert _all(demo, "Active")


def test_a_shell_on_a_host_sees_its_interfaces(demo: Demo) -> None:
    """The command runs in the host's network namespace, and its output is passed on."""
    shown = demo.nadroute("demo", "shell", "node2", "ip", "-brief", "link")
    assert {line.split("@")[0].split()[0] for line in shown.splitlines()} == {"lo", "extra-bo", "mgmt"}


def test_no_process_has_flowers_password_in_its_arguments(demo: Demo) -> None:
    """Every user of the machine can read them."""
    arguments = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments.append((process / "cmdline").read_bytes())
    assert any(b"flower" in line for line in arguments)
    assert not any(demo.flower_password.encode() in line for line in arguments)
