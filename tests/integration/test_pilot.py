"""The pilot kit's script: a trial that collects what was found, and proves that nothing was written."""

import gzip
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lab.kube import ApiServer
from tests.integration.test_cli_networks import api_server, networks
from tests.support.kube_api import Networks
from tests.support.programs import KUBECTL
from tests.support.redis_server import RedisServer

__all__ = ["api_server", "networks"]
pytestmark = pytest.mark.kubectl
ROOT = Path(__file__).parents[2]
NADROUTE = f"{sys.executable} -m services.cli.main"


def pilot(
    networks: Networks, server: RedisServer, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run it in this folder, without waiting."""
    environment = {
        **os.environ,
        "PATH": f"{KUBECTL.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": str(networks.kubeconfig),
        "NADROUTE_REDIS_URL": server.url,
    }
    command = [str(ROOT / "scripts" / "pilot"), "--minutes", "0", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_trial_makes_one_file_to_send_back(
    networks: Networks, redis_server: RedisServer, api_server: ApiServer, tmp_path: Path
) -> None:
    """For its owner alone, with a bundle of the doctor; no object of the cluster is written."""
    before = len(api_server.writes)
    ran = pilot(networks, redis_server, tmp_path, "--command", NADROUTE)
    assert ran.returncode == 0, ran.stderr
    (file,) = tmp_path.glob("nadroute-pilot-*.tar.gz")
    assert ran.stdout.splitlines()[-1] == f"nothing was written to any network; send back: {file.name}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(api_server.writes) == before
    with tarfile.open(file) as archive:
        found = {Path(name).name for name in archive.getnames()}
        bundle = archive.extractfile("nadroute-pilot/doctor.tar.gz")
        with tarfile.open(fileobj=bundle, mode="r:gz") as inner:
            assert "nadroute-doctor/annotations.json" in inner.getnames()
        status = archive.extractfile("nadroute-pilot/status.txt")
        assert status is not None
        assert "default/office" in status.read().decode()
    assert {"diff.txt", "hosts.txt", "doctor.txt", "kubernetes.txt", "written-after.txt"} <= found


def test_a_write_of_nadroute_is_told(networks: Networks, redis_server: RedisServer, tmp_path: Path) -> None:
    """Exit code 1, and the network is named, by the field manager that every part of nadroute has."""
    script = tmp_path / "writes"
    write = "kubectl annotate --field-manager=nadroute network-attachment-definition office a.io/b=c"
    script.write_text(f'#!/bin/sh\n[ "$1" = hosts ] && {write}\necho "$1"\n')
    script.chmod(0o755)
    networks.annotate("attic", **{"a.io/b": "c"})
    ran = pilot(networks, redis_server, tmp_path, "--command", str(script))
    assert ran.returncode == 1, ran.stderr
    told = ran.stdout.partition("SOMETHING WAS WRITTEN")[2]
    assert "> default/office 20" in told
    assert "attic" not in told


def test_each_image_of_the_bundle_is_imported(
    networks: Networks, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unpacked, by the program of Harvester's nodes, of which only the recording of its input is here."""
    (tmp_path / "images").mkdir()
    for name in ("redis", "nadroute-cli"):
        (tmp_path / "images" / f"{name}.tar.gz").write_bytes(gzip.compress(f"<{name}>".encode()))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ctr").write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncat >>{tmp_path}/imported\n'
    )
    (tmp_path / "bin" / "ctr").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    ran = pilot(networks, redis_server, tmp_path, "--images", "images", "--command", NADROUTE)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "imported").read_text() == "<nadroute-cli><redis>"
    assert set((tmp_path / "asked").read_text().splitlines()) == {
        "--address /run/k3s/containerd/containerd.sock --namespace k8s.io images import -"
    }
    ran = pilot(networks, redis_server, tmp_path, "--images", "bin", "--command", NADROUTE)
    assert ran.returncode == 2
    assert "bin: has no archives of images" in ran.stderr


def test_a_manifest_that_would_write_is_not_applied(
    networks: Networks, redis_server: RedisServer, api_server: ApiServer, tmp_path: Path
) -> None:
    """Exit code 2, before anything is applied."""
    manifest = tmp_path / "addon.yaml"
    before = len(api_server.writes)
    for text in ("settings: {}", "observe_only: false"):
        manifest.write_text(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: x}}\n# {text}\n")
        ran = pilot(networks, redis_server, tmp_path, "--manifest", str(manifest), "--command", NADROUTE)
        assert ran.returncode == 2
        assert "does not set observe_only: true" in ran.stderr
    assert len(api_server.writes) == before
    assert not list(tmp_path.glob("*.tar.gz"))
