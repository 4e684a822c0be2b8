"""The chart under a real Helm: what holds for its defaults, with everything on, and for any values."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli.options.services_table import SERVICES, known_settings
from services.runtime.connection.settings import check_environment
from services.runtime.process.secret_files import FORMER
from tests.unit.cli.running import run
from tests.unit.deploy.reading import ROOT, Manifest, items_of_secrets, of_kind
from tests.unit.deploy.rendering import (
    CHART,
    EVERYTHING,
    POLICY,
    Refused,
    containers,
    helm,
    pods,
    rendered,
)

pytestmark = pytest.mark.helm

OUTSIDE: dict[str, Any] = {
    "redis": {"url": "rediss://redis.example:6379/0", "ca": True},
    "secrets": {"existing": "mine"},
}
variants = pytest.mark.parametrize(
    "values", [{}, EVERYTHING, OUTSIDE], ids=["defaults", "everything", "redis outside"]
)


@variants
def test_helm_finds_nothing_wrong(values: dict[str, Any]) -> None:
    """`helm lint --strict` has no remark."""
    assert "[" not in helm("lint", "--strict", str(CHART), values=values).partition("\n")[2]


@variants
def test_a_rendering_never_changes(values: dict[str, Any]) -> None:
    """Without a cluster to look into, as Argo CD renders, twice the same; and no secret is in it."""
    first, second = (
        helm("template", "nadroute", str(CHART), "--namespace", "n", values=values) for _ in range(2)
    )
    assert first == second
    assert not [each for each in yaml.safe_load_all(first) if each and each["kind"] == "Secret"]


def test_no_template_looks_into_a_cluster_or_draws_a_secret() -> None:
    """What such a function returns differs between an upgrade, a rendering and a second rendering."""
    functions = r"\b(lookup|rand\w+|gen\w+(Cert|CA|Key)\w*|derivePassword|now|uuidv4|htpasswd|bcrypt)\b"
    for template in (CHART / "templates").rglob("*"):
        if template.is_file():
            code = " ".join(
                re.findall(r"\{\{.*?\}\}", re.sub(r"\{\{-? /\*.*?\*/", "", template.read_text(), flags=re.S))
            )
            assert re.findall(functions, code) == [], template


@variants
def test_everything_is_named_for_the_release(values: dict[str, Any]) -> None:
    """Each name has the release's prefix, so that two of them do not meet; a namespace is the user's."""
    objects = rendered(values, "--api-versions", POLICY, release="here")
    prefix = values.get("fullnameOverride", "here-nadroute")
    assert {each["metadata"]["name"].startswith(prefix) for each in objects} == {True}
    assert not [each for each in objects if each["kind"] == "Namespace"]


def test_two_releases_share_no_object_and_no_pod() -> None:
    """In one namespace, with everything on: no object of one has the name of one of the other."""
    values = {**EVERYTHING, "fullnameOverride": ""}
    one, other = (rendered(values, "--api-versions", POLICY, release=name) for name in ("one", "other"))

    def names(objects: list[Manifest]) -> set[tuple[str, str]]:
        return {(each["kind"], each["metadata"]["name"]) for each in objects}

    assert not names(one) & names(other)
    selectors = [each["spec"]["selector"] for each in one if "selector" in each.get("spec", {})]
    selectors += [each["spec"]["podSelector"] for each in one if "podSelector" in each.get("spec", {})]
    wanted = [(selector.get("matchLabels") or selector).items() for selector in selectors]
    assert len(wanted) == 12
    for pod in pods(other).values():
        assert not [each for each in wanted if each <= pod["metadata"]["labels"].items()]


RELEASES = ("a.b", "a-b", "1st", "x" * 53, "x" * 52 + "y", "nadroute.x", "y" * 30 + ".z", "nadroute")
CLUSTER_WIDE = re.compile(r"Cluster\w+|PriorityClass|ValidatingAdmission\w+")


def test_the_names_are_valid_for_every_release() -> None:
    """With dots, a digit in front, or the longest name that Helm takes: a Service has neither of these. And
    no two releases share a name.
    """
    seen: set[tuple[str, str]] = set()
    for release in RELEASES:
        names = [(each["kind"], each["metadata"]["name"]) for each in rendered({}, release=release)]
        for kind, name in names:
            # A Service's name is the narrowest; a Deployment's gets 17 characters more for its pods.
            assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?(\.[a-z][-a-z]*)?", name), (kind, name)
            assert len(name.partition(".")[0]) <= 56, (kind, name)
            assert "." not in name or CLUSTER_WIDE.fullmatch(kind), (kind, name)
        assert not seen & set(names), release
        seen |= set(names)


def test_one_name_in_two_namespaces_is_two_releases() -> None:
    """What is in no namespace, or in Grafana's, has the release's namespace in its name; its bindings too."""
    values = {**EVERYTHING, "fullnameOverride": ""}
    one, other = (rendered(values, "--api-versions", POLICY, namespace=name) for name in ("a", "b"))
    shared = {"kinds": 0}
    for first, second in zip(one, other, strict=True):
        if CLUSTER_WIDE.fullmatch(first["kind"]) or "namespace" in first["metadata"]:
            assert first["metadata"]["name"] != second["metadata"]["name"]
            shared["kinds"] += 1
        else:
            assert first["metadata"]["name"] == second["metadata"]["name"]
    assert shared["kinds"] == 10
    roles = of_kind("ClusterRole", one)
    for binding in of_kind("ClusterRoleBinding", one).values():
        assert binding["roleRef"]["name"] in roles
    (policy,) = of_kind("ValidatingAdmissionPolicy", one).values()
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"].endswith('"system:serviceaccount:a:nadroute-updater"')
    (priority,) = of_kind("PriorityClass", one)
    assert pods(one)["nadroute-prober"]["spec"]["priorityClassName"] == priority


TOLERATIONS = st.lists(
    st.sampled_from([{"operator": "Exists"}, {"key": "a", "operator": "Exists"}]), max_size=2
)
PART = st.fixed_dictionaries({}, optional={"tolerations": TOLERATIONS, "nodeSelector": st.just({"a": "b"})})
REPLICATED = st.builds(lambda part, replicas: {**part, "replicas": replicas}, PART, st.integers(1, 3))
ANY_VALUES = st.fixed_dictionaries(
    {
        "watcher": REPLICATED,
        "updater": REPLICATED,
        "prober": st.builds(lambda part, own: {**part, "priorityClass": own}, PART, st.booleans()),
        "flower": st.builds(lambda part, on: {**part, "enabled": on}, PART, st.booleans()),
        "redis": st.builds(
            lambda tls, kept: {"tls": tls, "persistence": {"enabled": kept}}, st.booleans(), st.booleans()
        ),
        "secrets": st.sampled_from([{}, {"existing": "mine"}]),
        "networkPolicy": st.builds(lambda on: {"enabled": on}, st.booleans()),
    }
)


@settings(max_examples=10)
@given(ANY_VALUES)
def test_every_pod_can_be_evicted_whatever_the_values(values: dict[str, Any]) -> None:
    """Nothing holds up a drain: no budget, no pod that nothing starts elsewhere, no annotation against it.

    A drain asks about local data only for Redis, whose file goes with the pod when it has no volume.
    """
    objects = rendered(values)
    assert not [each for each in objects if each["kind"] == "PodDisruptionBudget"]
    for name, pod in pods(objects).items():
        assert not [note for note in pod["metadata"].get("annotations", {}) if "evict" in note], name
        kinds = {kind for volume in pod["spec"].get("volumes", []) for kind in volume}
        assert not kinds & {"hostPath", "local"}, name
        if "emptyDir" in kinds:
            assert name == "nadroute-redis"
            assert not values["redis"]["persistence"]["enabled"]
        priority = pod["spec"].get("priorityClassName", "")
        assert not priority.startswith("system-"), name
    hooks = {
        each["metadata"]["name"]
        for each in objects
        if "helm.sh/hook" in each["metadata"].get("annotations", {})
    }
    alone = {each["metadata"]["name"] for each in objects if each["kind"] in ("Pod", "Job")}
    assert alone <= hooks


@variants
def test_every_pod_is_confined(values: dict[str, Any]) -> None:
    """Hooks and tests too: no privilege, bounded memory, no variables of Services, the given images."""
    objects = rendered(values)
    image = {"registry": "localhost", "pullPolicy": "IfNotPresent", **values.get("image", {})}
    assert len(pods(objects)) >= 6
    for name, pod in pods(objects).items():
        spec = pod["spec"]
        assert spec["enableServiceLinks"] is False
        assert [each["name"] for each in spec.get("imagePullSecrets", [])] == image.get("pullSecrets", [])
        for container in containers(pod):
            context = spec["securityContext"] | container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"]["drop"] == ["ALL"]
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert (context.get("runAsNonRoot") is True) is ("prober" not in name)
            assert set(container["resources"]["limits"]) == {"memory"}
            assert container["imagePullPolicy"] == image["pullPolicy"]
            if "redis" not in name:
                assert container["image"].startswith(f"{image['registry']}/nadroute-")


def test_images_are_named_by_tag_or_digest() -> None:
    """A digest is in place of the tag; the tag is the chart's version unless given."""
    images = {
        container["name"]: container["image"]
        for pod in pods(rendered(EVERYTHING)).values()
        for container in containers(pod)
    }
    assert images["prober"] == f"registry.example:5000/team/nadroute-prober@sha256:{'0' * 64}"
    assert images["updater"] == "registry.example:5000/team/nadroute-updater:9.9.9"
    assert images["secret"] == "registry.example:5000/team/nadroute-cli:9.9.9"


