"""The guided tour of the demo: break a gateway, watch, explain, heal."""

import json
import os
import shlex
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import click

from services.cli.terminal import plain, stderr_console
from services.runtime.process.clock import Clock

NETWORK = "default/storefront"
VLAN = "7"
TIMEOUT_S = 120.0
"""For a change of state: much longer than it takes, for a busy machine."""
POLL_INTERVAL_S = 0.5
WIDTH = 78
"""Columns of the texts."""
ACTIVE, UNREACHABLE = "Active", "Unreachable"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One stop of the tour: a text, and the nadroute command that it introduces."""

    text: str
    command: tuple[str, ...]
    state: str | None = None
    """The state of the network to wait for before the command runs."""


STEPS = (
    Step(
        text=f"{NETWORK} is a VM network on VLAN {VLAN}. It was created without a route "
        "annotation. nadroute found its subnet and gateway by DHCP, and probes the gateway from every host.",
        command=("status", NETWORK, "production/storefront"),
        state=ACTIVE,
    ),
    Step(
        text=f"Break it: the gateway and the DHCP servers of VLAN {VLAN} stop answering.",
        command=("demo", "break", VLAN),
    ),
    Step(
        text="Watch: the hosts report the silent gateway, and both networks of this VLAN "
        "become Unreachable. (`nadroute status --watch` shows it live.)",
        command=("status", NETWORK, "production/storefront"),
        state=UNREACHABLE,
    ),
    Step(
        text="Explain: what each host sent and received, and what to check.",
        command=("explain", NETWORK),
    ),
    Step(text="Heal it: the gateway and the DHCP servers answer again.", command=("demo", "heal", VLAN)),
    Step(
        text="Both networks become Active again, without any action in Kubernetes.",
        command=("status", NETWORK, "production/storefront"),
        state=ACTIVE,
    ),
)
END = """\
That was the tour. Try next:
  nadroute demo host-down node1    take down the uplinks of a host
  nadroute demo shell node1        a shell on a host of the site
  nadroute explain default/annex   a network that one host does not reach
"""


@dataclass(kw_only=True)
class Tour:
    """Goes through the steps; heals what it broke, also when it is interrupted."""

    run: Callable[[Sequence[str]], object]
    """Run a nadroute command; its output goes to the terminal."""
    read_state: Callable[[], str]
    """Return the present state of NETWORK."""
    pause: Callable[[str], object]
    """Show a command line, and return when the reader is ready for it."""
    clock: Clock
    waiting: Callable[[str], AbstractContextManager[object]]
    """Show a text while a state is awaited."""
    steps: Sequence[Step] = STEPS
    _never: threading.Event = field(default_factory=threading.Event)

    def go(self) -> int:
        """Return the exit code: 0, or 1 when a state did not come in time."""
        broken = False
        try:
            for number, step in enumerate(self.steps, start=1):
                heading = f"[{number}/{len(self.steps)}] "
                click.echo(
                    "\n" + textwrap.fill(heading + step.text, WIDTH, subsequent_indent=" " * len(heading))
                )
                if step.state is not None and not self._reached(step.state):
                    return 1
                self.pause(f"$ nadroute {shlex.join(step.command)}")
                broken = step.command[:2] == ("demo", "break") or (
                    broken and step.command[:2] != ("demo", "heal")
                )
                self.run(step.command)
        finally:
            if broken:
                click.echo(f"\nHealing VLAN {VLAN} before the tour ends.")
                self.run(("demo", "heal", VLAN))
        click.echo(f"\n{END}", nl=False)
        return 0

    def _reached(self, state: str) -> bool:
        deadline = self.clock.monotonic() + TIMEOUT_S
        with self.waiting(f"Waiting until {NETWORK} is {state} …"):
            while (present := self.read_state()) != state:
                if self.clock.monotonic() > deadline:
                    click.echo(
                        f"{NETWORK} is {plain(present)} after {TIMEOUT_S:.0f} s, expected {state}", err=True
                    )
                    return False
                self.clock.wait(self._never, POLL_INTERVAL_S)
        return True


def terminal_tour(environment: Mapping[str, str], *, clock: Clock, wait_for_enter: bool) -> Tour:
    """Return a tour of the demo that these variables reach, on this terminal."""
    command = [sys.executable, "-m", "services.cli.main"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NADROUTE_")}
    variables = {**inherited, **environment}

    def run(arguments: Sequence[str]) -> None:
        sys.stdout.flush()
        subprocess.run([*command, *arguments], env=variables, check=False)

    def read_state() -> str:
        status = [*command, "status", NETWORK, "-o", "json"]
        done = subprocess.run(status, env=variables, check=False, stdout=subprocess.PIPE)
        rows = json.loads(done.stdout or b"[]")
        return str(rows[0]["state"]) if rows else "not known"

    def pause(line: str) -> None:
        if wait_for_enter:
            click.prompt(f"\n{line}   (Enter)", default="", show_default=False, prompt_suffix="")
        else:
            click.echo(f"\n{line}")

    console = stderr_console()
    return Tour(run=run, read_state=read_state, pause=pause, clock=clock, waiting=console.status)
