"""The prober's MAC addresses and client identifiers."""

import itertools

from services.prober.engine.identity import Identity


def test_identity_is_stable_and_local() -> None:
    """Constant for a (host, segment), locally administered, unicast, and with the host's prefix."""
    ours = Identity(host="node1", cluster_network="extra")
    again = Identity(host="node1", cluster_network="extra")
    assert [ours.mac(v) for v in (1, 7, 4094)] == [again.mac(v) for v in (1, 7, 4094)]
    assert ours.client_id(7) == again.client_id(7)
    assert ours.mac(7)[0] & 3 == 2
    assert ours.mac(7)[:4] == ours.prefix
    # Pinned: with another value, an update would take a second address from every pool.
    assert ours.mac(7).hex(":") == "62:94:7e:56:f0:07"
    assert ours.client_id(7).hex() == "00d370438be2be5aed0f34fb61317f0007"


def test_identities_differ() -> None:
    """By host, cluster network and VLAN; with one_mac, VLANs differ in the client identifier alone."""
    names = itertools.product([f"node{n}" for n in range(30)], ["mgmt", "extra"])
    identities = [Identity(host=host, cluster_network=network) for host, network in names]
    everyone = [(i.mac(v), i.client_id(v)) for i in identities for v in range(1, 100)]
    assert len({mac for mac, _ in everyone}) == len({c for _, c in everyone}) == len(everyone)
    one = Identity(host="node1", cluster_network="extra", one_mac=True)
    assert one.mac(7) == one.mac(8)
    assert one.client_id(7) != one.client_id(8)


def test_station_is_created_once() -> None:
    """Its share of the checksums is not computed for every probe."""
    identity = Identity(host="node1", cluster_network="extra")
    assert identity.station(7) is identity.station(7)
    assert (identity.station(7).mac, identity.station(7).client_id) == (
        identity.mac(7),
        identity.client_id(7),
    )
