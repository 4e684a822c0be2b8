"""docs/faults.md and the tests that cite it agree."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.unit.deploy.reading import ROOT

TESTS = ROOT / "tests"
IDENTIFIER = re.compile(r"\b[IKNRW]\d{1,2}\b")


def _rows() -> dict[str, set[str]]:
    """Identifier to the files below tests/ that its row names."""
    lines = (ROOT / "docs" / "faults.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {row[0]: set(re.findall(r"`([^`]+)`", row[-1])) for row in rows if IDENTIFIER.fullmatch(row[0])}


def _cited() -> dict[str, set[str]]:
    """Identifier to the test modules, as paths below tests/, whose docstrings cite it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        for text in _docstrings(path):
            for identifier in IDENTIFIER.findall(text):
                found[identifier].add(str(path.relative_to(TESTS)))
    return found


def _docstrings(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [
        ast.get_docstring(node) or ""
        for node in nodes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]


def test_each_cited_fault_is_in_the_catalogue() -> None:
    """An identifier in a test's docstring has a row, and the row names that test's file."""
    rows, cited = _rows(), _cited()
    assert len(cited) > 20
    assert sorted(set(cited) - set(rows)) == []
    assert {name: files - rows[name] for name, files in cited.items() if files - rows[name]} == {}


def test_each_file_that_the_catalogue_names_exists() -> None:
    """A row names test files, and names at least one or says that there is none yet."""
    rows = _rows()
    assert len(rows) > 70
    assert sorted({file for files in rows.values() for file in files if not (TESTS / file).is_file()}) == []
    gaps = len(re.findall(r"\| none yet \|$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE))
    assert gaps == sum(not files for files in rows.values())
