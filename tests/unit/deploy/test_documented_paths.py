"""The documentation names files of the source tree that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = "services|lab|bench|tests|scripts|docs|examples|charts|k8s"
GENERATED = {"bench/results/latest.json"}
"""Written by a command that the page describes, and not in the tree."""


def test_documented_paths_exist() -> None:
    """Every path in backticks that begins with a folder of the tree names a file or a folder."""
    missing = [
        f"{page.relative_to(ROOT)}: {path}"
        for page in PAGES
        for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", page.read_text())
        if path not in GENERATED and not (ROOT / path).exists()
    ]
    assert missing == []


def test_architecture_names_existing_modules() -> None:
    """docs/architecture.md names modules relative to services/."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`([a-z_]+/[\w/]+\.py)`", page))
    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / "services" / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A relative link names a file that exists."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
