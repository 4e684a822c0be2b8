"""The rights that the doctor asks for are those that the manifests grant."""

import pytest

from services.cluster.rights import rights_of
from tests.unit.deploy.reading import of_kind


def _granted(part: str) -> set[tuple[str, str, str]]:
    """Return (API group, resource, verb) of every role of this part."""
    rules = [
        rule
        for kind in ("Role", "ClusterRole")
        for name, role in of_kind(kind).items()
        if name.endswith(part)
        for rule in role["rules"]
    ]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("part", ["watcher", "updater"])
def test_the_doctor_asks_for_what_is_granted(part: str) -> None:
    """A site with the roles of the manifests lacks no right, and none is granted that it does not ask for."""
    asked = rights_of(part, namespace="nadroute", lease=f"nadroute-{part}")
    assert {(right.group, right.resource, right.verb) for right in asked} == _granted(part)
