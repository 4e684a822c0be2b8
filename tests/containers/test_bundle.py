"""The bundle for sites without an internet: what its objects name is in it."""

import json
import re
import tarfile
from pathlib import Path

import yaml

from services.version import __version__
from tests.containers.images import TARGETS
from tests.unit.deploy.rendering import helm

IMAGE = re.compile(r"^ *(?:- )?image: ['\"]?([^'\"\s]+)", flags=re.MULTILINE)


def loaded(bundle: Path) -> set[str]:
    """Return the names under which the archives of images are loaded."""
    found: set[str] = set()
    for archive in (bundle / "images").glob("*.tar.gz"):
        with tarfile.open(archive) as images:
            manifest = images.extractfile("manifest.json")
            assert manifest is not None
            found |= {name for image in json.load(manifest) for name in image["RepoTags"]}
    return found


def test_the_chart_with_the_addons_values_names_images_of_the_bundle(bundle: Path) -> None:
    """No node has to pull one; one Addon of the two writes nothing to any network."""
    chart = str(bundle / "charts" / f"nadroute-{__version__}.tgz")
    there = loaded(bundle)
    for name, observes in (("addon.yaml", False), ("addon-observe.yaml", True)):
        given = (bundle / name).read_text()
        values = yaml.safe_load(list(yaml.safe_load_all(given))[-1]["spec"]["valuesContent"])
        text = helm("template", "nadroute", chart, "--namespace", "nadroute", values=values)
        assert set(IMAGE.findall(given + text)) == there
        assert ("NADROUTE_OBSERVE_ONLY" in text) is observes


def test_the_lists_of_contents_are_of_the_images(bundle: Path) -> None:
    """Each names the packages of its image, and Debian's."""
    assert {path.name for path in (bundle / "sbom").iterdir()} == {
        "redis.cdx.json",
        *(f"nadroute-{target}.cdx.json" for target in TARGETS),
    }
    for target in TARGETS:
        listed = json.loads((bundle / "sbom" / f"nadroute-{target}.cdx.json").read_text())
        names = {each["name"] for each in listed["components"]}
        assert {"celery", "libc6"} <= names
        assert ("kubernetes" in names) is (target in {"watcher", "updater", "cli"})
