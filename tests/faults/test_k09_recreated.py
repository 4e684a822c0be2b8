"""A network that is deleted and created again while the updater writes it, on the real process."""

import itertools

import pytest

from lab.kube.resources import NADS
from services.contract.outcomes import ReachOutcome
from services.network.parse.nad import Network
from tests.faults.write_steps import STEPS, Step, see_everything, vlans
from tests.integration.test_updater_process import LEASED, segment
from tests.support.updater_site import NAMESPACE, UpdaterSite, digest_of, state_of
from tests.support.write_history import by_us, of_network, trespasses
from tests.unit.network.builders import verdict

ROUTE = f'{{"mode":"manual",{LEASED}}}'
RECOVERY_S = 15.0


@pytest.mark.parametrize("lives", [2, 3], ids=["once", "twice"])
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_successor_is_told_of_as_any_other(updating: UpdaterSite, step: Step, lives: int) -> None:
    """K9: at every step of the write, also where the successor's own write meets the same once more: the last
    one becomes Active, a later outage is told, and nothing is written that was decided for another one."""
    site, vlan = updating, next(vlans)
    name = f"again-{vlan}"
    made = [site.create(name, vlan=vlan, route=ROUTE)]

    def recreate() -> None:
        site.server.store.delete(NADS, NAMESPACE, name)
        made.append(site.create(name, vlan=vlan, route=ROUTE))
        if len(made) < lives:
            step.interfere(site, name, recreate)

    step.interfere(site, name, recreate)
    for host in ("node1", "node2"):
        site.send(verdict(digest_of(made[0]), host=host, segment=segment(vlan)))

    def is_last(network: Network, state: str) -> bool:
        return len(made) == lives and network.uid == made[-1].uid and state_of(network) == state

    site.wait_for(name, lambda network: is_last(network, "Active"))
    digest, out, counters = digest_of(made[0]), ReachOutcome.SILENT, itertools.count(2)

    def is_outage_told() -> bool:
        """Report once more, as probers do."""
        counter = next(counters)
        for host in ("node1", "node2"):
            site.send(
                verdict(digest, host=host, segment=segment(vlan), counter=counter, vlan=out, routed=out)
            )
        see_everything(site)
        return is_last(site.get(name), "Unreachable")

    site.wait(is_outage_told)
    records = of_network(site.server.writes, name)
    created = max(record.at for record in records if record.verb == "create")
    first_write = min(r.at for r in by_us(records) if r.changed and r.uid == made[-1].uid)
    assert first_write - created < RECOVERY_S
    assert [found for record in by_us(records) for found in trespasses(record)] == []


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_successor_with_another_intent_gets_nothing_of_its_predecessor(
    updating: UpdaterSite, step: Step
) -> None:
    """K9: no host has probed what it asks for, so at every step it stays as its owner created it."""
    site, vlan, other = updating, next(vlans), next(vlans)
    name = f"other-{vlan}"
    first = site.create(name, vlan=vlan, route=ROUTE)

    def recreate() -> None:
        site.server.store.delete(NADS, NAMESPACE, name)
        site.create(name, vlan=other, route=ROUTE)

    step.interfere(site, name, recreate)
    for host in ("node1", "node2"):
        site.send(verdict(digest_of(first), host=host, segment=segment(vlan)))
    site.wait(lambda: any(record.verb == "delete" for record in of_network(site.server.writes, name)))
    later = next(vlans)
    after = site.create(f"later-{later}", vlan=later, route=ROUTE)
    for host in ("node1", "node2"):
        site.send(verdict(digest_of(after), host=host, segment=segment(later)))
    site.wait_for(f"later-{later}", lambda network: state_of(network) == "Active")
    assert dict(site.get(name).annotations) == dict(first.annotations)
