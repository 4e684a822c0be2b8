"""The chart against the schemas of Kubernetes' versions, and its admission policy against requests.

`make test-long` installs what these need.
"""

import copy
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.deploy.reading import Manifest, manifests, of_kind
from tests.unit.deploy.rendering import EVERYTHING, POLICY, rendered

pytestmark = [pytest.mark.helm, pytest.mark.long]

OF_OTHERS = {"PodMonitor", "PrometheusRule"}
"""Kinds of Prometheus Operator, of which Kubernetes has no schema."""
NEWEST = "newest"
VERSIONS = ("1.29", "1.34", NEWEST)
UPDATER = "system:serviceaccount:nadroute:nadroute-updater"
ROUTE = "network.harvesterhci.io/route"


def validate(objects: list[Manifest], version: str) -> None:
    """Check each object, unknown fields included; raise ValidationError."""
    validator = importlib.import_module("kubernetes_validate")
    known = validator.latest_version() if version == NEWEST else version
    checked = [each for each in objects if each["kind"] not in OF_OTHERS]
    assert len(checked) > 20
    for each in checked:
        validator.validate(each, known, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_every_object_is_valid(values: dict[str, Any], version: str) -> None:
    """For the oldest version that the chart takes, for one of a Harvester, and for the newest."""
    options = ["--kube-version", "1.37.0" if version == NEWEST else f"{version}.0"]
    options += [] if version == "1.29" else ["--api-versions", POLICY]
    validate(rendered(values, *options), version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_plain_manifests_are_valid(version: str) -> None:
    """They are applied by any kubectl; kustomization.yaml says what the oldest version does not have."""
    had = [each for each in manifests() if version != "1.29" or "Admission" not in each["kind"]]
    validate(had, version)


def test_a_wrong_object_is_found() -> None:
    """The schemas know a field that is misspelt."""
    objects = copy.deepcopy(rendered())
    of_kind("Deployment", objects)["updater"]["spec"]["replica"] = 2
    with pytest.raises(Exception, match="replica"):
        validate(objects, "1.34")


def network() -> Manifest:
    """Return a network as the updater finds it."""
    return {
        "metadata": {
            "name": "a",
            "annotations": {ROUTE: "{}", "nadroute.io/status": "{}", "mine": "1"},
            "finalizers": ["wrangler.cattle.io/x"],
        },
        "spec": {"config": "{}"},
    }


def denials(before: Manifest, after: Manifest) -> list[str]:
    """Return the messages of the policy's rules that refuse this update."""
    celpy = importlib.import_module("celpy")
    policy = of_kind("ValidatingAdmissionPolicy", rendered({}, "--api-versions", POLICY))["updater"]["spec"]
    environment = celpy.Environment()

    def evaluated(expression: str, activation: dict[str, Any]) -> Any:
        program = environment.program(environment.compile(expression))
        return program.evaluate({name: celpy.json_to_cel(value) for name, value in activation.items()})

    request = {"request": {"userInfo": {"username": UPDATER}}}
    (condition,) = policy["matchConditions"]
    assert evaluated(condition["expression"], request)
    request["request"]["userInfo"]["username"] = "system:serviceaccount:nadroute:other"
    assert not evaluated(condition["expression"], request)
    objects = {"object": after, "oldObject": before}
    variables = {each["name"]: evaluated(each["expression"], objects) for each in policy["variables"]}
    return [
        rule["message"]
        for rule in policy["validations"]
        if not evaluated(rule["expression"], {**objects, "variables": variables})
    ]


def allowed() -> Iterator[tuple[str, Manifest, Manifest]]:
    """Yield what the updater does: a name, the network before and after."""
    for name, changed in (("route", ROUTE), ("ours", "nadroute.io/status")):
        after = network()
        after["metadata"]["annotations"][changed] = '{"mode":"auto"}'
        yield f"{name} changed", network(), after
        before = network()
        del before["metadata"]["annotations"][changed]
        yield f"{name} added", before, network()
        yield f"{name} removed", network(), before
    bare = network()
    del bare["metadata"]["annotations"], bare["metadata"]["finalizers"]
    first = copy.deepcopy(bare)
    first["metadata"]["annotations"] = {ROUTE: "{}"}
    yield "first annotation", bare, first
    labelled = network()
    labelled["metadata"]["labels"] = {"network.harvesterhci.io/type": "L2VlanNetwork"}
    labelled["metadata"] |= {"resourceVersion": "2", "managedFields": [{"manager": "nadroute"}]}
    yield "labels of Harvester's mutator", network(), labelled
    empty = network()
    del empty["spec"]
    yield "no spec", empty, copy.deepcopy(empty)


def refused() -> Iterator[tuple[str, Manifest, str]]:
    """Yield what it never does: a name, the network afterwards, the rule."""
    after = network()
    after["spec"]["config"] = '{"vlan":1}'
    yield "spec changed", after, "never spec"
    after = network()
    del after["spec"]
    yield "spec removed", after, "never spec"
    for value in ("2", None):
        after = network()
        annotations = {**after["metadata"]["annotations"], "mine": value}
        after["metadata"]["annotations"] = {k: v for k, v in annotations.items() if v is not None}
        yield f"annotation of another: {value}", after, "no other annotation"
    after = network()
    after["metadata"]["annotations"]["nadroute.io.example/x"] = "1"
    yield "a name like ours", after, "no other annotation"
    after = network()
    del after["metadata"]["annotations"]
    yield "all annotations removed", after, "no other annotation"
    after = network()
    after["metadata"]["finalizers"] = []
    yield "finalizer removed", after, "no finalizer"
    after = network()
    after["metadata"]["ownerReferences"] = [{"uid": "x"}]
    yield "owner added", after, "no owner"


@pytest.mark.parametrize(("before", "after"), [case[1:] for case in allowed()], ids=[c[0] for c in allowed()])
def test_the_policy_lets_the_updater_do_its_work(before: Manifest, after: Manifest) -> None:
    """Each change that the updater makes, and what Harvester's mutator adds to it."""
    assert denials(before, after) == []


@pytest.mark.parametrize(("after", "rule"), [case[1:] for case in refused()], ids=[c[0] for c in refused()])
def test_the_policy_refuses_anything_else(after: Manifest, rule: str) -> None:
    """One rule refuses it, and says what the updater may do."""
    (message,) = denials(network(), after)
    assert rule in message
