"""The demo as a user runs it: the whole loop with real parts."""

import base64
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.conftest import ROOT, ROUTE, TIMEOUT_S, Demo, started_demo, wait_until
from tests.network.lab_site import Footprint

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("demo")]


def test_make_demo_once_brings_every_example_to_what_its_file_says_and_leaves_nothing() -> None:
    """`make demo ONCE=1` ends with 0 and leaves no process, no namespace and no file."""
    with started_demo("--once") as demo:
        footprint = Footprint.of(demo.process.pid)
        assert len(footprint.namespaces) >= 2
        assert demo.process.stdout is not None
        said = demo.process.stdout.read()
        assert demo.process.wait() == 0, said
    count = sum(
        path.read_text().count("kind: NetworkAttachmentDefinition")
        for path in (ROOT / "examples").rglob("*.yaml")
    )
    assert count >= 16
    assert f"All {count} networks have the state that their file expects" in said
    wait_until(lambda: footprint.remains() == [], "what the demo started to end")
    assert not demo.kubeconfig.parent.exists()


@pytest.mark.kubectl
def test_a_network_applied_by_kubectl_becomes_active_and_again_after_its_route_is_cut_back(
    demo: Demo,
) -> None:
    """A NAD without annotation, on a VLAN added to the site, gets cidr, gateway and connectivity, twice."""
    expected = {"mode": "auto", "cidr": "10.77.0.0/24", "gateway": "10.77.0.1", "connectivity": "true"}
    config = {
        "cniVersion": "0.3.1",
        "name": "extension",
        "type": "bridge",
        "bridge": "extra-br",
        "vlan": 1234,
    }
    network = {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": "extension", "namespace": "default"},
        "spec": {"config": json.dumps(config)},
    }
    demo.kubectl("apply", "-f", "-", stdin=json.dumps(network))
    wait_until(lambda: demo.route("extension") == expected, "the network to become Active")
    demo.kubectl("annotate", "net-attach-def", "extension", f'{ROUTE}={{"mode":"auto"}}', "--overwrite")
    wait_until(lambda: demo.route("extension") == expected, "it to become Active again")
    assert "Active" in demo.kubectl("get", "events", "--field-selector", "involvedObject.name=extension")


@pytest.mark.kubectl
def test_a_demo_that_only_observes_shows_the_true_state_and_writes_nothing() -> None:
    """`make demo OBSERVE=1`: `nadroute diff` shows what would be written."""
    with started_demo("--observe-only") as demo:
        wait_until(lambda: demo.states().get("default/annex") == "Partial", "what both hosts found")
        (found,) = json.loads(demo.nadroute("diff", "default/annex", "-o", "json"))
        would_be = {change["field"]: change["would_be"] for change in found["changes"]}
        assert (would_be["gateway"], would_be["connectivity"]) == ("10.70.0.1", "true")
        assert (found["not_written"]["why"], demo.route("annex")) == ("observe_only", {"mode": "auto"})


def test_the_switch_ports_of_both_hosts_are_shown(demo: Demo) -> None:
    """As the lab's switch announces them by LLDP: `hosts` has them, `explain` names the one to look at."""

    def ports() -> list[str]:
        rows = json.loads(demo.nadroute("hosts", "-o", "json"))
        found = [member["switch_port"] for row in rows for member in row["members"]]
        return [f"{port['port']} of {port['switch']}" for port in found if port]

    wait_until(lambda: ports() == ["Gi1/0/13 of sw-rack3", "Gi1/0/14 of sw-rack4"], "LLDP on both hosts")
    wait_until(lambda: demo.states().get("default/annex") == "Partial", "what both hosts found")
    explained = json.loads(demo.nadroute("explain", "default/annex", "-o", "json"))
    name = "Gi1/0/14 of sw-rack4 (node2, extra-bo)"
    assert explained["steps"][0].startswith(f"On {name}, check that the port is a trunk")
    said = f"By LLDP, {name} advertises 10 VLANs, not VLAN 700"
    assert any(said in text for text in explained["meaning"]), "\n".join(explained["meaning"])


def _rendered(demo: Demo, page: str, profile: Path) -> str:
    """Return the page's text after its scripts have run in a real browser."""
    browser = shutil.which("chromium")
    assert browser is not None
    address = demo.flower_url.removeprefix("http://")
    done = subprocess.run(
        [
            browser,
            *["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
            *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
            *[f"--user-data-dir={profile}", "--virtual-time-budget=5000", "--dump-dom"],
            f"http://{demo.flower_user}:{demo.flower_password}@{address}/{page}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    return done.stdout


@pytest.mark.chromium
def test_flower_shows_both_workers_and_their_tasks_by_names_that_a_person_can_read(
    demo: Demo, tmp_path: Path
) -> None:
    """In a browser, Flower's pages show both hosts' probers and their requests."""
    seen = ""

    def shown() -> bool:
        nonlocal seen
        seen = _rendered(demo, "", tmp_path / "workers") + _rendered(demo, "tasks", tmp_path / "tasks")
        return all(
            word in seen
            for word in ("prober@node1", "prober@node2", "updater@", "segments on node1", "on node2")
        )

    wait_until(shown, "both workers and their tasks on Flower's pages")
    credentials = base64.b64encode(b"demo:wrong").decode()
    request = urllib.request.Request(demo.flower_url, headers={"Authorization": f"Basic {credentials}"})
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request, timeout=TIMEOUT_S)