def test_settings_reach_each_service_as_it_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists, mappings, numbers and switches of the values are accepted by the service's own settings."""
    objects = rendered(EVERYTHING)
    for service in SERVICES:
        (container,) = pods(objects)[f"other-{service.name}"]["spec"]["containers"]
        environment = {each["name"]: each.get("value", "10.0.0.1") for each in container["env"]}
        environment = {name: value for name, value in environment.items() if not name.endswith("_FILE")}
        check_environment(known_settings(), environment)
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            loaded = dict(service.settings_class().load())
        assert loaded["log_level"] == "debug"
        if service.name == "updater":
            assert (loaded["observe_only"], set(loaded["namespaces"])) == (True, {"a", "b"})
        if service.name == "prober":
            assert loaded["uplinks"] == {"mgmt": "eth0"}


def test_every_container_runs_a_command_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """With options that it has: `helm test` asks the doctor, who gets the release's name and namespace."""
    arguments = {
        container["name"]: container["args"]
        for pod in pods(rendered({}, namespace="apart")).values()
        for container in containers(pod)
        if "args" in container
    }
    assert set(arguments) == {"watcher", "updater", "prober", "flower", "settings", "secret", "doctor"}
    for given_ones in arguments.values():
        assert run(monkeypatch, *given_ones, "--help").code == 0
    assert arguments["doctor"] == ["doctor", "--namespace", "apart", "--release", "nadroute"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"settings": {"observe_onyl": True}}, "observe_onyl"),
        ({"settings": {"pace": "fast"}}, "/settings/pace"),
        ({"settings": {"redis_url": "redis://x"}}, "redis_url"),
        ({"watcher": {"replicas": 0}}, "/watcher/replicas"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"image": {"digests": {"prober": "latest"}}}, "/image/digests/prober"),
        ({"redis": {"url": "redis://user:secret@redis"}}, "/redis/url"),
        ({"flower": {"replica": 1}}, "replica"),
        ({"image": {"digests": {"probr": f"sha256:{'0' * 64}"}}}, "'probr'"),
        ({"fullnameOverride": "a.b"}, "/fullnameOverride"),
        ({"watcher": {"nodeSelector": {"zone": True}}}, "/watcher/nodeSelector/zone"),
        ({"flower": {"tolerations": ["all"]}}, "/flower/tolerations/0"),
        ({"networkPolicy": {"redisFrom": ["10.52.0.0"]}}, "/networkPolicy/redisFrom/0"),
        ({"metrics": {"labels": {"release": 1}}}, "/metrics/labels/release"),
        ({"metrics": {"podMonitor": {"interval": "30"}}}, "/metrics/podMonitor/interval"),
        ({"image": {"tag": "a:b"}}, "/image/tag"),
        ({"clusterDomain": "cluster.local."}, "/clusterDomain"),
        (
            {"redis": {"url": "redis://redis:6379/0", "ca": True}, "secrets": {"existing": "mine"}},
            "expected rediss://",
        ),
    ],
)
def test_wrong_values_are_refused_before_anything_changes(values: dict[str, Any], named: str) -> None:
    """By the schema, with the value's path."""
    with pytest.raises(Refused, match=re.escape(named)):
        rendered(values)


