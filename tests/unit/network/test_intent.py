"""Reading an intent from a NAD."""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given

from services.contract.outcomes import Reason, State
from services.network.claims import Contradictions
from services.network.parse import nad
from services.network.parse.intent import Channel, Intent, NotProbed, read_intent
from services.network.parse.nad import Network, NetworkRef
from services.network.parse.route import Route
from services.network.parse.status import Status
from services.network.policy import Policy
from services.network.write.writing import decide
from tests.unit.network.builders import CIDR, GATEWAY, SEGMENT, config, network
from tests.unit.network.strategies import any_networks

AUTO = Intent(SEGMENT, "auto")
KNOWN = replace(AUTO, known_gateway=GATEWAY, known_cidr=CIDR)
MANUAL = Intent(SEGMENT, "manual", gateway=GATEWAY, cidr=CIDR)
LEASED = '"cidr":"10.0.112.0/20","gateway":"10.0.112.1"'

ROUTES = [
    (None, AUTO),
    ("", AUTO),
    ("{}", AUTO),
    ('{"mode":"auto"}', AUTO),
    ('{"mode":"auto","serverIPAddr":"","cidr":"","gateway":""}', AUTO),
    ('{"mode":"auto","serverIPAddr":"10.0.112.2"}', replace(AUTO, server=IPv4Address("10.0.112.2"))),
    ('{"mode":"auto","connectivity":"DHCP failed"}', AUTO),
    (f'{{"mode":"auto",{LEASED},"connectivity":"true"}}', KNOWN),
    (f'{{"mode":"auto",{LEASED}}}', KNOWN),
    (f'{{"mode":"auto",{LEASED},"connectivity":"true","outdated":true}}', AUTO),
    ('{"mode":"auto","cidr":"<nil>","gateway":"<nil>"}', AUTO),
    ('{"mode":"auto","cidr":"10.80.0.0/24","gateway":"?0a5000010a500002"}', AUTO),
    ('{"mode":"auto","cidr":"10.0.112.0/20","gateway":"10.9.0.1"}', AUTO),
    ('{"mode":"auto","cidr":"0.0.0.0/0","gateway":"10.9.0.1"}', AUTO),
    (f'{{"mode":"manual",{LEASED}}}', MANUAL),
    (f'{{"Mode":"manual",{LEASED}}}', MANUAL),
    (f'{{"mode":"manual",{LEASED},"serverIPAddr":"junk","connectivity":"false"}}', MANUAL),
    (f"{{{LEASED}}}", MANUAL),
    (f'{{"mode":"",{LEASED}}}', MANUAL),
    (
        '{"mode":"manual","cidr":"10.120.24.0/21","gateway":"10.120.31.254"}',
        Intent(SEGMENT, "manual", gateway=IPv4Address("10.120.31.254"), cidr=IPv4Network("10.120.24.0/21")),
    ),
    (
        '{"mode":"manual","cidr":"10.0.112.9/31","gateway":"10.0.112.8"}',
        Intent(SEGMENT, "manual", gateway=IPv4Address("10.0.112.8"), cidr=IPv4Network("10.0.112.8/31")),
    ),
    ('{"mode":"auto","cidr":"10.52.0.0/16","gateway":"10.52.0.1"}', AUTO),
    ('{"mode":"auto","cidr":"10.0.112.0/20","gateway":"10.0.127.255"}', AUTO),
    (
        '{"mode":"auto","cidr":"10.0.112.1/32","gateway":"10.0.112.1"}',
        replace(AUTO, known_gateway=IPv4Address("10.0.112.1"), known_cidr=IPv4Network("10.0.112.1/32")),
    ),
    ('{"mode":"auto","gateway":"gw.lan","cidr":"10.0.112.0/20"}', AUTO),
]


@pytest.mark.parametrize(("route", "expected"), ROUTES)
def test_every_known_form_of_route_becomes_an_intent(route: str | None, expected: Intent) -> None:
    """Junk that Harvester left behind counts as an unknown gateway."""
    assert read_intent(network(route)) == expected


def _manual(cidr: str, gateway: str) -> str:
    return json.dumps({"mode": "manual", "cidr": cidr, "gateway": gateway})


