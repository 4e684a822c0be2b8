"""One probe of a segment for all the networks on it."""

from services.contract.limits import MAX_TARGETS
from services.network.parse.intent import Intent
from services.watcher.limits.workload import segment_probe
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT


def test_one_segment_is_probed_once_however_many_networks_name_it() -> None:
    """Two that ask the same are one target; DHCP is asked only where an auto network could use it."""
    auto, manual = Intent(SEGMENT, "auto"), Intent(SEGMENT, "manual", gateway=GATEWAY, cidr=CIDR)
    both = segment_probe([auto, manual, auto], ask_dhcp=True)
    assert (len(both.targets), both.ask_dhcp, both.vlan) == (2, True, 100)
    assert segment_probe([manual], ask_dhcp=True).ask_dhcp is False
    assert segment_probe([auto], ask_dhcp=False).ask_dhcp is False


def test_a_thousand_askings_on_one_segment_are_bounded() -> None:
    """A tenant's thousand gateways are no reason to fail, and the choice is the same each time."""
    intents = [Intent(SEGMENT, "manual", gateway=GATEWAY + i, cidr=CIDR) for i in range(1000)]
    probe = segment_probe(intents, ask_dhcp=False)
    assert len(probe.targets) == MAX_TARGETS
    assert probe == segment_probe(intents[::-1], ask_dhcp=False)
