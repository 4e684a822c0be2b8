"""The prober's settings, and the engine settings that they become."""

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from services.contract.errors import ConfigurationError
from services.network.policy import DEFAULT_POLICY
from services.prober.settings import ProberSettings


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"host": "Node 1"}, "--host='Node 1'"),
        ({"uplinks": {}}, "--uplinks={}"),
        ({"uplinks": {"extra": "an-interface-name-too-long"}}, "--uplinks"),
        ({"arp_rate": 0}, "--arp-rate=0"),
        ({"concurrency": 0}, "--concurrency=0"),
        ({"dhcp_deadline_s": -1}, "--dhcp-deadline-s=-1"),
    ],
)
def test_wrong_setting_is_named(flags: dict[str, Any], message: str) -> None:
    """The field, the value and what was expected."""
    with pytest.raises(ConfigurationError, match=message):
        ProberSettings.load(**{"host": "node1", "uplinks": {"extra": "extra-bo"}, **flags})


def test_prober_settings_set_the_engine() -> None:
    """The defaults are those of RFC 2131 and of measurements."""
    settings = ProberSettings.load(host="node1", uplinks={"extra": "extra-bo"}, arp_rate=10)
    engine = settings.engine_settings()
    assert (engine.dhcp_deadline_s, engine.arp_rate, engine.start_rate) == (12.0, 10.0, 1000.0)
    assert engine.retransmit_s == (4.0, 8.0, 16.0)


def test_the_prober_denies_what_the_updater_refuses() -> None:
    """The same subnets by default, and the host's own addresses; what is given takes the default's place."""
    settings = ProberSettings.load(host="node1", uplinks={"extra": "extra-bo"})
    assert settings.denied_subnets == DEFAULT_POLICY.denied_subnets
    pods = (int(IPv4Address("10.52.0.0")), 0xFFFF0000)
    assert pods in settings.engine_settings().denied
    given = settings.model_copy(update={"denied_subnets": (IPv4Network("10.9.0.0/24"),)})
    own = IPv4Address("10.0.7.4")
    assert given.engine_settings(own_addresses=[own]).denied == (
        (int(IPv4Address("10.9.0.0")), 0xFFFFFF00),
        (int(own), 0xFFFFFFFF),
    )


@pytest.mark.parametrize(
    ("flags", "expected_s"),
    [
        ({}, 25.0),
        ({"arp_inspection": True}, 256 * 6 / 9 + 16),
        ({"arp_rate": 10}, 256 * 3 / 10 + 16),
        ({"start_rate": 4}, 256 / 4 + 16),
        ({"dhcp_deadline_s": 40}, 256 * 3 / 500 + 44),
        ({"arp_rate": 1}, 600.0),
    ],
)
def test_the_announced_time_to_report_follows_from_the_pace(flags: dict[str, Any], expected_s: float) -> None:
    """It is the time for a full request in which nothing answers; at the usual pace it is the usual time."""
    settings = ProberSettings.load(host="node1", uplinks={"extra": "extra-bo"}, **flags)
    assert settings.report_within_s == pytest.approx(expected_s)
