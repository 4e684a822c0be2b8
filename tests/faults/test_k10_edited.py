"""A network that its owner edits while the updater writes it, on the real process."""

import json

import pytest

from services.network.parse import nad
from services.network.parse.nad import Network
from tests.faults.write_steps import STEPS, Step, vlans
from tests.integration.test_updater_process import LEASED, segment
from tests.support.updater_site import UpdaterSite, digest_of, route_of, state_of
from tests.support.write_history import by_us, of_network, trespasses
from tests.unit.network.builders import GATEWAY, verdict

ROUTE = f'{{"mode":"manual",{LEASED}}}'
OWNERS = {"mode": "manual", "cidr": "10.0.112.0/20", "gateway": "10.0.112.77", "serverIPAddr": "10.0.0.3"}


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_an_owners_edit_stands_from_then_on(updating: UpdaterSite, step: Step) -> None:
    """K10: at every step of the write: no version after the edit lacks a field of the owner's, and the state
    that follows is of the new gateway."""
    site, vlan = updating, next(vlans)
    name = f"edited-{vlan}"
    first = site.create(name, vlan=vlan, route=ROUTE)
    step.interfere(site, name, lambda: site.edit(name, nad.ROUTE, json.dumps(OWNERS)))
    for host in ("node1", "node2"):
        site.send(verdict(digest_of(first), host=host, segment=segment(vlan)))
    site.wait(lambda: route_of(site.get(name)).get("gateway") == OWNERS["gateway"])
    changed = digest_of(site.get(name))
    for host in ("node1", "node2"):
        site.send(verdict(changed, host=host, segment=segment(vlan), counter=2, gateway=GATEWAY + 76))
    whole = {**OWNERS, "connectivity": "true"}
    site.wait_for(name, lambda network: route_of(network) == whole and state_of(network) == "Active")
    versions = [record for record in of_network(site.server.writes, name) if record.after]
    edited = next(
        i for i, record in enumerate(versions) if record.user == "rival" and _has_owners(record.after)
    )
    assert all(_has_owners(record.after) for record in versions[edited:])
    assert [found for record in by_us(versions) for found in trespasses(record)] == []


def _has_owners(body: object) -> bool:
    assert isinstance(body, dict)
    return OWNERS.items() <= route_of(Network.from_object(body)).items()
