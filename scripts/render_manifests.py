"""Renders k8s/ from charts/nadroute: python -m scripts.render_manifests

k8s/ has a plain manifest for each template of the chart, for those who install without Helm.
kustomization.yaml and namespace.yaml are written by hand: a chart has no Namespace.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "nadroute"
FOLDER = ROOT / "k8s"
HELM = Path(sys.executable).with_name("helm")
BY_HAND = {"kustomization.yaml", "namespace.yaml"}
HEAD = "# Rendered from charts/nadroute by `make manifests`: edit the chart, not this file.\n"
NAME = "nadroute"
"""Of the release, and of its namespace."""
POLICY = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
CLUSTER = ("--kube-version", "1.34.0", "--api-versions", POLICY)
"""For which k8s/ is rendered; kustomization.yaml says what an older one does not have."""


def helm_template(*arguments: str) -> str:
    """Return what `helm template` prints for the chart."""
    command = [str(HELM), "template", NAME, str(CHART), "--namespace", NAME, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    return done.stdout


def render() -> dict[str, str]:
    """Return the content of each rendered file by its name."""
    files: dict[str, str] = {}
    for document in re.split(r"^---\n", helm_template(*CLUSTER, "--no-hooks"), flags=re.M):
        source = re.match(r"# Source: nadroute/templates/(\S+)\n", document)
        if source is None:
            continue
        # No Helm manages what kubectl applies.
        body = re.sub(r"^ +app\.kubernetes\.io/managed-by: Helm\n", "", document[source.end() :], flags=re.M)
        body = re.sub(r"[ \t]+$", "", body, flags=re.M)
        before = files.get(source[1])
        files[source[1]] = f"{before}---\n{body}" if before else HEAD + body
    return files


def differing(rendered: dict[str, str] | None = None) -> list[str]:
    """Return the names of the files of k8s/ that are missing, left over or not what the chart says."""
    rendered = render() if rendered is None else rendered
    present = {path.name: path.read_text() for path in FOLDER.glob("*.yaml") if path.name not in BY_HAND}
    return sorted(
        name for name in present.keys() | rendered.keys() if present.get(name) != rendered.get(name)
    )


def main() -> int:
    """Write what differs."""
    rendered = render()
    for name in differing(rendered):
        if name in rendered:
            (FOLDER / name).write_text(rendered[name])
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
