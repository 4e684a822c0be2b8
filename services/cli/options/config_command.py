"""`nadroute config`: the settings in force for each service, and where each value comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from rich.text import Text

from services.cli.failures import CommandFailed, plain_errors
from services.cli.options.grouping import GroupedCommand
from services.cli.options.services_table import SERVICES, Service
from services.cli.options.settings_options import (
    NOT_GIVEN,
    SettingsOption,
    describe_options,
    load_settings,
    settings_options,
    source_of,
)
from services.cli.outputs import Output, output_option, print_data
from services.cli.tables import Column, print_table
from services.cli.terminal import cell, stdout_console

SOURCE_STYLES = {"flag": "bold green", "environment": "bold", "default": "dim"}
VALUE_WIDTH = 34
"""Columns after which a list goes on in the next line."""


@dataclass(frozen=True)
class SettingRow:
    """A setting in force."""

    service: str
    option: SettingsOption
    value: object
    source: str

    def document(self) -> dict[str, object]:
        """The JSON that docs/cli.md documents."""
        return {
            "service": self.service,
            "setting": self.option.field,
            "flag": self.option.flag,
            "variable": self.option.variable,
            "value": self.value,
            "source": self.source,
        }


def setting_rows(service: Service, flags: dict[str, object]) -> list[SettingRow]:
    """The settings that the service would run with, secrets hidden; exit 2 where it would not start."""
    settings = load_settings(service, flags)
    shown = settings.redacted()
    options = describe_options(type(settings), flag_prefix=service.flag_prefix)
    return [SettingRow(service.name, o, shown[o.field], source_of(o, flags)) for o in options]


def _print(rows: list[SettingRow], output: Output) -> None:
    if output != "table":
        print_data([row.document() for row in rows], output)
        return
    console = stdout_console()
    for number, service in enumerate(dict.fromkeys(row.service for row in rows)):
        if number:
            console.print()
        print_table(console, _columns(service, [row for row in rows if row.service == service]))


def _columns(service: str, rows: list[SettingRow]) -> list[Column]:
    """A line for each setting; a list that is long takes several."""
    lines: list[tuple[Text, Text, Text, Text, Text]] = []
    for row in rows:
        first, *others = _value_lines(row.value)
        option, source = row.option, cell(row.source, SOURCE_STYLES[row.source])
        lines.append(
            (cell(option.field, "bold"), cell(first), source, cell(option.flag), cell(option.variable))
        )
        lines += [(Text(), cell(other), Text(), Text(), Text()) for other in others]
    settings, values, sources, flags, variables = zip(*lines, strict=True)
    return [
        Column(service, settings),
        Column("value", values),
        Column("from", sources),
        Column("variable", variables, 2),
        Column("flag", flags, 1),
    ]


def _value_lines(value: object) -> list[str]:
    """A value as a user would type it."""
    if value is None:
        return [""]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, float):
        return [f"{value:g}"]
    if isinstance(value, Mapping):
        value = [f"{name}={item}" for name, item in value.items()]
    if not isinstance(value, list):
        return [str(value)]
    lines = [""]
    for item in map(str, value):
        joined = f"{lines[-1]}, {item}" if lines[-1] else item
        if len(joined) > VALUE_WIDTH and lines[-1]:
            lines[-1] += ","
            lines.append(item)
        else:
            lines[-1] = joined
    return lines


class ServiceGroup(click.Group):
    """A sub-command for each service with the service's options, made when it is used."""

    def __init__(self, name: str | None = None, **options: Any) -> None:
        names = [service.name for service in SERVICES]
        super().__init__(name, commands={name: click.Command(name) for name in names}, **options)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [service.name for service in SERVICES]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        for service in SERVICES:
            if service.name == cmd_name:
                with plain_errors():
                    return _service_command(service)
        return None


def _service_command(service: Service) -> click.Command:
    def show(output: Output, **flags: object) -> None:
        _print(setting_rows(service, flags), output)

    text = f"Show what `nadroute {service.name}` with these options would run with."
    command = click.command(service.name, cls=GroupedCommand, help=text, short_help=text)
    return command(output_option(settings_options(service)(show)))


def _check() -> int:
    """Print a line for each setting that keeps a service from starting; return the exit code."""
    failed = 0
    for service in SERVICES:
        try:
            load_settings(service, {})
        except CommandFailed as error:
            failed = error.exit_code
            for line in error.message.splitlines():
                click.echo(f"{service.name}: {line}", err=True)
    if not failed:
        click.echo("all settings are valid")
    return failed


@click.group(cls=ServiceGroup, invoke_without_command=True)
@click.option("--check", is_flag=True, help="Show only what would keep a service from starting.")
@output_option
@click.pass_context
def config(context: click.Context, check: bool, output: Output) -> int | None:
    """Show the settings of a service, or of all: each value, and where it comes from.

    A value comes from a flag, the environment or the default. Secrets are hidden. Exit code 2 if a value is
    wrong; without a SERVICE and --check, a required setting that is missing is only reported.
    """
    if context.invoked_subcommand is not None:
        return None
    if check:
        return _check()
    rows: list[SettingRow] = []
    failed = 0
    for service in SERVICES:
        try:
            rows += setting_rows(service, {})
        except CommandFailed as error:
            if any(NOT_GIVEN not in line for line in error.message.splitlines()):
                failed = error.exit_code
            for line in error.message.splitlines():
                click.echo(f"{service.name}: {line}", err=True)
    _print(rows, output)
    return failed
