"""Writes the pages that are generated from code: python -m scripts.generate_docs [--check]

With --check nothing is written; the exit code is 1 if a page differs from what the code says.
"""

import difflib
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import chart_pages, configuration_page, lint_page, states_page

ROOT = Path(__file__).resolve().parent.parent
PAGES: dict[str, Callable[[], str]] = {
    "docs/configuration.md": configuration_page.render,
    "docs/states.md": states_page.render,
    "docs/lint.md": lint_page.render,
    "charts/nadroute/values.schema.json": chart_pages.schema,
    "charts/nadroute/README.md": chart_pages.readme,
    # A chart has no file outside of its folder.
    "charts/nadroute/files/alerts.yaml": (ROOT / "docs" / "alerts.yaml").read_text,
    "charts/nadroute/files/dashboard.json": (ROOT / "docs" / "grafana-dashboard.json").read_text,
}
"""Path to the function that renders it."""


def main() -> int:
    """Write the pages, or compare them; return the exit code."""
    check = "--check" in sys.argv[1:]
    outdated = 0
    for name, render in PAGES.items():
        path = ROOT / name
        before, after = path.read_text() if path.exists() else "", render()
        if before == after:
            continue
        if not check:
            path.write_text(after)
            continue
        outdated += 1
        lines = before.splitlines(), after.splitlines()
        print(*difflib.unified_diff(*lines, name, "generated", lineterm=""), sep="\n", file=sys.stderr)
        print(f"{name} is out of date: run `make docs`", file=sys.stderr)
    return min(outdated, 1)


if __name__ == "__main__":
    sys.exit(main())
