"""What Harvester's webhook admits, and what it rewrites."""

import json

import pytest

from lab.kube.columns import ROUTE_ANNOTATION
from lab.kube.errors import ApiError
from lab.kube.harvester import HarvesterAdmission
from lab.kube.jsontypes import JsonObject, clone_object
from lab.kube.resources import NADS, NAMESPACES

CONFIG = '{"type":"bridge","bridge":"extra-br","vlan":7}'


def nad(route: str | None = None, config: str = CONFIG) -> JsonObject:
    """Build a network with a route annotation."""
    annotations: JsonObject = {} if route is None else {"annotations": {ROUTE_ANNOTATION: route}}
    return {"metadata": {"name": "a", "namespace": "b", **annotations}, "spec": {"config": config}}


def route_of(body: JsonObject) -> str | None:
    """Return the route annotation, or None."""
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    annotations = metadata.get("annotations", {})
    assert isinstance(annotations, dict)
    route = annotations.get(ROUTE_ANNOTATION)
    assert route is None or isinstance(route, str)
    return route


@pytest.mark.parametrize(
    "route",
    [
        "",
        "{}",
        "null",
        '{"mode":""}',
        '{"mode":"auto"}',
        '{"mode":"auto","serverIPAddr":"","cidr":"","gateway":""}',
        '{"mode":"auto","connectivity":"DHCP failed"}',
        '{"mode":"auto","cidr":"<nil>","gateway":"?0a500001"}',
        '{"mode":"auto","cidr":"10.0.0.0/0"}',
        '{"mode":"auto","outdated":true}',
        '{"mode":"auto","connectivity":null}',
        '{"Mode":"auto","unknown":[1]}',
        '{"mode":"manual","cidr":"10.0.0.5/24","gateway":"192.168.0.1"}',
        '{"mode":"manual","cidr":"10.0.0.1/32","gateway":"10.0.0.1"}',
        '{"mode":"manual","cidr":"fd00::/64","gateway":"fd00::1"}',
    ],
)
def test_routes_that_pass(route: str) -> None:
    """Routes that the real webhook accepts pass, even the wrong ones among them."""
    HarvesterAdmission().review(NADS, before=None, after=nad(route))


@pytest.mark.parametrize(
    "route",
    [
        "{",
        "[]",
        "5",
        '"auto"',
        "[" * 100_000,
        '{"mode":"AUTO"}',
        '{"mode":"Manual"}',
        '{"mode":1}',
        '{"connectivity":true}',
        '{"outdated":"true"}',
        '{"CIDR":5}',
        '{"mode":"manual"}',
        '{"mode":"manual","cidr":"10.0.0.0/24","gateway":"gw"}',
        '{"mode":"manual","cidr":"10.0.0.0/24"}',
        '{"mode":"manual","cidr":"0.0.0.0/0","gateway":"10.0.0.1"}',
        '{"mode":"manual","cidr":"10.0.0.0","gateway":"10.0.0.1"}',
        '{"mode":"manual","cidr":"10.0.0.0/255.255.255.0","gateway":"10.0.0.1"}',
        '{"mode":"manual","cidr":"10.0.0.0/33","gateway":"10.0.0.1"}',
    ],
)
def test_routes_that_are_refused(route: str) -> None:
    """Wrong JSON, types, modes and manual values get a 500 with the webhook's name."""
    for before in (None, nad()):
        with pytest.raises(ApiError) as caught:
            HarvesterAdmission().review(NADS, before=before, after=nad(route))
        assert caught.value.code == 500
        assert "harvesterhci.io" in caught.value.message
        assert "denied the request" in caught.value.message


