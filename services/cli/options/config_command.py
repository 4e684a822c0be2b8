"""`nadroute config`: what is in force for each service, and where each value comes from."""

from dataclasses import dataclass
from typing import Any

import click
from rich.table import Table

from services.cli.failures import CommandFailed, told_plainly
from services.cli.options.services_table import SERVICES, Service
from services.cli.options.settings_options import (
    NOT_GIVEN,
    SettingsOption,
    describe_options,
    load_settings,
    settings_options,
    source_of,
)
from services.cli.outputs import Output, cell, make_table, output_option, print_data, stdout_console

SOURCE_STYLES = {"flag": "bold green", "environment": "bold", "default": "dim"}


@dataclass(frozen=True)
class SettingRow:
    """A setting in force."""

    service: str
    option: SettingsOption
    value: object
    source: str

    def to_json(self) -> dict[str, object]:
        """The documented shape (docs/cli.md)."""
        return {
            "service": self.service,
            "setting": self.option.field,
            "flag": self.option.flag,
            "variable": self.option.variable,
            "value": self.value,
            "source": self.source,
        }


def setting_rows(service: Service, flags: dict[str, object]) -> list[SettingRow]:
    """What the service would run with; secrets hidden. Exit 2 where it would not start."""
    settings = load_settings(service, flags)
    shown = settings.redacted()
    options = describe_options(type(settings), flag_prefix=service.flag_prefix)
    return [SettingRow(service.name, o, shown[o.field], source_of(o, flags)) for o in options]


def _print(rows: list[SettingRow], output: Output) -> None:
    if output == "table":
        stdout_console().print(_table(rows))
    else:
        print_data([row.to_json() for row in rows], output)


def _table(rows: list[SettingRow]) -> Table:
    table = make_table("service", "setting", "value", "from", "flag", "variable")
    for row in rows:
        value = "" if row.value is None else row.value
        table.add_row(
            cell(row.service),
            cell(row.option.field, "bold"),
            cell(value),
            cell(row.source, SOURCE_STYLES[row.source]),
            cell(row.option.flag),
            cell(row.option.variable),
        )
    return table


class ServiceGroup(click.Group):
    """A sub-command for each service, with that service's options, made when it is asked for."""

    def __init__(self, name: str | None = None, **options: Any) -> None:
        names = [service.name for service in SERVICES]
        super().__init__(name, commands={name: click.Command(name) for name in names}, **options)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [service.name for service in SERVICES]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        for service in SERVICES:
            if service.name == cmd_name:
                with told_plainly():
                    return _service_command(service)
        return None


def _service_command(service: Service) -> click.Command:
    def show(output: Output, **flags: object) -> None:
        _print(setting_rows(service, flags), output)

    text = f"What `nadroute {service.name}` with these flags would run with."
    return click.command(service.name, help=text)(output_option(settings_options(service)(show)))


@click.group(cls=ServiceGroup, invoke_without_command=True)
@output_option
@click.pass_context
def config(context: click.Context, output: Output) -> int | None:
    """What is in force for a service, or for all: each value, and whether a flag, the environment or the
    default says so. Secrets are hidden. A value that is wrong ends this as it would end the service: exit 2;
    without a SERVICE, one that is not given at all is only told.
    """
    if context.invoked_subcommand is not None:
        return None
    rows: list[SettingRow] = []
    failed = 0
    for service in SERVICES:
        try:
            rows += setting_rows(service, {})
        except CommandFailed as error:
            if any(NOT_GIVEN not in line for line in error.message.splitlines()):
                failed = error.exit_code
            click.echo(f"{service.name}: {error.message}", err=True)
    _print(rows, output)
    return failed