REFUSED = [
    # Harvester's webhook refuses every write to these, so only an Event can report them.
    (_manual("", ""), Reason.BAD_GATEWAY, Channel.EVENT, "gateway: expected a host's IPv4 address, got ''"),
    (_manual("10.0.0.0/24", "gw.lan"), Reason.BAD_GATEWAY, Channel.EVENT, "got 'gw.lan'"),
    (_manual("10.0.0.0/24", "<nil>"), Reason.BAD_GATEWAY, Channel.EVENT, "got '<nil>'"),
    (_manual("0.0.0.0/0", "10.0.0.1"), Reason.BAD_CIDR, Channel.EVENT, "cidr: expected an IPv4 subnet"),
    (_manual("10.0.0.0", "10.0.0.1"), Reason.BAD_CIDR, Channel.EVENT, "got '10.0.0.0'"),
    ('{"mode":"dynamic"}', Reason.BAD_ROUTE, Channel.EVENT, "mode: expected auto or manual, got 'dynamic'"),
    ('{"connectivity":true}', Reason.BAD_ROUTE, Channel.EVENT, "connectivity: expected a string"),
    ('{"outdated":"yes"}', Reason.BAD_ROUTE, Channel.EVENT, "outdated: expected true or false"),
    ("{", Reason.BAD_ROUTE, Channel.EVENT, "not JSON"),
    # The webhook accepts these.
    (_manual("10.0.0.0/24", "fd00::1"), Reason.BAD_GATEWAY, Channel.STATUS, "got 'fd00::1'"),
    (_manual("fd00::/64", "10.0.0.1"), Reason.BAD_CIDR, Channel.STATUS, "got 'fd00::/64'"),
    (_manual("10.0.0.0/24", "127.0.0.1"), Reason.BAD_GATEWAY, Channel.STATUS, "got '127.0.0.1'"),
    (_manual("10.0.0.0/24", "224.0.0.1"), Reason.BAD_GATEWAY, Channel.STATUS, "got '224.0.0.1'"),
    (_manual("10.0.0.0/24", "169.254.1.1"), Reason.BAD_GATEWAY, Channel.STATUS, "got '169.254.1.1'"),
    (_manual("10.0.0.0/24", "10.0.0.0"), Reason.BAD_GATEWAY, Channel.STATUS, "the subnet's own address"),
    (_manual("10.0.0.0/24", "10.0.0.255"), Reason.BAD_GATEWAY, Channel.STATUS, "broadcast address"),
    (_manual("10.0.0.0/24", "10.0.1.1"), Reason.GATEWAY_OUTSIDE_CIDR, Channel.STATUS,
     "gateway: expected an address in cidr 10.0.0.0/24, got '10.0.1.1'"),
    (_manual("10.52.0.0/16", "10.52.0.1"), Reason.GATEWAY_REFUSED, Channel.STATUS,
     "10.52.0.1 is in the denied subnet 10.52.0.0/16"),
    (_manual("10.53.0.0/24", "10.53.0.9"), Reason.GATEWAY_REFUSED, Channel.STATUS, "10.53.0.0/16"),
    ('{"cidr":"10.0.0.0/24","gateway":"gw.lan"}', Reason.BAD_GATEWAY, Channel.STATUS, "got 'gw.lan'"),
    ('{"mode":"auto","serverIPAddr":"dhcp.lan"}', Reason.BAD_SERVER, Channel.STATUS,
     "serverIPAddr: expected an IPv4 address, got 'dhcp.lan'"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "reason", "channel", "detail"), REFUSED)
def test_a_refused_route_says_field_value_and_expectation(
    route: str, reason: Reason, channel: Channel, detail: str
) -> None:
    """The network is Invalid, and its owner reads why, in the status or in an Event."""
    found = read_intent(network(route))
    assert isinstance(found, NotProbed)
    assert (found.state, found.reason, found.channel) == (State.INVALID, reason, channel)
    assert detail in found.detail


