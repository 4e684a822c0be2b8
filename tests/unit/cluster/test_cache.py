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


def test_networks_are_found_by_name_and_by_segment() -> None:
    """A network that moves leaves its old segment."""
    cache = NetworkCache(segment_of)
    a, b = network(ref=A, config=config(7)), network(ref=B, config=config(7), uid="uid-2")
    cache.upserted(b)
    cache.upserted(a)
    assert (cache.get(A), cache.snapshot(), cache.on_segment(on(7))) == (a, [a, b], [a, b])
    moved = network(ref=A, config=config(8), version="2")
    cache.upserted(moved)
    assert (cache.on_segment(on(7)), cache.on_segment(on(8))) == ([b], [moved])
    cache.deleted(A, moved.uid)
    assert (cache.get(A), cache.on_segment(on(8)), cache.snapshot()) == (None, [], [b])


def test_the_deletion_of_a_predecessor_leaves_the_successor() -> None:
    """Deletions are of a uid, not of a name."""
    cache = NetworkCache()
    cache.upserted(network(ref=A, uid="new"))
    cache.deleted(A, "old")
    assert cache.get(A) is not None


def test_an_older_version_does_not_come_back() -> None:
    """An event from before our write may arrive after the response to it."""
    cache = NetworkCache()
    cache.upserted(network(ref=A, version="9"))
    cache.written(network(ref=A, version="10"))
    cache.upserted(network(ref=A, version="9"))
    found = cache.get(A)
    assert found is not None
    assert found.resource_version == "10"


def test_a_written_network_does_not_come_back() -> None:
    """A network that the watch saw deleted or re-created stays as the watch reported it."""
    cache = NetworkCache()
    cache.written(network(ref=A, version="10"))
    assert cache.get(A) is None
    cache.upserted(network(ref=A, uid="new", version="12"))
    cache.written(network(ref=A, uid="old", version="13"))
    found = cache.get(A)
    assert found is not None
    assert found.uid == "new"
