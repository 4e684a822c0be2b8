"""The locks of requirements/ as data, and what the installed packages say that they need."""

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.deploy.reading import ROOT

TARGETS = ("watcher", "updater", "prober", "flower", "cli")
"""The images, each with the lock and the extra of its name."""
EXTRAS = {
    **{name: (name,) for name in (*TARGETS, "demo", "fuzz", "charts", "release")},
    "build": ("build", "compile"),
}
"""Lock in requirements/ to the extras that it holds."""
HERE = {
    "platform_machine": "x86_64",
    "sys_platform": "linux",
    "python_version": "3.13",
    "python_full_version": "3.13.15",
}
"""Some of what a marker may ask for: the images' Python on a machine of ours."""

UNUSED = frozenset(
    {
        *("aiohttp", "aiohttp-retry"),
        *("click-didyoumean", "click-plugins", "click-repl"),
        *("markdown-it-py", "pygments"),
    }
)
"""What no image imports, though a package of it asks for it: see decision 0030."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


class Pin(NamedTuple):
    """One entry of a lock."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)


def lock_file(lock: str) -> Path:
    """Return the path of a lock: `dev` is requirements.lock."""
    return ROOT / "requirements.lock" if lock == "dev" else ROOT / "requirements" / f"{lock}.lock"


@cache
def pins(lock: str) -> dict[str, Pin]:
    """Return a lock's entries by name."""
    text = re.sub(r"^ *#.*\n", "", lock_file(lock).read_text(), flags=re.MULTILINE)
    found = {}
    for line in filter(str.strip, text.replace("\\\n", " ").splitlines()):
        requirement, *hashes = line.split("--hash=")
        pin = Pin(Requirement(requirement.strip()), frozenset(value.strip() for value in hashes))
        assert pin.name not in found, f"{lock}: {pin.name} is locked twice"
        found[pin.name] = pin
    return found


def installed_in(lock: str) -> set[str]:
    """Return the names that an image installs from its lock: those whose marker holds there."""
    return {name for name, pin in pins(lock).items() if _holds(pin.requirement)}


def requirements_of(extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield what pyproject.toml asks for with these extras, with the extras that they name."""
    yield from map(Requirement, PROJECT["dependencies"])
    waiting = list(extras)
    while waiting:
        for asked in map(Requirement, PROJECT["optional-dependencies"][waiting.pop()]):
            if asked.name == PROJECT["name"]:
                waiting += asked.extras
            else:
                yield asked


def closure(extras: Iterable[str], without: Collection[str] = ()) -> set[str]:
    """Return the names of all that these extras need, by the metadata of the packages installed here.

    without: packages that are left out, with what they alone need.
    """
    seen: set[tuple[str, str]] = set()
    waiting = list(requirements_of(extras))
    while waiting:
        asked = waiting.pop()
        for extra in ("", *asked.extras):
            key = (canonicalize_name(asked.name), extra)
            if key in seen:
                continue
            seen.add(key)
            for text in distribution(asked.name).requires or []:
                further = Requirement(text)
                if canonicalize_name(further.name) not in without and _holds(further, extra):
                    waiting.append(further)
    return {name for name, _ in seen}


def _holds(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**HERE, "extra": extra})