def test_a_denied_gateway_is_refused() -> None:
    """Configured subnets replace the default; a host's own address is refused too."""
    route = _manual("10.0.112.0/20", "10.0.112.1")
    denied = read_intent(network(route), Policy(denied_subnets=(IPv4Network("10.0.112.0/24"),)))
    own = read_intent(network(route), Policy(host_addresses=frozenset({GATEWAY})))
    for found, why in ((denied, "in the denied subnet 10.0.112.0/24"), (own, "a host's own address")):
        assert isinstance(found, NotProbed)
        assert (found.state, found.reason) == (State.INVALID, Reason.GATEWAY_REFUSED)
        assert why in found.detail
    pods = _manual("10.52.0.0/16", "10.52.0.1")
    assert isinstance(read_intent(network(pods), Policy(denied_subnets=())), Intent)


@pytest.mark.parametrize(
    ("state", "gateway", "is_kept"),
    [
        ("Active", "10.0.112.1", True),
        ("Unreachable", "10.0.112.1", False),
        ("OffVlan", "10.0.112.1", False),
        ("Active", "10.0.112.2", False),
        ("Active", "x", False),
    ],
)
def test_a_gateway_that_answers_on_its_vlan_is_no_hosts_address(
    state: str, gateway: str, is_kept: bool
) -> None:
    """R20: announcing it as one takes it from no network; one that does not answer is refused as before."""
    status = json.dumps({"state": state, "reason": "x", "since": "", "gateway": gateway})
    found = _read_as_applied(
        network(_manual("10.0.112.0/20", "10.0.112.1"), status=status),
        Policy(host_addresses=frozenset({GATEWAY})),
    )
    assert isinstance(found, Intent) == is_kept


def test_a_new_claim_refuses_only_what_was_refused_before() -> None:
    """R20: a process that has just started takes nothing back, and refuses nothing of its own."""
    route, claimed = _manual("10.0.112.0/20", "10.0.112.1"), Policy(claimed_addresses=frozenset({GATEWAY}))
    refused = read_intent(network(route), Policy(host_addresses=frozenset({GATEWAY})))
    assert isinstance(refused, NotProbed)
    change = decide(network(route), refused, None, now="")
    assert change is not None
    status = change.after.dump()
    assert _read_as_applied(network(route, status=status), claimed) == refused
    assert isinstance(_read_as_applied(network(route), claimed), Intent)
    assert isinstance(_read_as_applied(network(route, status=status), Policy()), Intent)
    other, both = network(_manual("10.0.112.0/20", "10.0.112.2"), status=status), {GATEWAY, GATEWAY + 1}
    assert isinstance(_read_as_applied(other, Policy(claimed_addresses=frozenset(both))), Intent)


def _read_as_applied(given: Network, policy: Policy) -> Intent | NotProbed:
    return read_intent(given, Contradictions().applied_to(policy, given))


def test_a_network_out_of_scope_is_left_alone() -> None:
    """It is neither probed nor written, whatever kind of network it is."""
    nothing = NotProbed(State.IGNORED, Reason.OUT_OF_SCOPE, channel=Channel.NOTHING)
    namespaces, cluster_networks = (
        Policy(namespaces=frozenset({"prod"})),
        Policy(cluster_networks=frozenset({"mgmt"})),
    )
    broken = [
        network(),
        network("{"),
        network(config=config(vlan=0)),
        network(annotations={nad.PROBE: "disabled"}),
    ]
    for each in broken:
        assert read_intent(each, namespaces) == nothing
        assert read_intent(each, cluster_networks) == nothing
    inside = Policy(namespaces=frozenset({"default"}), cluster_networks=frozenset({"extra"}))
    assert read_intent(network(), inside) == AUTO


def test_the_owner_can_mark_a_network_as_isolated() -> None:
    """The mark does not change what is probed."""
    isolated = read_intent(network(annotations={nad.ISOLATED: "true"}))
    assert isolated == replace(AUTO, isolated=True)
    assert isinstance(isolated, Intent)
    assert isolated.digest == AUTO.digest
    assert read_intent(network(annotations={nad.ISOLATED: "yes"})) == AUTO


