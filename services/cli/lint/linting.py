"""Linting files: what is found, where, and without what is to be ignored."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from services.cli.lint.reading import Placed, Position, Unreadable, read_manifests
from services.network.lint.manifests import NETWORK
from services.network.lint.network_rules import check_network
from services.network.lint.rules import RULES, Level, Rule
from services.network.lint.site_rules import check_site

_IGNORED = re.compile(r"#\s*nadroute:\s*ignore\b[ :]*([A-Z0-9, ]*)")


@dataclass(frozen=True, order=True)
class Found:
    """One finding at its place."""

    file: str
    line: int
    column: int
    code: str
    message: str
    source: str = field(default="", compare=False)
    """The line itself."""

    @property
    def rule(self) -> Rule:
        """The rule that found it."""
        return RULES[self.code]

    @property
    def fails(self) -> bool:
        """Whether the command fails because of it: advice does not."""
        return self.rule.level is not Level.ADVICE


def lint(texts: Iterable[tuple[str, str]], *, ignored: Collection[str] = ()) -> list[Found]:
    """Return what the rules find in these files, in the order of their places.

    texts: pairs of name and content. ignored: codes that are left out.
    """
    placed: list[Placed] = []
    found: list[Found] = []
    for file, text in texts:
        try:
            placed.extend(read_manifests(file, text))
        except Unreadable as error:
            found.append(_found("NR001", str(error), file, text, error.position))
    of_each = [
        (at, one)
        for at, each in enumerate(placed)
        if each.manifest.kind == NETWORK
        for one in check_network(each.manifest)
    ]
    for at, one in [*of_each, *check_site([each.manifest for each in placed])]:
        each = placed[at]
        found.append(_found(one.code, one.message, each.file, each.text, each.position(one.path)))
    return sorted(one for one in set(found) if one.code not in ignored and not _is_ignored(one))


def _found(code: str, message: str, file: str, text: str, position: Position) -> Found:
    lines = text.splitlines()
    source = lines[position.line - 1] if position.line <= len(lines) else ""
    return Found(file, position.line, position.column, code, message, source)


def _is_ignored(found: Found) -> bool:
    """Whether a comment on its line says so, for this rule or for all."""
    comment = _IGNORED.search(found.source)
    return comment is not None and (not comment[1].strip() or found.code in re.split("[, ]+", comment[1]))


def count_by_level(found: Sequence[Found]) -> str:
    """Return how many findings there are of each level, in words."""
    counts = [(level, sum(one.rule.level is level for one in found)) for level in Level]
    named = [
        f"{count} {level}{'s' if count > 1 and level is not Level.ADVICE else ''}"
        for level, count in counts
        if count
    ]
    return ", ".join(named)
