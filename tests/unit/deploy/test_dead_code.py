"""The exceptions of vulture, which looks for dead code in `make check`."""

import tomllib
from collections.abc import Collection
from pathlib import Path

from vulture import Vulture

ROOT = Path(__file__).parents[3]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["vulture"]


def unused(*, decorators: Collection[str]) -> set[str]:
    """Return the names that vulture reports with these ignored decorators and no ignored names."""
    finder = Vulture(ignore_decorators=list(decorators))
    finder.scavenge([str(ROOT / path) for path in CONFIG["paths"]])
    return {item.name for item in finder.get_unused_code(min_confidence=CONFIG["min_confidence"])}


def test_each_exception_hides_something() -> None:
    """A stale exception would hide dead code of the same name later."""
    decorators, names = CONFIG["ignore_decorators"], set(CONFIG["ignore_names"])
    assert names == unused(decorators=decorators)
    for decorator in decorators:
        assert unused(decorators=[other for other in decorators if other != decorator]) > names, decorator
