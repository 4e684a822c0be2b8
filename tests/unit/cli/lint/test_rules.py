"""The rules of `nadroute lint`, by their own examples and by generated manifests."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lab.kube.errors import ApiError
from lab.kube.harvester import HarvesterAdmission
from lab.kube.resources import NADS
from services.cli.lint.linting import Found, lint
from services.contract.outcomes import State
from services.network.lint.examples import EXAMPLES
from services.network.lint.manifests import Manifest
from services.network.lint.rules import RULES, Level
from services.network.parse.intent import NotProbed, read_intent

ROOT = Path(__file__).parents[4]


def codes(text: str) -> list[str]:
    return [one.code for one in lint([("file.yaml", text)])]


@pytest.mark.parametrize("code", RULES)
def test_a_rule_finds_its_wrong_example_alone(code: str) -> None:
    """In the right one nothing is found."""
    wrong, right = EXAMPLES[code]
    assert set(codes(wrong)) == {code}
    assert codes(right) == []


def test_every_rule_has_an_example_and_every_example_a_rule() -> None:
    """Each code and each name is there once."""
    assert list(EXAMPLES) == list(RULES)
    assert len({rule.name for rule in RULES.values()}) == len(RULES)


def test_the_examples_have_the_findings_that_they_are_there_for() -> None:
    """What the demo applies is right but where an example shows a mistake."""
    files = sorted((ROOT / "examples").rglob("*.yaml"))
    found = lint([(file.name, file.read_text()) for file in files])
    assert [(one.file, one.code) for one in found] == [
        ("broken-route.yaml", "NR304"),
        ("broken-route.yaml", "NR102"),
        ("broken-route.yaml", "NR401"),
        ("disabled.yaml", "NR401"),
        ("gateway-outside-cidr.yaml", "NR105"),
        ("manual.yaml", "NR401"),
        ("shared-segment.yaml", "NR101"),
        ("yaml-without-annotation.yaml", "NR101"),
        ("yaml-without-annotation.yaml", "NR401"),
    ]


NAMES = st.sampled_from(
    ["mode", "Mode", "cidr", "gateway", "serverIPAddr", "connectivity", "outdated", "note"]
)
VALUES: st.SearchStrategy[object] = st.sampled_from(
    ["auto", "manual", "", "10.0.0.0/24", "10.0.0.1/24", "10.0.0.1", "0.0.0.0/0", "10.0.0.1/32", "x", "true"]
) | st.sampled_from([True, 7, None, [], {}])
ROUTES = st.none() | st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps) | st.just("{mode: auto}")
CONFIGS = st.fixed_dictionaries(
    {"type": st.sampled_from(["bridge", "bridge", "bridge", "kube-ovn", "macvlan", 7])},
    optional={
        "bridge": st.sampled_from(["extra-br", "mgmt-br", "extra", "-br", "datacenter-north-br", 7]),
        "vlan": st.sampled_from([0, 1, 100, 4094, 4095, -1, "100", 1.5]),
        "mtu": st.sampled_from([0, 100, 576, 9000, 9001, "1500"]),
        "vlanTrunk": st.sampled_from([[], [{"minID": 1, "maxID": 9}], "1-9"]),
        "Vlan": st.just(7),
        "name": st.sampled_from(["net", "other"]),
    },
).map(json.dumps) | st.sampled_from(["", "{", "[]", "null"])


@given(ROUTES, CONFIGS)
def test_what_has_no_error_is_accepted_and_read(route: str | None, config: str) -> None:
    """Harvester's webhook accepts a network without an error, and the watcher does not call it invalid."""
    annotations = {} if route is None else {"network.harvesterhci.io/route": route}
    body = {
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "net", "namespace": "default", "annotations": annotations},
        "spec": {"config": config},
    }
    found = lint([("net.yaml", yaml.safe_dump(body))])
    if any(one.rule.level is Level.ERROR for one in found):
        return
    try:
        HarvesterAdmission().review(NADS, before=None, after=json.loads(json.dumps(body)))
    except ApiError as refused:
        pytest.fail(f"{refused}: {found}")
    intent = read_intent(Manifest(body).network)
    assert not isinstance(intent, NotProbed) or intent.state is not State.INVALID


TEXTS = st.sampled_from([text for example in EXAMPLES.values() for text in example])


@given(
    TEXTS,
    st.integers(0, 1_000),
    st.sampled_from(["", "\n", ":", "'", '"', "- ", "&a ", "*a", "{", "\t", "é"]),
)
def test_a_broken_manifest_is_told_at_a_line_of_it(text: str, at: int, put: str) -> None:
    """Whatever is in a file, the command ends with findings, each at a place that is there."""
    broken = text[: at % len(text)] + put + text[at % len(text) + 1 :]
    for one in lint([("file.yaml", broken)]):
        assert isinstance(one, Found)
        assert 1 <= one.line <= broken.count("\n") + 1
        assert one.column >= 1
