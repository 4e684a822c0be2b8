"""W15: where intervals are shorter than a DHCP ask, as in the demo, a state that holds is told once."""

import pytest

from services.contract.outcomes import State
from services.watcher.limits.pace import Pace
from tests.simulation.loop import Loop, network_of
from tests.simulation.site import Vlan

TIME_S = 1_800.0
DEMO = Pace(sweep_s=15.0, retry_s=5.0, ask_window_s=15.0)
PACES = {
    "demo": DEMO,
    "shortest": Pace(5.0, 1.0, 1.0),
    "window as long as the sweep": Pace(60.0, 60.0, 60.0),
    "default": Pace(),
}


@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
@pytest.mark.parametrize("name", PACES)
def test_a_fault_that_lasts_is_told_once(name: str, hosts: int) -> None:
    """W15: a VLAN without DHCP stays DHCPFailed, and a silent gateway Unreachable, for as long as that is so;
    every host takes part in finding out."""
    vlans = {
        State.DHCP_FAILED: Vlan(7, has_dhcp=False),
        State.UNREACHABLE: Vlan(8, is_manual=True, gateway_out=(0.0, 2 * TIME_S)),
    }
    loop = Loop(vlans.values(), seed=3, lost=0.0, pace=PACES[name], review_all_s=5.0)
    names = [f"n{number}" for number in range(hosts)]
    loop.announce(dict.fromkeys(names, 1))
    for vlan in vlans.values():
        loop.create(vlan.vlan, network_of(vlan))
    loop.run(TIME_S)
    for state, vlan in vlans.items():
        record = loop.records[vlan.vlan]
        told = [each for _, each, _, _ in record.reported]
        assert told[-1] == state
        assert told.count(state) == 1, record.reported
        worked = {host for _, _, host in record.asks} | {host for _, _, host, _ in record.checks}
        assert worked == {*names}
