"""R20: what a stranger who reaches Redis tries, against an updater at work."""

import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest

from services.contract.messages import HostAnnouncement, Segment, Verdict
from services.contract.names import DEAD_LETTERS_KEY, HOST_TTL_S, REPORT_QUEUE, host_key
from services.contract.outcomes import Fault
from services.network.parse import nad
from services.network.parse.nad import Network
from services.runtime.connection.redis_client import time_ms
from tests.support.updater_site import UpdaterSite, digest_of, own_updater_site, state_of
from tests.unit.network.builders import GATEWAY, verdict

FUTURE = 2**53 - 1
CLAIMED = IPv4Address("10.0.112.9")
"""A gateway that announcements claim: a host that is gone counts for a while, and so does what it claimed."""


@pytest.fixture(scope="module")
def site() -> Iterator[UpdaterSite]:
    """One updater for all attempts: it must survive each."""
    with own_updater_site("node1", "node2") as running:
        yield running


def segment(vlan: int) -> Segment:
    return Segment(cluster_network="extra", vlan=vlan)


def route(gateway: IPv4Address = GATEWAY) -> str:
    return f'{{"mode":"manual","cidr":"10.0.112.0/20","gateway":"{gateway}"}}'


def says(
    network: Network, vlan: int, *, host: str = "node1", gateway: IPv4Address = GATEWAY, **fields: object
) -> Verdict:
    """Return what a prober found: the gateway answers."""
    found = verdict(digest_of(network), host=host, segment=segment(vlan), gateway=gateway)
    return found.model_copy(update=fields)


def becomes_active(site: UpdaterSite, name: str, vlan: int, gateway: IPv4Address = GATEWAY) -> Network:
    """Have both hosts report on a network, and wait until that is told."""
    network = site.create(name, vlan=vlan, route=route(gateway))
    for host in ("node1", "node2"):
        site.send(says(network, vlan, host=host, gateway=gateway))
    return site.wait_for(name, lambda written: state_of(written) == "Active")


@pytest.mark.parametrize(
    "order",
    [{"incarnation": FUTURE}, {"counter": FUTURE}, {"incarnation": FUTURE, "counter": FUTURE}],
    ids=lambda order: "-".join(order),
)
def test_no_forged_report_silences_a_host(site: UpdaterSite, order: dict[str, int]) -> None:
    """R20: one from the future is refused and told, and the host's own report counts."""
    vlan = 10 + len(order) + len(next(iter(order)))
    name = "silenced-" + "-".join(order)
    network = site.create(name, vlan=vlan, route=route())
    site.redis.delete(DEAD_LETTERS_KEY)
    forged = says(network, vlan, fault=Fault.UPLINK_DOWN)
    site.send(forged.model_copy(update={"incarnation": 1, "counter": 1, **order}))
    site.wait(lambda: site.redis.llen(DEAD_LETTERS_KEY) == 1)
    assert "later than" in json.loads(str(site.redis.lindex(DEAD_LETTERS_KEY, 0)))["reason"]
    now = time_ms(site.redis)
    for host in ("node1", "node2"):
        site.send(says(network, vlan, host=host, incarnation=now, counter=now * 1000))
    site.wait_for(name, lambda written: state_of(written) == "Active")


def announce_for_once(
    site: UpdaterSite, *announced: HostAnnouncement, lifetime_s: int | None = HOST_TTL_S
) -> None:
    """Announce hosts and go away."""
    with site.redis.pipeline(transaction=False) as pipe:
        for each in announced:
            pipe.set(host_key(each.host), each.model_dump_json(), ex=lifetime_s)
        pipe.execute()


def tells_of_a_claim(site: UpdaterSite, name: str) -> bool:
    """Whether the log tells that a host claims the gateway of this network."""
    lines = site.log.read_text().splitlines()
    return any("a host announces a gateway that answers" in line and f"/{name}" in line for line in lines)


def is_active(network: Network, digest: str) -> bool:
    return network.status is not None and (network.status.state, network.status.digest) == ("Active", digest)


def ghost(name: str, **fields: object) -> HostAnnouncement:
    given = {"host": name, "uplinks": {"other": "bo"}, "version": "1", "incarnation": 1}
    return HostAnnouncement(**given | fields)


def test_invented_hosts_hide_no_real_one(site: UpdaterSite) -> None:
    """R20: two thousand whose names come first, and a hundred thousand keys that look like hosts."""
    announce_for_once(site, *(ghost(f"a{number:05}") for number in range(2_000)))
    flood = "for n = 1, 100000 do redis.call('SET', KEYS[1] .. n, 'x', 'EX', 15) end"
    site.redis.eval(flood, 1, host_key("b"))
    site.wait(lambda: "more hosts are announced than are read" in site.log.read_text())
    becomes_active(site, "crowded", 30)
    site.redis.eval(flood.replace("'SET'", "'DEL'").replace(", 'x', 'EX', 15", ""), 1, host_key("b"))


def test_no_announcement_takes_a_gateway_that_answers(site: UpdaterSite) -> None:
    """R20: neither from one that is Active, edited or not, nor from a new one, which waits; the log tells."""
    becomes_active(site, "claimed", 31, CLAIMED)
    becomes_active(site, "edited", 33, CLAIMED)
    writes = len(site.writes("claimed"))
    networks = (IPv4Network("0.0.0.0/0"),)
    announce_for_once(site, ghost("thief", addresses=(CLAIMED,), own_networks=networks))
    site.wait(lambda: tells_of_a_claim(site, "claimed") and tells_of_a_claim(site, "edited"))
    site.edit("edited", nad.ROUTE, route(CLAIMED).replace("10.0.112.0/20", "10.0.112.0/24"))
    edited = site.get("edited")
    new = site.create("new", vlan=32, route=route(CLAIMED))
    for host in ("node1", "node2"):
        site.send(says(new, 32, host=host, gateway=CLAIMED))
        site.send(says(edited, 33, host=host, gateway=CLAIMED, counter=9))
    # The review that tells this reviews the new one, too.
    site.wait_for("edited", lambda written: is_active(written, digest_of(edited)))
    assert state_of(site.get("new")) not in ("Active", "Invalid")
    site.redis.delete(host_key("thief"))
    site.wait_for("new", lambda written: state_of(written) == "Active")
    assert len(site.writes("claimed")) == writes
    assert state_of(site.get("claimed")) == "Active"


def test_an_announcement_for_ever_announces_nobody(site: UpdaterSite) -> None:
    """R20: its author is gone. Another one, which the log tells of, shows that it was read."""
    claimed, heralded = CLAIMED + 1, CLAIMED + 2
    becomes_active(site, "heralded", 36, heralded)
    announce_for_once(site, ghost("immortal", addresses=(claimed,)), lifetime_s=None)
    announce_for_once(site, ghost("herald", addresses=(heralded,)))
    site.wait(lambda: tells_of_a_claim(site, "heralded"))
    becomes_active(site, "undisturbed", 34, claimed)
    site.redis.delete(host_key("immortal"), host_key("herald"))


def test_junk_fills_no_log(site: UpdaterSite) -> None:
    """R20: thousands of different messages are a hundred lines, and the next report is taken."""
    before = site.log.stat().st_size
    with site.redis.pipeline(transaction=False) as pipe:
        for number in range(3_000):
            pipe.lpush(REPORT_QUEUE, f"junk {number}")
        pipe.execute()
    becomes_active(site, "noisy", 35)
    assert site.log.stat().st_size - before < 100_000
    assert site.process.poll() is None
