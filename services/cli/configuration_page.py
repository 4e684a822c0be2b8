"""docs/configuration.md, made from the settings classes: `python -m services.cli.configuration_page`."""

import sys

from services.cli.services_table import CLIENT, SERVICES, Service
from services.cli.settings_options import SettingsOption, describe_options
from services.contract.settings import ServiceSettings

INTRODUCTION = """\
# Configuration

<!-- Made by `python -m services.cli.configuration_page > docs/configuration.md`; a test compares the two. -->

Every service takes flags, then environment variables, then defaults: a flag wins over a variable, a variable
over the default. An unknown flag or `NADROUTE_` variable, or a value that does not fit, ends the start with
exit code 2 and a line that names it, its value and what was expected. `nadroute config` shows what is in
force and where each value comes from, with secrets hidden; `nadroute config prober --host node1 --uplink
extra=extra-bo` shows what that very command line would run with.

- **Durations** (settings that end in `_s`) are seconds. A flag also takes `500ms`, `12s`, `2m` or `1h`; a
  variable takes the number of seconds.
- **Many values**: a flag is repeated (`--uplink mgmt=mgmt-bo --uplink extra=extra-bo`); its variable is JSON
  (`NADROUTE_UPLINKS='{"mgmt": "mgmt-bo", "extra": "extra-bo"}'`).
- **Yes or no**: `--leader-election` and `--no-leader-election`; the variable takes `true` or `false`.
- **A secret** is better given as a variable: every user of a machine can read its processes' flags.
- In Kubernetes, set `enableServiceLinks: false` on each pod: otherwise a Service whose name begins with
  `nadroute` puts variables such as `NADROUTE_REDIS_PORT` into it, which no service knows, so none starts.
"""
CLIENT_HEADING = """\
## The commands that read and trigger

`status`, `explain`, `probe`, `hosts`, `pause` and `resume` take those of these settings that concern them.
"""


def render() -> str:
    """The page."""
    parts = [INTRODUCTION, "## All services\n", _table(_common(ServiceSettings))]
    for service in SERVICES:
        parts += [_heading(service), _table(_own(service))]
    parts += [CLIENT_HEADING, _table(_own(CLIENT))]
    return "\n".join(parts)


def _heading(service: Service) -> str:
    told = " ".join((service.settings_class().__doc__ or "").split())
    return f"## `nadroute {service.name}`\n\n{told}\n"


def _common(settings: type[ServiceSettings]) -> list[SettingsOption]:
    return describe_options(settings)


def _own(service: Service) -> list[SettingsOption]:
    """What the service has beyond all others, or has with another default."""
    settings = service.settings_class()
    common = {option.field: option.default for option in _common(ServiceSettings)}
    options = describe_options(settings, flag_prefix=service.flag_prefix)
    return [o for o in options if o.field not in common or o.default != common[o.field]]


def _table(options: list[SettingsOption]) -> str:
    lines = ["| flag | variable | default | meaning |", "|---|---|---|---|"]
    for option in options:
        flag = f"{option.flag} {option.metavar}".strip().replace("|", "\\|")
        if option.kind == "flag":
            flag = f"{option.flag}, --no-{option.flag[2:]}"
        default = "**required**" if option.required else f"`{option.default}`" if option.default else "none"
        meaning = option.help.replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| `{flag}` | `{option.variable}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
