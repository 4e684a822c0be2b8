"""The output formats of commands, and documented JSON or YAML for programs. Tables: services.cli.tables."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import click

Output = Literal["table", "json", "yaml"]
Function = TypeVar("Function", bound=Callable[..., Any])


def output_option(function: Function) -> Function:
    """-o table|json|yaml."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json", "yaml"]),
        default="table",
        show_default=True,
        help="Output format.",
    )(function)


def print_data(data: Sequence[object] | dict[str, object], output: Output) -> None:
    """Print JSON or YAML on standard output, in ASCII, so that no value can control the terminal."""
    if output == "yaml":
        import yaml

        # Through JSON, because the YAML library refuses subclasses of str such as StrEnum.
        click.echo(yaml.safe_dump(json.loads(json.dumps(data)), sort_keys=False), nl=False)
    else:
        click.echo(to_json(data, indent=2))


def to_json(data: object, *, indent: int | None = None) -> str:
    """Return JSON in ASCII; the one control character that JSON leaves as it is is escaped too."""
    return json.dumps(data, indent=indent).replace("\x7f", "\\u007f")
