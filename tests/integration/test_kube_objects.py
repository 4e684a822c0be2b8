"""The contract of objects: what the official client may rely on, in the lab and in a real cluster."""

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from kubernetes import client

from tests.support.kube_api import (
    GROUP,
    PLURAL,
    VERSION,
    Networks,
    cluster_networks,
    config_json,
    network,
    reason,
    refused,
)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Networks]:
    """A namespace in a cluster."""
    with cluster_networks(Path(tmp_path_factory.mktemp("kube"))) as found:
        yield found


def test_a_new_object_gets_what_the_server_gives(networks: Networks) -> None:
    """A created object has uid, creationTimestamp, resourceVersion and generation 1, whatever it claimed."""
    long_ago = "2001-01-01T00:00:00Z"
    claimed = network(
        "born", uid="mine", generation=9, creationTimestamp=long_ago, deletionTimestamp=long_ago
    )
    own = networks.create(claimed)["metadata"]
    assert re.fullmatch(r"[0-9a-f-]{36}", own["uid"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", own["creationTimestamp"])
    assert not own["creationTimestamp"].startswith("2001")
    assert own["generation"] == 1
    assert "deletionTimestamp" not in own
    assert int(own["resourceVersion"]) > 0
    assert own["namespace"] == networks.namespace


def test_a_stored_object_is_what_was_created(networks: Networks) -> None:
    """get returns the object as the creation answered it, spec untouched."""
    made = networks.create("same")
    assert networks.get("same") == made
    assert made["spec"] == {"config": config_json()}


def test_a_name_is_taken_once(networks: Networks) -> None:
    """A second creation under one name is 409 AlreadyExists, not Conflict."""
    networks.create("twice")
    error = refused(lambda: networks.create("twice"))
    assert (error.status, reason(error)) == (409, "AlreadyExists")


def test_a_missing_namespace_is_not_made(networks: Networks) -> None:
    """A creation in a namespace that does not exist is 404."""
    elsewhere = Networks(networks.api, "no-such-namespace-here", networks.kubeconfig)
    error = refused(lambda: elsewhere.create("lost"))
    assert (error.status, reason(error)) == (404, "NotFound")
    assert "no-such-namespace-here" in str(error.body)


def test_an_absent_object_is_not_found(networks: Networks) -> None:
    """get, patch and delete of what is not there are 404 NotFound with the name in the details."""
    for call in (
        lambda: networks.get("absent"),
        lambda: networks.annotate("absent", a="b"),
        lambda: networks.delete("absent"),
    ):
        error = refused(call)
        assert (error.status, reason(error)) == (404, "NotFound")
        assert '"name":"absent"' in str(error.body)


def test_generate_name_makes_a_name(networks: Networks) -> None:
    """An object without a name gets one that begins with generateName."""
    body = network("x")
    del body["metadata"]["name"]
    body["metadata"]["generateName"] = "made-"
    names = {networks.create(body)["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(re.fullmatch(r"made-[a-z0-9]{5}", name) for name in names)


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254, "a/b", "a..b"])
def test_a_name_is_a_dns_name(networks: Networks, name: str) -> None:
    """A name that is no DNS-1123 subdomain is refused with 422 Invalid."""
    error = refused(lambda: networks.create(network(name)))
    assert (error.status, reason(error)) == (422, "Invalid")


def test_a_config_is_a_string(networks: Networks) -> None:
    """The schema of the resource: spec.config that is an object is 422."""
    body = network("typed")
    body["spec"]["config"] = {"type": "bridge"}
    error = refused(lambda: networks.create(body))
    assert error.status == 422
    assert "spec.config" in str(error.body)


def test_what_the_schema_does_not_know_is_pruned(networks: Networks) -> None:
    """A field beside spec is dropped, so a status cannot be smuggled in."""
    made = networks.create({**network("pruned"), "status": {"a": 1}})
    assert "status" not in made


def test_labels_are_checked(networks: Networks) -> None:
    """A label value with a space is 422."""
    error = refused(lambda: networks.create(network("labelled", labels={"a": "b c"})))
    assert error.status == 422


def test_annotations_have_a_limit(networks: Networks) -> None:
    """More than 256 KiB of annotations is refused and leaves the object as it was."""
    made = networks.create("full")
    error = refused(lambda: networks.annotate("full", big="x" * (256 * 1024)))
    assert error.status == 422
    assert networks.get("full") == made


def test_only_the_spec_makes_a_generation(networks: Networks) -> None:
    """An annotation leaves the generation as it is, a config raises it, both raise the resourceVersion."""
    first = networks.create("generation")["metadata"]
    second = networks.annotate("generation", a="b")["metadata"]
    third = networks.patch("generation", {"spec": {"config": config_json(8)}})["metadata"]
    assert [each["generation"] for each in (first, second, third)] == [1, 1, 2]
    versions = [int(each["resourceVersion"]) for each in (first, second, third)]
    assert versions == sorted(set(versions))


def test_a_change_without_a_difference_is_none(networks: Networks) -> None:
    """A patch that changes nothing keeps the resourceVersion."""
    networks.create("same-again")
    before = networks.annotate("same-again", a="b")
    assert networks.annotate("same-again", a="b") == before


def test_an_update_replaces_the_whole_object(networks: Networks) -> None:
    """PUT removes what it does not name."""
    made = networks.create(network("whole", annotations={"a": "b"}))
    del made["metadata"]["annotations"]
    assert "annotations" not in networks.replace("whole", made)["metadata"]


def test_a_stale_update_conflicts(networks: Networks) -> None:
    """PUT of a state that was read before somebody else's write is 409 and changes nothing."""
    stale = networks.create("raced")
    networks.annotate("raced", who="other")
    stale["metadata"]["annotations"] = {"who": "me"}
    error = refused(lambda: networks.replace("raced", stale))
    assert (error.status, reason(error)) == (409, "Conflict")
    assert networks.get("raced")["metadata"]["annotations"]["who"] == "other"


def test_an_update_says_what_it_is_based_on(networks: Networks) -> None:
    """PUT of a custom resource without a resourceVersion is 422."""
    networks.create("unbased")
    error = refused(lambda: networks.replace("unbased", network("unbased")))
    assert error.status == 422
    assert "resourceVersion" in str(error.body)


def test_an_update_means_one_uid(networks: Networks) -> None:
    """PUT with the uid of an earlier object of that name is 409, even with a good resourceVersion."""
    old = networks.create("reborn")
    networks.delete("reborn")
    new = networks.create("reborn")
    new["metadata"]["uid"] = old["metadata"]["uid"]
    error = refused(lambda: networks.replace("reborn", new))
    assert error.status == 409


def test_a_deletion_is_complete(networks: Networks) -> None:
    """DELETE without finalizers answers Success with the uid, and the object is gone."""
    made = networks.create("gone")
    answer = networks.delete("gone")
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert answer["details"]["uid"] == made["metadata"]["uid"]
    assert refused(lambda: networks.get("gone")).status == 404


def test_a_deletion_may_be_bound(networks: Networks) -> None:
    """DELETE with the uid or resourceVersion of another state is 409, and the object stays."""
    made = networks.create("bound")["metadata"]
    changed = networks.annotate("bound", a="b")["metadata"]
    assert refused(lambda: networks.delete("bound", uid="another")).status == 409
    assert refused(lambda: networks.delete("bound", resource_version=made["resourceVersion"])).status == 409
    networks.delete("bound", uid=made["uid"], resource_version=changed["resourceVersion"])
    assert refused(lambda: networks.get("bound")).status == 404


def test_a_finalizer_holds_an_object(networks: Networks) -> None:
    """A deleted object with a finalizer stays, terminating and still patchable, until the finalizer goes."""
    networks.create(network("held", finalizers=["example.com/hold"]))
    terminating = networks.delete("held")
    assert "deletionTimestamp" in terminating["metadata"]
    assert networks.delete("held") == terminating
    assert networks.annotate("held", a="b")["metadata"]["annotations"] == {"a": "b"}
    added = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    assert refused(lambda: networks.patch("held", added)).status == 422
    networks.patch("held", {"metadata": {"finalizers": None}})
    assert refused(lambda: networks.get("held")).status == 404


def test_a_dry_run_stores_nothing(networks: Networks) -> None:
    """dryRun=All answers as if, and leaves no object."""
    assert networks.create("dry", dry_run="All")["metadata"]["name"] == "dry"
    assert refused(lambda: networks.get("dry")).status == 404


def test_events_are_found_by_their_object(networks: Networks) -> None:
    """core/v1 Events are created with a generated name and selected by involvedObject."""
    core = client.CoreV1Api(networks.api)
    for name in ("one", "two"):
        involved = client.V1ObjectReference(
            kind="NetworkAttachmentDefinition", namespace=networks.namespace, name=name
        )
        event = client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{name}."),
            involved_object=involved,
            reason="Active",
            message="it answers",
            type="Normal",
        )
        core.create_namespaced_event(networks.namespace, event)
    found = core.list_namespaced_event(networks.namespace, field_selector="involvedObject.name=two")
    assert [event.involved_object.name for event in found.items] == ["two"]


def test_a_lease_is_held_by_one(networks: Networks) -> None:
    """Of two holders who update a Lease from the same state one wins and one conflicts."""
    leases = client.CoordinationV1Api(networks.api)
    meta = client.V1ObjectMeta(name="leader")
    leases.create_namespaced_lease(networks.namespace, client.V1Lease(metadata=meta))
    first = leases.read_namespaced_lease("leader", networks.namespace)
    second = leases.read_namespaced_lease("leader", networks.namespace)
    first.spec = client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=15)
    second.spec = client.V1LeaseSpec(holder_identity="b", lease_duration_seconds=15)
    leases.replace_namespaced_lease("leader", networks.namespace, first)
    error = refused(lambda: leases.replace_namespaced_lease("leader", networks.namespace, second))
    assert error.status == 409
    assert leases.read_namespaced_lease("leader", networks.namespace).spec.holder_identity == "a"


