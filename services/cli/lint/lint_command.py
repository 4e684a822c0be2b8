"""`nadroute lint` checks manifests before they reach a cluster; `nadroute rule` says what a rule is about."""

import json
import sys
import textwrap
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

import click
import yaml

from services.cli.failures import NOT_ALL_ACTIVE, usage_error
from services.cli.lint.linting import Found, count_by_level, lint
from services.cli.lint.reading import MAX_BYTES
from services.cli.terminal import plain
from services.network.lint.examples import EXAMPLES
from services.network.lint.rules import RULES, Level, Rule

SUFFIXES = (".yaml", ".yml", ".json")
SETTINGS = ".nadroute.yaml"
EXCERPT = 70
"""Characters of a line that are shown."""
Format = Literal["text", "json", "github"]
_OF_GITHUB = {Level.ERROR: "error", Level.WARNING: "warning", Level.ADVICE: "notice"}


@click.command(name="lint")
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER|-]...")
@click.option(
    "--ignore", "ignored", multiple=True, metavar="CODE", help="Leave this rule out. May be repeated."
)
@click.option(
    "-o",
    "output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Format: for people, for programs, or as annotations of a GitHub workflow.",
)
def lint_manifests(paths: tuple[str, ...], ignored: tuple[str, ...], output: Format) -> int:
    """Check manifests of networks: YAML or JSON files, folders of them, or - for standard input.

    It needs no cluster. Exit code 1 if there is an error or a warning, 2 if a file cannot be read. A comment
    `# nadroute: ignore NR304` on the line of a finding leaves it out, `ignore: [NR304]` in .nadroute.yaml or
    in pyproject.toml under [tool.nadroute.lint] everywhere. `nadroute rule CODE` explains a rule.
    """
    left_out = {*ignored, *_configured()}
    if unknown := sorted(left_out - RULES.keys()):
        raise usage_error(f"{', '.join(unknown)}: no such rule; expected one of {', '.join(RULES)}")
    found = lint(_read(paths or (".",)), ignored=left_out)
    if output == "json":
        click.echo(json.dumps([_document(one) for one in found], indent=2))
    else:
        for one in found:
            click.echo(_github(one) if output == "github" else _text(one))
        if output == "text":
            click.echo(f"Found {count_by_level(found)}." if found else "All is well.", err=True)
    return NOT_ALL_ACTIVE if any(one.fails for one in found) else 0


@click.command(name="rule")
@click.argument("code", metavar="[CODE]", required=False, type=click.Choice([*RULES]))
def show_rule(code: str | None) -> None:
    """Explain a rule of `nadroute lint`: why, with a wrong and a right example. Without a code, list them."""
    if code is None:
        for rule in RULES.values():
            click.echo(f"{rule.code}  {rule.level:<7}  {rule.name}")
    else:
        click.echo(describe(RULES[code]), nl=False)


def describe(rule: Rule) -> str:
    """Return what a rule is about."""
    example = EXAMPLES[rule.code]
    wrong, right = (textwrap.indent(text, "    ") for text in example)
    return f"{rule.code} {rule.name} ({rule.level})\n\n{rule.why}\n\nWrong:\n{wrong}\nRight:\n{right}"


def _read(paths: Collection[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        if path == "-":
            yield "<stdin>", sys.stdin.read(MAX_BYTES)
            continue
        given = Path(path)
        files = [given] if given.is_file() else sorted(f for f in given.rglob("*") if f.suffix in SUFFIXES)
        if not given.exists():
            raise usage_error(f"{path}: no such file or folder")
        for file in files:
            if not file.is_file() or any(part.startswith(".") and part != "." for part in file.parts[:-1]):
                continue
            yield str(file), _content(file)


def _content(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise usage_error(f"{file}: expected at most {MAX_BYTES} bytes")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise usage_error(f"{file}: {' '.join(str(error).split())}") from None


def _configured() -> list[str]:
    """Return the codes that the settings of this folder, or of one above it, leave out."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        for name, read in ((SETTINGS, yaml.safe_load), ("pyproject.toml", tomllib.loads)):
            file = folder / name
            if file.is_file():
                try:
                    given = read(file.read_text(encoding="utf-8"))
                except (OSError, ValueError, yaml.YAMLError) as error:
                    raise usage_error(f"{file}: {' '.join(str(error).split())}") from None
                if name != SETTINGS:
                    given = _section(given, "tool", "nadroute", "lint")
                if given:
                    return _codes(file, given)
    return []


def _section(given: object, *names: str) -> object:
    for name in names:
        given = given.get(name) if isinstance(given, Mapping) else None
    return given


def _codes(file: Path, given: object) -> list[str]:
    codes = given.get("ignore") if isinstance(given, Mapping) else None
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise usage_error(f"{file}: ignore: expected a list of codes, such as [NR304]")
    return codes


def _text(found: Found) -> str:
    """The finding with its line, as compilers show it; of a long line the part around it."""
    number = str(found.line)
    margin = " " * len(number)
    begin = max(0, found.column - 1 - EXCERPT // 2) if len(found.source) > EXCERPT else 0
    excerpt, at = found.source[begin : begin + EXCERPT], found.column - 1 - begin
    lines = (
        f"{found.file}:{found.line}:{found.column} {found.code} {found.message}",
        f"{margin} |",
        f"{number} | {excerpt}",
        f"{margin} | {' ' * at}^ {found.rule.level}: {found.rule.name}",
    )
    return "\n".join(map(plain, lines))


def _github(found: Found) -> str:
    file = _escaped(found.file).replace(":", "%3A").replace(",", "%2C")
    place = f"file={file},line={found.line},col={found.column},title={found.code}"
    return f"::{_OF_GITHUB[found.rule.level]} {place}::{_escaped(found.message)}"


def _escaped(text: str) -> str:
    """Escape what would end a command of a GitHub workflow."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _document(found: Found) -> dict[str, object]:
    return {
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "code": found.code,
        "level": found.rule.level.value,
        "message": found.message,
    }
