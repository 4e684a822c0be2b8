"""The entry point: the names of the commands, and where each is found when it is used."""

import gc
import importlib
import sys
from itertools import pairwise
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from services.cli.failures import plain_errors, run_to_exit_code
from services.cli.terminal import use_ascii_where_needed
from services.version import __version__

COMMANDS = {
    "status": ("networks.status_command:status", "Show the state of each network."),
    "explain": ("explain.explain_command:explain", "Explain a network's state, and what to do about it."),
    "diff": ("networks.diff_command:diff", "Show what an updater that may not write would write."),
    "probe": ("probe.probe_command:probe", "Probe networks now, through the queues."),
    "hosts": ("networks.hosts_command:hosts", "Show the announced hosts and their queues."),
    "doctor": ("doctor.doctor_command:doctor", "Check the whole site, and say what to do."),
    "dead-letters": ("networks.dead_letters_command:dead_letters", "Show messages that were refused."),
    "scan": ("scan.scan_command:scan", "Probe VLANs from this machine, without Redis or Kubernetes."),
    "lint": ("lint.lint_command:lint_manifests", "Check manifests in a repository, without a cluster."),
    "rule": ("lint.lint_command:show_rule", "Explain a rule of lint."),
    "pause": ("networks.pause_command:pause", "Stop probing and writing, or leave networks alone."),
    "resume": ("networks.pause_command:resume", "End a pause."),
    "uninstall": ("networks.uninstall_command:uninstall", "Take away what nadroute wrote to the networks."),
    "config": ("options.config_command:config", "Show the settings in force and where they come from."),
    "watcher": ("local.service_commands:watcher", "Run the service that decides what to probe."),
    "prober": ("local.service_commands:prober", "Run the service that probes from one host."),
    "updater": ("local.service_commands:updater", "Run the service that writes the results."),
    "flower": ("local.service_commands:flower", "Run Flower: workers and tasks in a browser."),
    "up": ("local.up_command:up", "Run all services on this machine against a kubeconfig."),
    "redis": ("local.redis_server:redis_command", "Run a Redis for trying things out."),
    "demo": ("local.demo_command:demo", "Work with a running demo: tour, break, heal, shell."),
}
"""Name to (module:attribute in services.cli, short help)."""
SECTIONS = {"Commands": "status", "Running services": "watcher"}
"""Heading in the help to the first of its commands."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used, so that help is instant."""

    def __init__(self, name: str | None = None, **options: Any) -> None:
        # The names alone, from which click suggests one for a misspelt name.
        super().__init__(name, commands={name: click.Command(name) for name in COMMANDS}, **options)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        with plain_errors():
            return cast(
                "click.Command", getattr(importlib.import_module(f"services.cli.{module}"), attribute)
            )

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = list(COMMANDS)
        starts = [*map(names.index, SECTIONS.values()), len(names)]
        for heading, (start, end) in zip(SECTIONS, pairwise(starts), strict=True):
            with formatter.section(heading):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names[start:end]])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing the commands."""
        found = [
            CompletionItem(name, help=help_text)
            for name, (_, help_text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, message="nadroute %(version)s")
def cli() -> None:
    """Keep the route connectivity of every Harvester VM network true and visible.

    Every setting is an option of its service and an environment variable NADROUTE_<SETTING>; an option wins.

    \b
    Exit codes:
      0  all is well
      1  at least one network is not Active
      2  wrong usage or configuration
      3  Redis, Kubernetes or every prober is out of reach
    """


def main() -> None:
    """The console script."""
    use_ascii_where_needed()
    code = run_to_exit_code(lambda: cli.main(standalone_mode=False))
    # The process ends: searching all that is left for cycles would take longer than `scan` for 64 VLANs.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
