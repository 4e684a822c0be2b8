"""The entry point: names of commands, and where each is found once it is asked for."""

import importlib
import sys
from typing import Any, cast

import click

from services.cli.failures import run_to_exit_code, told_plainly
from services.version import __version__

COMMANDS = {
    "status": ("networks.status_command:status", "What is known of each network."),
    "probe": ("probe.probe_command:probe", "Probe networks now, through the queues."),
    "explain": ("explain.explain_command:explain", "Why a network is as it is, and what to do."),
    "hosts": ("networks.hosts_command:hosts", "Hosts that are announced, and their queues."),
    "scan": ("scan.scan_command:scan", "Probe VLANs from this machine, without Redis or Kubernetes."),
    "pause": ("networks.pause_command:pause", "Probe and write nothing, or leave networks alone."),
    "resume": ("networks.pause_command:resume", "Go on again."),
    "watcher": ("local.service_commands:watcher", "Run the service that knows what is due."),
    "prober": ("local.service_commands:prober", "Run the service that probes from one host."),
    "updater": ("local.service_commands:updater", "Run the service that writes what was found."),
    "flower": ("local.flower_command:flower", "Run Flower: workers and tasks in a browser."),
    "up": ("local.up_command:up", "Run all services on this machine against a kubeconfig."),
    "demo": ("local.demo_command:demo", "Work with a running demo: tour, break, heal, shell."),
    "redis": ("local.redis_command:redis", "Run a Redis for trying out."),
    "config": ("options.config_command:config", "What is in force, and where each value comes from."),
}
"""Name to (module:attribute in services.cli, short help). A module is imported when its command is used."""


class LazyGroup(click.Group):
    """A group that imports a command's module when that command is used: help stays instant."""

    def __init__(self, name: str | None = None, **options: Any) -> None:
        # Names alone, from which click suggests one for a name that is misspelt.
        super().__init__(name, commands={name: click.Command(name) for name in COMMANDS}, **options)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        with told_plainly():
            return cast(
                "click.Command", getattr(importlib.import_module(f"services.cli.{module}"), attribute)
            )

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, message="nadroute %(version)s")
def cli() -> None:
    """Keeps the route connectivity of every Harvester VM network true and visible.

    Every option of a service can also be given as an environment variable NADROUTE_<OPTION>; a flag wins.
    Exit codes: 0 all is well, 1 not every network is Active, 2 wrong usage or configuration, 3 Redis,
    Kubernetes or every prober is out of reach.
    """


def main() -> None:
    """The console script."""
    sys.exit(run_to_exit_code(lambda: cli.main(standalone_mode=False)))


if __name__ == "__main__":
    main()
