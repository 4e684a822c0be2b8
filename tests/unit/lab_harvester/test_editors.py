"""The doubles of Harvester's UI and of Terraform write what the real ones write."""

import json
from collections.abc import Callable

import pytest

from lab.harvester import HarvesterUi, Layer3, Terraform
from lab.kube.errors import ApiError
from lab.kube.harvester import config_text
from lab.kube.jsontypes import JsonObject, metadata, strings
from tests.unit.lab_harvester.world import KEY, World

FULL = '{"mode":"auto","cidr":"10.80.0.0/24","gateway":"10.80.0.1","connectivity":"true","ours":1}'


@pytest.fixture
def world() -> World:
    return World()


def test_a_save_keeps_four_fields(world: World) -> None:
    """A save drops connectivity and unknown keys, writes empty fields, and keeps other annotations."""
    world.create(FULL)
    world.write(FULL, other="1")
    HarvesterUi(world.networks).save(KEY)
    assert json.loads(world.route()) == {
        "mode": "auto",
        "serverIPAddr": "",
        "cidr": "10.80.0.0/24",
        "gateway": "10.80.0.1",
    }
    assert strings(metadata(world.body()), "annotations")["other"] == "1"


def test_a_save_changes_what_is_given(world: World) -> None:
    """A save with another VLAN makes the webhook mark the route as outdated."""
    world.create(FULL)
    HarvesterUi(world.networks).save(KEY, vlan=81, server="10.80.0.2")
    saved = Layer3.parse(world.route())
    assert (saved.server, saved.outdated) == ("10.80.0.2", True)
    assert json.loads(config_text(world.body()))["vlan"] == 81


def test_an_apply_writes_its_plan_alone(world: World) -> None:
    """An apply writes only its plan: auto is a bare mode, manual has no connectivity."""
    world.create(FULL)
    terraform = Terraform(world.networks)
    terraform.apply(KEY)
    assert world.route() == '{"mode":"auto"}'
    terraform.apply(KEY, mode="manual", cidr="10.80.0.0/24", gateway="10.80.0.9")
    assert world.route() == '{"mode":"manual","cidr":"10.80.0.0/24","gateway":"10.80.0.9"}'


def test_a_conflict_is_tried_again_and_a_refusal_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a conflict the save is repeated, as a person would."""
    world.create(FULL)
    read: Callable[[tuple[str, str]], JsonObject] = world.networks.get

    def read_and_lose(key: tuple[str, str]) -> JsonObject:
        body = read(key)
        monkeypatch.setattr(world.networks, "get", read)
        world.write(FULL, other="2")
        return body

    monkeypatch.setattr(world.networks, "get", read_and_lose)
    HarvesterUi(world.networks).save(KEY)
    assert strings(metadata(world.body()), "annotations")["other"] == "2"
    with pytest.raises(ApiError, match="denied the request"):
        HarvesterUi(world.networks).save(KEY, mode="nonsense")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", Layer3()),
        ('{"MODE":"auto","x":1,"cidr":null}', Layer3(mode="auto")),
        ('{"connectivity":"true","outdated":true}', Layer3(connectivity="true", outdated=True)),
    ],
)
def test_the_struct_reads_as_go_does(text: str, expected: Layer3) -> None:
    """Names are case-insensitive, null means absent, unknown keys are ignored."""
    assert Layer3.parse(text) == expected


@pytest.mark.parametrize("text", ["{", "[]", '{"connectivity":true}', '{"outdated":"true"}'])
def test_the_struct_refuses_other_types(text: str) -> None:
    """Other JSON types are refused, as by Go's decoder."""
    with pytest.raises(ValueError, match="unmarshal"):
        Layer3.parse(text)
