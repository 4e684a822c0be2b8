"""An owner's edit is due within 100 ms, whatever happened before."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from services.network.parse.nad import Network
from services.watcher.limits.pace import MIN_GAP_S
from services.watcher.plan.host_probe import HostProbe
from services.watcher.plan.known import COALESCE_S, PROBE_NOW_GAP_S
from tests.unit.watcher.builders import ACTIVE, KNOWN, MANUAL, SAVED, network, status_of
from tests.unit.watcher.test_schedule_properties import HISTORY, HOSTS, Simulation

A = network("a").uid
QUIET_S = PROBE_NOW_GAP_S + 0.5
OTHER_GATEWAY = MANUAL.replace("10.0.7.1", "10.0.7.77")
BEFORE = st.builds(
    lambda route, status, vlan: network("a", vlan=vlan, route=route, status=status),
    st.sampled_from([None, '{"mode":"auto"}', KNOWN, MANUAL]),
    st.sampled_from(
        [None, ACTIVE, status_of("Unreachable", gateway="10.0.7.1"), status_of("DHCPFailed", "NoDHCPOffer")]
    ),
    st.sampled_from([7, 8]),
)
EDITS = ["vlan", "mode", "gateway", "server", "save", "cut back", "by hand", "again"]


def edited(before: Network, edit: str) -> Network | None:
    """Return the network after this edit; None where the edit would change nothing."""
    route = before.annotations.get("network.harvesterhci.io/route")
    status = before.annotations.get("nadroute.io/status")
    vlan = int(json.loads(str(before.config))["vlan"])
    is_manual = route == MANUAL
    match edit:
        case "vlan":
            return network("a", vlan=9, route=route, status=status)
        case "mode":
            return network("a", vlan=vlan, route='{"mode":"auto"}' if is_manual else MANUAL, status=status)
        case "gateway" if is_manual:
            return network("a", vlan=vlan, route=OTHER_GATEWAY, status=status)
        case "server" if not is_manual:
            named = '{"mode":"auto","serverIPAddr":"10.0.7.5"}'
            return network("a", vlan=vlan, route=named, status=status)
        case "save" if route == KNOWN:
            return network("a", vlan=vlan, route=SAVED, status=status)
        case "cut back" if route == KNOWN:
            return network("a", vlan=vlan, route='{"mode":"auto"}', status=status)
        case "by hand":
            return network("a", vlan=vlan, route=route, status=status, probe_now="now")
        case "again":
            return network("a", vlan=vlan, route=route, status=status, uid="u2")
    return None


@given(
    history=HISTORY,
    seed=st.integers(0, 2**32),
    before=BEFORE,
    edit=st.sampled_from(EDITS),
    is_recreated=st.booleans(),
)
@settings(max_examples=400)
def test_an_edit_is_due_within_100_ms(
    history: list[tuple[float, tuple[object, ...]]], seed: int, before: Network, edit: str, is_recreated: bool
) -> None:
    """After a quiet time, each kind of edit, deletion and re-creation is probed by at least one host for the
    present intent; a new manual gateway by every host; with DHCP wherever the network is auto."""
    run = Simulation(seed)
    for delay, step in history:
        run.advance(run.now + delay)
        run.apply(step)
    run.losing = False
    run.announce(HOSTS, 3)
    run.schedule.upsert(before, run.now)
    run.advance(run.now + QUIET_S)
    while run.sent and run.sent[-1][0] > run.now - MIN_GAP_S:
        # A regular ask has just begun: the next one would have to wait.
        run.advance(run.now + MIN_GAP_S)
    after = edited(before, edit)
    if after is None:
        return
    run.sent.clear()
    if is_recreated:
        run.schedule.delete(A, run.now)
    run.schedule.upsert(after, run.now)
    edited_at = run.now
    run.advance(run.now + COALESCE_S)
    vlan = int(json.loads(str(after.config))["vlan"])
    mine = [probe for _, probe in run.sent if probe.probe.vlan == vlan]
    assert mine, f"nothing within {COALESCE_S} s of {edited_at}"
    route = after.annotations.get("network.harvesterhci.io/route", "")
    if '"manual"' not in route:
        assert [probe for probe in mine if probe.probe.ask_dhcp]
    else:
        assert any(_gateways(probe) & _gateway_of(route) for probe in mine)
    if edit == "gateway":
        checking = {probe.host for probe in mine if _gateways(probe) & _gateway_of(route)}
        assert checking == set(HOSTS)


def _gateways(probe: HostProbe) -> set[str]:
    return {str(target.gateway) for target in probe.probe.targets}


def _gateway_of(route: str) -> set[str]:
    return {str(json.loads(route)["gateway"])}
