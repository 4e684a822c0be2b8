"""A day of edits by everybody at once: all right in the end, no user's field touched, few writes.

In simulated time; see tests/support/simulated_site.py for what is real. The days differ by a seed.
"""

import contextlib
import json
import random
from collections.abc import Callable
from functools import partial

import pytest

from lab.harvester import Pace
from lab.harvester.access import Key
from lab.kube.errors import ApiError
from lab.kube.resources import NADS
from services.contract.messages import Segment
from services.network.parse import nad
from tests.support.shared_networks import (
    AUTO,
    CLUSTER_NETWORK,
    cidr_of,
    filled,
    gateway_of,
    lease_of,
    make_well,
    manual,
    route_of,
)
from tests.support.simulated_site import NAMESPACE, SimulatedSite
from tests.support.write_history import by_others, by_us, of_network, on_route, trespasses

DAY_S = 86_400.0
QUIET_S = 2 * 3_600.0
EDITS = 250
NETWORKS = {f"net-{number}": 300 + number for number in range(8)}
SPARE_VLANS = tuple(range(320, 324))


class Day:
    """Everybody's edits, at random times; what is true is changed as well."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        # Its tick loses replies, as with many networks.
        self.site = SimulatedSite(seed=seed, pace=Pace(crowd=4, crowd_loss=0.2))
        make_well(self.site.fabric, *NETWORKS.values(), *SPARE_VLANS)
        for number, (name, vlan) in enumerate(NETWORKS.items()):
            self.site.create(name, vlan=vlan, route=(None, AUTO, manual(vlan))[number % 3], mine="1")

    def spend(self) -> None:
        """All edits, and then the quiet in which everything has to become right."""
        kinds = self.kinds()
        for _ in range(EDITS):
            name, kind = self.chance.choice(sorted(NETWORKS)), self.chance.choice(kinds)
            self.site.at(self.chance.random() * DAY_S, partial(self.edit, kind, name))
        self.site.at(DAY_S, self.make_all_well)
        self.site.run(DAY_S + QUIET_S)

    def edit(self, kind: Callable[[str], object], name: str) -> None:
        # Refused by the webhook, or just deleted: people see that, and go on.
        with contextlib.suppress(ApiError):
            kind(name)

    def kinds(self) -> list[Callable[[str], object]]:
        site = self.site
        return [
            lambda name: site.ui.save(_key(name)),
            lambda name: site.ui.save(_key(name), vlan=self.any_vlan()),
            self.save_manual,
            lambda name: site.ui.save(_key(name), mode="auto"),
            lambda name: site.ui.save(_key(name), server=gateway_of(self.vlan_of(name))),
            lambda name: site.ui.save(_key(name), server=""),
            lambda name: site.terraform.apply(_key(name)),
            self.apply_manual,
            lambda name: site.annotate(name, nad.ROUTE, '{"mode":"auto","note":"mine"}'),
            lambda name: site.annotate(name, nad.ROUTE, None),
            lambda name: site.annotate(name, "mine", str(self.chance.randrange(9))),
            lambda name: site.annotate(name, nad.PROBE, self.chance.choice(["disabled", None])),
            self.recreate,
            lambda name: self.break_gateway(self.vlan_of(name)),
            lambda name: self.break_dhcp(self.vlan_of(name)),
            lambda name: make_well(site.fabric, self.vlan_of(name)),
            lambda name: make_well(site.fabric, self.vlan_of(name)),
        ]

    def any_vlan(self) -> int:
        return self.chance.choice([*NETWORKS.values(), *SPARE_VLANS])

    def vlan_of(self, name: str) -> int:
        """Of the network as it stands."""
        config = self.site.get(name).config
        return int(json.loads(str(config))["vlan"])

    def save_manual(self, name: str) -> None:
        vlan = self.vlan_of(name)
        self.site.ui.save(_key(name), mode="manual", cidr=cidr_of(vlan), gateway=gateway_of(vlan))

    def apply_manual(self, name: str) -> None:
        vlan = self.vlan_of(name)
        self.site.terraform.apply(_key(name), mode="manual", cidr=cidr_of(vlan), gateway=gateway_of(vlan))

    def recreate(self, name: str) -> None:
        vlan = self.any_vlan()
        self.site.store.delete(NADS, NAMESPACE, name)
        self.site.at(
            self.site.clock.seconds + 1, partial(self.edit, lambda n: self.site.create(n, vlan=vlan), name)
        )

    def break_gateway(self, vlan: int) -> None:
        on_vlan = self.chance.random() < 0.5
        self.site.fabric.attach((CLUSTER_NETWORK, vlan), gateway_of(vlan), answers=on_vlan)
        self.site.fabric.route(gateway_of(vlan), answers=not on_vlan and self.chance.random() < 0.5)

    def break_dhcp(self, vlan: int) -> None:
        lease = self.chance.choice([None, lease_of(vlan)])
        self.site.fabric.offer((CLUSTER_NETWORK, vlan), lease)

    def make_all_well(self) -> None:
        make_well(self.site.fabric, *NETWORKS.values(), *SPARE_VLANS)


@pytest.fixture(scope="module", params=[1, pytest.param(3, marks=pytest.mark.long)])
def day(request: pytest.FixtureRequest) -> Day:
    """A day that is over."""
    day = Day(int(request.param))
    day.spend()
    return day


def test_every_annotation_is_right_in_the_end(day: Day) -> None:
    """I1: what is true on its VLAN stands on every network that is probed."""
    probed = 0
    for name in NETWORKS:
        network = day.site.get(name)
        route = {key: value for key, value in route_of(network).items() if value and key != "note"}
        route.pop("serverIPAddr", None)
        if network.annotations.get(nad.PROBE) == "disabled":
            continue
        vlan = day.vlan_of(name)
        if route.get("mode") == "manual" and route["gateway"] != gateway_of(vlan):
            # Its VLAN was changed after its owner's gateway was: that one is silent there.
            assert route["connectivity"] in ("true", "false")
            continue
        if network.annotations.get(nad.ROUTE) and "serverIPAddr" in route_of(network):
            server = route_of(network)["serverIPAddr"]
            if server not in ("", gateway_of(vlan)):
                continue
        probed += 1
        assert route == {**filled(vlan), "mode": route["mode"]}, name
    assert probed >= 3


def test_no_field_of_a_user_was_ever_touched(day: Day) -> None:
    """I2, over the history of writes: spec, labels, annotations, mode, server, a manual gateway."""
    ours = by_us(day.site.store.writes.all())
    assert len(ours) > 50
    assert [(record.name, record.at, found) for record in ours if (found := trespasses(record))] == []


def test_writes_are_changes_and_no_more(day: Day) -> None:
    """I4: what hosts found anew, and what others wrote, and one more for each life of a network."""
    records = day.site.store.writes.all()
    for name in NETWORKS:
        of_name = of_network(records, name)
        ours = [record for record in by_us(of_name) if record.changed]
        segments = {_segment(record.after or record.before) for record in of_name}
        changes = sum(day.site.verdicts.changes.get(segment, 0) for segment in segments if segment)
        lives = len({record.uid for record in of_name})
        disputes = sum("OtherWriter" in str(record.before) and not on_route([record]) for record in ours)
        assert len(ours) <= changes + len(by_others(of_name)) + lives + disputes, name


def test_conflicts_are_rare(day: Day) -> None:
    """Decided on what stands there: next to none of our writes meets a version that it does not know."""
    ours = by_us(day.site.store.writes.all())
    assert sum(record.status >= 400 for record in ours) <= len(ours) // 10


def _key(name: str) -> Key:
    return NAMESPACE, name


def _segment(body: object) -> Segment | None:
    try:
        config = json.loads(str(body["spec"]["config"]))  # type: ignore[index]
        return Segment(cluster_network=CLUSTER_NETWORK, vlan=config["vlan"])
    except (TypeError, KeyError, ValueError):
        return None