@pytest.mark.parametrize(
    ("spec", "state", "reason"),
    [
        (config(vlan=0), State.IGNORED, Reason.UNTAGGED),
        (json.dumps({"type": "bridge", "bridge": "extra-br"}), State.IGNORED, Reason.UNTAGGED),
        (config(vlan=0, vlanTrunk=[{"minID": 1, "maxID": 9}]), State.IGNORED, Reason.TRUNK),
        (json.dumps({"type": "kube-ovn"}), State.IGNORED, Reason.OVERLAY),
        (json.dumps({"type": "macvlan"}), State.IGNORED, Reason.NOT_A_BRIDGE),
        (json.dumps({"plugins": [{"type": "bridge"}]}), State.IGNORED, Reason.NOT_A_BRIDGE),
        ("{}", State.IGNORED, Reason.NOT_A_BRIDGE),
        ("", State.IGNORED, Reason.NOT_A_BRIDGE),
        ("[]", State.INVALID, Reason.BAD_CONFIG),
        (None, State.IGNORED, Reason.NOT_A_BRIDGE),
        ({"type": "bridge"}, State.INVALID, Reason.BAD_CONFIG),
        (config(vlan=4095), State.INVALID, Reason.BAD_CONFIG),
        (config(vlan=-1), State.INVALID, Reason.BAD_CONFIG),
        (config(vlan=True), State.INVALID, Reason.BAD_CONFIG),
        (config(vlan="100"), State.INVALID, Reason.BAD_CONFIG),
        (config(vlan=100.0), State.INVALID, Reason.BAD_CONFIG),
        (config(bridge="br0"), State.INVALID, Reason.BAD_CONFIG),
        (config(bridge="-br"), State.INVALID, Reason.BAD_CONFIG),
        ("[" * 65_000, State.INVALID, Reason.BAD_CONFIG),
        (" " * 70_000, State.INVALID, Reason.BAD_CONFIG),
    ],
)
def test_a_network_without_a_vlan_is_not_probed_for_a_reason(
    spec: object, state: State, reason: Reason
) -> None:
    """spec.config alone decides the kind of network, since labels may be missing."""
    found = read_intent(network(config=spec))
    assert isinstance(found, NotProbed)
    assert (found.state, found.reason) == (state, reason)


@pytest.mark.parametrize(
    "system",
    [
        network(ref=NetworkRef("harvester-system", "net")),
        network(ref=NetworkRef("default", "storagenetwork-abc")),
        network(ref=NetworkRef("default", "rwx-network-abc")),
        network(annotations={"storage-network.settings.harvesterhci.io": "true"}),
        network(annotations={"rwx-network.settings.harvesterhci.io": "true"}),
    ],
)
def test_harvesters_own_networks_are_ignored(system: Network) -> None:
    """nadroute never changes them."""
    assert read_intent(system) == NotProbed(State.IGNORED, Reason.SYSTEM_NETWORK, channel=Channel.NOTHING)


def test_the_owner_can_disable_probing() -> None:
    """With nadroute.io/probe: "disabled"."""
    assert read_intent(network(annotations={nad.PROBE: "disabled"})) == NotProbed(
        State.DISABLED, Reason.DISABLED_BY_ANNOTATION
    )


def test_default_mode_off_leaves_networks_without_annotation_alone() -> None:
    """An empty annotation counts as the owner's."""
    assert read_intent(network(), Policy(default_mode="off")) == NotProbed(
        State.IGNORED, Reason.NO_ROUTE_ANNOTATION
    )
    assert read_intent(network("{}"), Policy(default_mode="off")) == AUTO


def test_the_label_names_the_cluster_network_if_the_bridge_does_not() -> None:
    """For a bridge with a name of another form."""
    labelled = replace(network(config=config(bridge=None)), labels={nad.CLUSTER_NETWORK_LABEL: "extra"})
    assert read_intent(labelled) == AUTO


def test_a_gateway_from_dhcp_does_not_become_the_owners() -> None:
    """Without a mode, the status says who wrote the gateway, whatever its state."""
    status = Status("DHCPFailed", "NoDHCPOffer", digest=AUTO.digest, gateway="10.0.112.1")
    assert read_intent(network(f"{{{LEASED}}}", status=status.dump())) == KNOWN