def test_a_core_object_takes_a_strategic_patch(networks: Networks) -> None:
    """The official client's default patch of core objects (labels here) is understood."""
    core = client.CoreV1Api(networks.api)
    patched = core.patch_namespace(networks.namespace, {"metadata": {"labels": {"a": "b"}}})
    assert patched.metadata.labels["a"] == "b"


def test_a_namespace_takes_its_objects_along(networks: Networks) -> None:
    """A deleted namespace is empty when it is made again."""
    core = client.CoreV1Api(networks.api)
    name = f"{networks.namespace}-inner"
    body = client.V1Namespace(metadata=client.V1ObjectMeta(name=name))
    core.create_namespace(body)
    inner = Networks(networks.api, name, networks.kubeconfig)
    inner.create(network("held", finalizers=["example.com/hold"]))
    inner.create("free")
    core.delete_namespace(name)
    error = refused(lambda: inner.create("late"))
    assert error.status == 403
    inner.patch("held", {"metadata": {"finalizers": None}})
    assert refused(lambda: inner.get("held")).status == 404
    gone_within(lambda: core.read_namespace(name))


def gone_within(read: Callable[[], object], seconds: float = 60.0) -> None:
    """Read until that is 404; a real cluster takes its time over a namespace."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            read()
        except client.ApiException as error:
            assert error.status == 404  # noqa: PT017  anything else is a failure
            return
    raise AssertionError(f"still there after {seconds} s")


def test_a_body_agrees_with_its_path(networks: Networks) -> None:
    """A kind, namespace or name in the body that is not the one of the path is 400."""
    made = networks.create("agreed")
    for wrong in (
        {**network("other"), "kind": "Namespace"},
        {**network("other"), "apiVersion": "k8s.cni.cncf.io/v9"},
        network("other", namespace="default"),
    ):
        assert refused(partial(networks.create, wrong)).status == 400
    renamed = {**made, "metadata": {**made["metadata"], "name": "other"}}
    assert refused(lambda: networks.replace("agreed", renamed)).status == 400
    assert refused(lambda: networks.get("other")).status == 404


def test_a_body_has_a_limit(networks: Networks) -> None:
    """A body of more than 3 MiB is 413."""
    body = network("huge")
    body["spec"]["config"] = "x" * (4 * 1024 * 1024)
    error = refused(lambda: networks.create(body))
    assert (error.status, reason(error)) == (413, "RequestEntityTooLarge")


def test_a_collection_is_deleted_by_selector(networks: Networks) -> None:
    """DELETE of a collection takes what the selector matches, and nothing else."""
    for name, group in (("c1", "a"), ("c2", "a"), ("c3", "b")):
        networks.create(network(name, labels={"collected": group}))
    custom = client.CustomObjectsApi(networks.api)
    custom.delete_collection_namespaced_custom_object(
        GROUP, VERSION, networks.namespace, PLURAL, label_selector="collected=a"
    )
    left = networks.list(label_selector="collected")["items"]
    assert [item["metadata"]["name"] for item in left] == ["c3"]