def test_a_redis_outside_needs_its_passwords() -> None:
    """A Secret made here would have passwords that it does not know."""
    with pytest.raises(Refused, match=r"set secrets\.existing"):
        rendered({"redis": {"url": "rediss://redis.example:6379/0"}})
    objects = rendered(OUTSIDE)
    assert not [each for each in objects if each["metadata"]["name"].endswith("-redis")]
    assert "secret" not in {c["name"] for pod in pods(objects).values() for c in containers(pod)}


def test_a_redis_outside_may_ask_for_a_certificate() -> None:
    """Each part that connects has it from the Secret, and names both files to its service."""
    values = {**OUTSIDE, "redis": {**OUTSIDE["redis"], "clientCertificate": True}}
    for name, pod in pods(rendered(values)).items():
        if name.endswith("-prepare"):
            continue
        (container,) = pod["spec"]["containers"]
        (mount,) = container["volumeMounts"]
        (volume,) = pod["spec"]["volumes"]
        mounted = {f"{mount['mountPath']}/{item['path']}" for item in items_of_secrets(volume)}
        named = {each["value"] for each in container["env"] if each["name"].endswith("_FILE")}
        assert named <= mounted, name
        assert {"NADROUTE_REDIS_CERTIFICATE_FILE", "NADROUTE_REDIS_KEY_FILE"} <= {
            each["name"] for each in container["env"]
        }, name


