"""What the command line announces of its probes reaches every watcher, through a real Redis."""

from ipaddress import IPv4Address

from services.contract.messages import ProbeRequest, SegmentProbe, Target
from services.contract.names import BY_HAND_KEY, DEAD_LETTERS_KEY
from services.watcher.by_hand import ByHandReader, announce
from services.watcher.hosts import HostReader
from tests.support.redis_server import RedisServer


def request() -> ProbeRequest:
    """Return a request that asks DHCP on VLAN 7, and checks one gateway on each of VLAN 7 and 8."""
    known = Target(digest="0" * 16, gateway=IPv4Address("10.0.7.1"))
    probes = (
        SegmentProbe(vlan=7, ask_dhcp=True, targets=(known,)),
        SegmentProbe(vlan=8, targets=(known,)),
    )
    return ProbeRequest(
        id="cli-1", host="n1", cluster_network="extra", sent_at_ms=1, max_age_ms=60_000, segments=probes
    )


def test_every_watcher_reads_each_request_once(redis_server: RedisServer) -> None:
    """With its polls of Redis, and not what was announced before it started."""
    client = redis_server.client
    announce(client, [request()])
    readers = [HostReader(client), HostReader(client)]
    assert [reader.poll().by_hand for reader in readers] == [(), ()]
    announce(client, [request(), request()])
    for reader in readers:
        (first, second) = reader.poll().by_hand
        assert first == second
        assert (first.cluster_network, first.frames) == ("extra", ((7, 3), (8, 1)))
        assert reader.poll().by_hand == ()


def test_junk_is_recorded_and_hides_nothing(redis_server: RedisServer) -> None:
    """Whoever may probe by hand may write anything there."""
    client = redis_server.client
    reader = ByHandReader(client)
    reader.read()
    for text in ("", "[]", '{"cluster_network":"extra","frames":[[7,-5]]}', '{"frames":[[7,1e300]]}'):
        client.xadd(BY_HAND_KEY, {"by_hand": text})
    client.xadd(BY_HAND_KEY, {"else": "x"})
    announce(client, [request()])
    assert len(reader.read()) == 1
    assert client.llen(DEAD_LETTERS_KEY) == 5
