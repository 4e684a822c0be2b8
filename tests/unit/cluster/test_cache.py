"""The cache of networks."""

from services.cluster.cache import NetworkCache
from services.contract.messages import Segment
from services.network.parse.intent import NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from tests.unit.network.builders import config, network

A, B = NetworkRef("default", "a"), NetworkRef("default", "b")


def segment_of(found: Network) -> Segment | None:
    intent = read_intent(found)
    return None if isinstance(intent, NotProbed) else intent.segment


def on(vlan: int) -> Segment:
    return Segment(cluster_network="extra", vlan=vlan)


def test_networks_are_found_by_uid_and_by_segment() -> None:
    """A network that moves leaves its old segment."""
    cache = NetworkCache(segment_of)
    a, b = network(ref=A, config=config(7), uid="uid-2"), network(ref=B, config=config(7), uid="uid-1")
    cache.upserted(b)
    cache.upserted(a)
    assert (cache.get(a.uid), cache.snapshot(), cache.on_segment(on(7))) == (a, [a, b], [a, b])
    moved = network(ref=A, config=config(8), uid=a.uid, version="2")
    cache.upserted(moved)
    assert (cache.on_segment(on(7)), cache.on_segment(on(8))) == ([b], [moved])
    cache.deleted(moved.uid)
    assert (cache.get(a.uid), cache.on_segment(on(8)), cache.snapshot()) == (None, [], [b])


def test_a_version_may_keep_the_segment_of_the_one_before() -> None:
    """The segment of a network without one is found all the same."""
    read: list[str] = []

    def counted(found: Network) -> Segment | None:
        read.append(found.resource_version)
        return segment_of(found)

    cache = NetworkCache(counted)
    cache.upserted(network(config="", version="1"))
    cache.returned(network(config=config(7), version="2"), keeps_segment=True)
    assert [found.resource_version for found in cache.on_segment(on(7))] == ["2"]
    cache.returned(network(config=config(7), version="3"), keeps_segment=True)
    cache.upserted(network(config=config(7), version="4"), keeps_segment=True)
    assert [found.resource_version for found in cache.on_segment(on(7))] == ["4"]
    assert read == ["1", "2"]


def test_cluster_networks_are_those_of_the_networks() -> None:
    """One is gone with the last network on it."""
    cache = NetworkCache(segment_of)
    for number, vlan in enumerate((7, 7, 8)):
        cache.upserted(network(ref=NetworkRef("default", str(number)), config=config(vlan), uid=str(number)))
    assert cache.cluster_networks() == {"extra"}
    for uid in "012":
        assert cache.cluster_networks() == {"extra"}
        cache.deleted(uid)
    assert cache.cluster_networks() == set()


def test_the_deletion_of_a_predecessor_leaves_the_successor() -> None:
    """K9: deletions are of a uid, not of a name."""
    cache = NetworkCache()
    cache.upserted(network(ref=A, uid="new"))
    cache.deleted("old")
    assert cache.get("new") is not None


def test_an_older_version_does_not_come_back() -> None:
    """An event from before our write may arrive after the response to it."""
    cache = NetworkCache()
    cache.upserted(network(ref=A, version="9"))
    cache.returned(network(ref=A, version="10"))
    cache.upserted(network(ref=A, version="9"))
    found = cache.get("uid-1")
    assert found is not None
    assert found.resource_version == "10"


def test_a_returned_network_does_not_come_back() -> None:
    """K9: what the watch saw deleted stays so, and its successor stays, whatever a late response says."""
    cache = NetworkCache()
    cache.returned(network(ref=A, version="10"))
    assert cache.snapshot() == []
    successor = network(ref=A, uid="new", version="12")
    cache.upserted(successor)
    cache.returned(network(ref=A, uid="old", version="13"))
    assert cache.snapshot() == [successor]