def test_a_gateway_that_the_owner_changes_is_the_owners() -> None:
    """Editing the gateway makes the network manual, so DHCP does not overwrite it."""
    status = Status("Active", "GatewayAnswers", digest=AUTO.digest, gateway="10.0.112.254")
    assert read_intent(network(f"{{{LEASED}}}", status=status.dump())) == MANUAL


def test_the_digest_covers_what_is_to_be_probed() -> None:
    """Segment, mode, gateway, cidr and server, but not what DHCP named before."""
    assert KNOWN.digest == AUTO.digest
    different = [
        AUTO,
        MANUAL,
        replace(AUTO, server=GATEWAY),
        replace(MANUAL, gateway=IPv4Address("10.0.112.2")),
        replace(MANUAL, cidr=IPv4Network("10.0.112.0/24")),
        replace(AUTO, segment=SEGMENT.model_copy(update={"vlan": 101})),
        replace(AUTO, segment=SEGMENT.model_copy(update={"cluster_network": "mgmt"})),
    ]
    assert len({intent.digest for intent in different}) == len(different)


@given(any_networks())
def test_reading_an_intent_never_raises(tenants: Network) -> None:
    """A tenant may have written anything."""
    found = read_intent(tenants)
    assert isinstance(found, (Intent, NotProbed))
    if isinstance(found, Intent) and found.mode == "manual":
        assert found.gateway is not None
        assert found.cidr is not None


@pytest.mark.parametrize("key", ["type", "vlan", "bridge"])
def test_no_depth_of_nesting_in_the_config_raises(key: str) -> None:
    """Every depth that can be parsed can be reported."""
    for depth in range(1, 2500, 7):
        spec = {"type": "bridge", "vlan": 1, "bridge": "extra-br"}
        text = json.dumps({**spec, key: "@"}).replace('"@"', "[" * depth + "]" * depth)
        assert isinstance(read_intent(network(config=text)), NotProbed)


@pytest.mark.parametrize(
    "body",
    [{}, {"metadata": None}, {"metadata": {"name": "a", "namespace": "b", "uid": 3, "resourceVersion": "1"}}],
)
def test_an_object_without_the_metadata_for_a_write_is_refused(body: dict[str, object]) -> None:
    """A guarded write needs namespace, name, uid and resourceVersion."""
    with pytest.raises(ValueError, match="metadata"):
        Network.from_object(body)


def test_annotations_that_are_not_strings_are_dropped() -> None:
    """The rest is read, with the deletion timestamp."""
    body = {
        "metadata": {
            "name": "net", "namespace": "default", "uid": "u", "resourceVersion": "9",
            "annotations": {"a": "b", "c": 1}, "deletionTimestamp": "2026-11-23T00:00:00Z",
        },
        "spec": {"config": "{}"},
    }  # fmt: skip
    read = Network.from_object(body)
    assert (read.annotations, read.deleting, read.config) == ({"a": "b"}, True, "{}")
    assert NetworkRef.parse(str(read.ref)) == read.ref


def test_a_networks_annotations_are_parsed_once_and_broken_ones_are_empty() -> None:
    """Reading a broken annotation raises nothing."""
    whole = network(
        '{"mode":"auto","gateway":"10.0.112.1"}', status='{"state":"Active","reason":"GatewayAnswers"}'
    )
    assert (whole.has_route, whole.route.gateway, whole.route_error) == (True, "10.0.112.1", "")
    assert whole.status is not None
    assert (whole.route, whole.status) == (replace(whole).route, replace(whole).status)
    assert whole.route is whole.route
    assert whole.status is whole.status
    broken = network('{"mode":1}', status="{")
    assert (broken.has_route, broken.route, broken.status) == (True, Route(), None)
    assert "mode: expected a string" in broken.route_error
    assert (network().has_route, network().route, network().route_error) == (False, Route(), "")


@pytest.mark.parametrize("text", ["", "net", "/net", "default/", "a/b/c"])
def test_a_reference_is_namespace_and_name(text: str) -> None:
    """Anything else is refused, and the error quotes it."""
    with pytest.raises(ValueError, match="expected NAMESPACE/NAME"):
        NetworkRef.parse(text)