@pytest.mark.parametrize(
    ("config", "passes"),
    [
        ('{"type":"bridge","bridge":"extra-br"}', True),
        ('{"type":"bridge","bridge":"extra-br","vlan":0}', True),
        ('{"type":"bridge","bridge":"extra-br","vlan":4094}', True),
        ('{"type":"bridge","bridge":"extra-br","vlan":4095}', False),
        ('{"type":"bridge","bridge":"extra-br","vlan":-1}', False),
        ('{"type":"bridge","bridge":"extra-br","vlan":"7"}', False),
        ('{"type":"bridge","bridge":"extra-br","vlan":true}', False),
        ('{"type":"bridge","bridge":"extra-br","mtu":576}', True),
        ('{"type":"bridge","bridge":"extra-br","mtu":9001}', False),
        ('{"type":"bridge","bridge":"extra-br","mtu":575}', False),
        ('{"type":"bridge","bridge":"extra"}', False),
        ('{"type":"bridge","bridge":"-br"}', False),
        ('{"type":"bridge","bridge":"a-long-bridge-br"}', False),
        ('{"type":"bridge"}', False),
        ('{"type":"bridge","bridge":5}', False),
        ('{"type":"kube-ovn"}', True),
        ('{"type":"macvlan"}', False),
        ("{}", False),
        ("", False),
        ("{", False),
        ("[]", False),
    ],
)
def test_configs(config: str, passes: bool) -> None:
    """VLAN, MTU, bridge and type of a new network are checked as by the webhook."""
    if passes:
        HarvesterAdmission().review(NADS, before=None, after=nad(config=config))
        return
    with pytest.raises(ApiError) as caught:
        HarvesterAdmission().review(NADS, before=None, after=nad(config=config))
    assert caught.value.code == 500


def test_an_unchanged_config_is_not_checked_again() -> None:
    """An existing invalid number does not prevent a change of an annotation."""
    wrong = nad(config='{"type":"bridge","bridge":"extra-br","vlan":5000}')
    HarvesterAdmission().review(NADS, before=clone_object(wrong), after=wrong)


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ('{"type":"bridge","bridge":"extra-br","vlan":7}', ("L2VlanNetwork", "7", "extra")),
        ('{"type":"bridge","bridge":"extra-br"}', ("UntaggedNetwork", None, "extra")),
        (
            '{"type":"bridge","bridge":"extra-br","vlanTrunk":[{"minID":1}]}',
            ("L2VlanTrunkNetwork", None, "extra"),
        ),
        ('{"type":"kube-ovn","vlan":7}', ("OverlayNetwork", None, "mgmt")),
    ],
)
def test_labels(config: str, labels: tuple[str, str | None, str]) -> None:
    """type, vlan-id and clusternetwork are corrected; an invalid vlan-id is removed."""
    body = nad(config=config)
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    metadata["labels"] = {"network.harvesterhci.io/vlan-id": "99", "mine": "1"}
    HarvesterAdmission().review(NADS, before=nad(config=config), after=body)
    given = metadata["labels"]
    assert isinstance(given, dict)
    found = tuple(
        given.get(f"network.harvesterhci.io/{key}") for key in ("type", "vlan-id", "clusternetwork")
    )
    assert found == labels
    assert given["mine"] == "1"


@pytest.mark.parametrize(
    ("old_route", "new_route", "new_vlan", "expected"),
    [
        ('{"mode":"auto"}', '{"mode":"auto"}', 8, '{"mode":"auto","outdated":true}'),
        ('{"mode":"manual"}', '{"mode":"auto","x":1}', 7, '{"mode":"auto","outdated":true}'),
        ("{}", '{"mode":"auto"}', 7, '{"mode":"auto","outdated":true}'),
        (None, '{"mode":"auto"}', 7, '{"mode":"auto"}'),
        ('{"mode":"auto"}', '{"mode":"auto","x":1}', 7, '{"mode":"auto","x":1}'),
        ('{"mode":"auto","outdated":true}', '{"mode":""}', 7, "{}"),
        ('{"mode":"auto"}', '{"mode":"auto"}', 0, None),
        ('{"mode":"auto"}', None, 8, None),
    ],
)
def test_a_route_becomes_outdated(
    old_route: str | None, new_route: str | None, new_vlan: int, expected: str | None
) -> None:
    """A new VLAN, or a change to auto, sets `outdated`; VLAN 0 removes the route."""
    after = nad(new_route, json.dumps({"type": "bridge", "bridge": "extra-br", "vlan": new_vlan}))
    HarvesterAdmission().review(NADS, before=nad(old_route), after=after)
    assert route_of(after) == expected


def test_other_resources_are_none_of_its_business() -> None:
    """Other resources pass unchanged."""
    body: JsonObject = {"metadata": {"name": "a"}}
    assert HarvesterAdmission().review(NAMESPACES, before=None, after=clone_object(body)) == body