def test_the_secret_is_made_by_a_hook_that_keeps_it() -> None:
    """It is made before anything of the release, and completed at each upgrade; with one given, none is."""
    objects = {(each["kind"], each["metadata"]["name"]): each for each in rendered()}
    job = objects["Job", "nadroute-prepare"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    rules = objects["Role", "nadroute-prepare"]["rules"]
    assert [(rule["resources"], rule["verbs"], rule.get("resourceNames")) for rule in rules] == [
        (["secrets"], ["create"], None),
        (["secrets"], ["get", "update"], ["nadroute"]),
    ]
    given_one = rendered({"secrets": {"existing": "mine"}})
    assert not [
        each for each in given_one if each["metadata"]["name"] == "nadroute-prepare" and each["kind"] != "Job"
    ]
    used = {
        v["secret"]["secretName"]
        for pod in pods(given_one).values()
        for v in pod["spec"].get("volumes", [])
        if "secret" in v
    }
    assert used == {"mine"}


def test_the_commands_have_their_former_password_while_it_counts() -> None:
    """`redis load` signs in by it after a rotation of its own user; mostly there is none in the Secret."""
    volume = next(
        each
        for name, pod in pods(rendered({"secrets": {"existing": "mine"}})).items()
        if name.endswith("-cli")
        for each in pod["spec"]["volumes"]
    )
    present, former = (each["secret"] for each in volume["projected"]["sources"])
    assert {present["name"], former["name"]} == {"mine"}
    assert {"key": "cli", "path": "redis-password"} in present["items"]
    assert former["items"] == [{"key": f"cli{FORMER}", "path": f"redis-password{FORMER}"}]
    assert (present.get("optional", False), former["optional"]) == (False, True)


def test_the_updater_is_held_where_the_api_server_can() -> None:
    """The policy is rendered only where it is served; below 1.31 no field is sent that would be dropped."""
    kinds = {each["kind"] for each in rendered({}, "--kube-version", "1.29.0")}
    assert "ValidatingAdmissionPolicy" not in kinds
    assert "matchLabelKeys" not in json.dumps(rendered({}, "--kube-version", "1.30.5"))
    assert "matchLabelKeys" in json.dumps(rendered({}, "--kube-version", "1.31.0+rke2r1"))
    with pytest.raises(Refused, match="incompatible with Kubernetes"):
        rendered({}, "--kube-version", "1.28.0")
    policies = of_kind("ValidatingAdmissionPolicy", rendered({}, "--api-versions", POLICY))
    (binding,) = of_kind("ValidatingAdmissionPolicyBinding", rendered({}, "--api-versions", POLICY)).values()
    assert policies["updater"]["metadata"]["name"] == binding["spec"]["policyName"]
    assert binding["spec"]["validationActions"] == ["Deny"]


def test_prometheus_gets_the_documented_rules_and_all_metrics() -> None:
    """The rules are those of docs/alerts.yaml, where what may be absent is what this release's PodMonitor
    scrapes, if there is one; each part with metrics is scraped, and Flower is not.
    """
    documented = (ROOT / "docs" / "alerts.yaml").read_text()
    (plain,) = of_kind(
        "PrometheusRule", rendered({"metrics": {"prometheusRule": {"enabled": True}}})
    ).values()
    assert plain["spec"] == yaml.safe_load(documented)
    objects = rendered(EVERYTHING, namespace="apart")
    (rule,) = of_kind("PrometheusRule", objects).values()
    (monitor,) = of_kind("PodMonitor", objects).values()
    own, number = re.subn(
        r"absent\((\w+)\)", rf'absent(\1{{job="apart/{monitor["metadata"]["name"]}"}})', documented
    )
    assert number == 3
    assert rule["spec"] == yaml.safe_load(own)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["relabelings"] == [
        {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}
    ]
    assert (
        rule["metadata"]["labels"]["release"]
        == monitor["metadata"]["labels"]["release"]
        == "rancher-monitoring"
    )
    (parts,) = monitor["spec"]["selector"]["matchExpressions"]
    scraped = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in pods(objects).values()
        for container in containers(pod)
        if "metrics" in {port["name"] for port in container.get("ports", [])}
    }
    assert set(parts["values"]) == scraped == {"watcher", "updater", "prober"}
    (dashboard,) = [each for name, each in of_kind("ConfigMap", objects).items() if "dashboard" in name]
    assert json.loads(dashboard["data"]["nadroute.json"]) == json.loads(
        (ROOT / "docs" / "grafana-dashboard.json").read_text()
    )


def test_a_site_says_from_where_probers_come() -> None:
    """Redis is reached from the pods of the release, and from these addresses."""
    policy = of_kind("NetworkPolicy", rendered({**EVERYTHING, "fullnameOverride": ""}))["redis"]
    (rule,) = policy["spec"]["ingress"]
    pods_of_release, *blocks = rule["from"]
    assert "podSelector" in pods_of_release
    assert [block["ipBlock"]["cidr"] for block in blocks] == EVERYTHING["networkPolicy"]["redisFrom"]


KEPT_WHEN_EMPTY = {"emptyDir", "podSelector", "automountServiceAccountToken", "enableServiceLinks"}
KEPT_WHEN_EMPTY |= {"allowPrivilegeEscalation", "maxUnavailable", "runAsUser", "runAsGroup", "readOnly"}
"""Fields of which the API server keeps also false, 0 and {}: it tells them from absent ones."""


def empty_fields(value: object, name: str = "") -> set[str]:
    """Return the names of fields that hold nothing."""
    if isinstance(value, dict) and value:
        return {found for key, item in value.items() for found in empty_fields(item, key)}
    if isinstance(value, list) and value:
        return {found for item in value for found in empty_fields(item, name)}
    return set() if value or name in KEPT_WHEN_EMPTY else {name}


@variants
def test_applying_twice_changes_nothing(values: dict[str, Any]) -> None:
    """No field holds nothing: the API server would drop it, and each comparison find it missing."""
    objects = rendered(values, "--api-versions", POLICY)
    # An empty API group is the core group's name.
    kept = json.loads(json.dumps(objects).replace('"apiGroups": [""]', '"apiGroups": ["core"]'))
    assert empty_fields([each for each in kept if each["kind"] != "ConfigMap"]) == set()


def test_the_values_have_their_comments() -> None:
    """Each value that a user may set is explained above it, and so stands in the README."""
    text = (CHART / "values.yaml").read_text().splitlines()
    for above, line in pairwise(text):
        if re.match(r" *\w+: *\S", line) and "requests:" not in line and "limits:" not in line:
            assert above.lstrip().startswith("#"), line


def test_the_chart_says_what_ranchers_catalogue_reads() -> None:
    """Namespace and release to install it as, the Kubernetes that it needs, and an icon from nowhere else."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    notes = chart["annotations"]
    assert notes["catalog.cattle.io/release-name"] == notes["catalog.cattle.io/namespace"] == "nadroute"
    assert notes["catalog.cattle.io/kube-version"] == chart["kubeVersion"]
    assert chart["icon"].startswith("data:image/svg+xml;base64,")
