"""`nadroute watcher`, `prober`, `updater`, `flower`: one service, its settings as options."""

from collections.abc import Callable
from typing import Annotated, cast

import click
from pydantic import Field, SecretStr

from services.cli.failures import plain_errors
from services.cli.options.grouping import GroupedCommand
from services.cli.options.services_table import FLOWER, PROBER, UPDATER, WATCHER, Service, load_name
from services.cli.options.settings_options import load_settings, settings_options
from services.runtime.connection.settings import SecretFile, ServiceSettings
from services.runtime.process import logs


class FlowerSettings(ServiceSettings):
    """Flower: workers and tasks in a browser."""

    flower_address: str = "127.0.0.1"
    """The address to listen on. /healthcheck and /readyz ask for no password, and tell nothing more."""
    flower_port: Annotated[int, Field(ge=0, le=65_535)] = 5555
    """The TCP port to listen on; 0 takes a free one and prints it."""
    flower_user: Annotated[str, Field(min_length=1, pattern=r"^[^:\s]+$", repr=False)] = "nadroute"
    """The user who may sign in (HTTP basic authentication)."""
    flower_password: SecretStr | None = None
    """The user's password; without one, a new one is generated at every start and printed."""
    flower_password_file: SecretFile | None = None
    """A file with the user's password, in place of flower_password. A change counts within two seconds."""
    flower_read_only: bool = True
    """Refuse requests that change anything: stopping workers, sending or revoking tasks."""


_HELP = {
    WATCHER: """Watch the networks, decide what is due, and send requests to the hosts' queues.

    Needs Redis, and Kubernetes: get, list and watch network-attachment-definitions.
    """,
    PROBER: """Probe segments from this host, as a Celery worker on the queue probe.<host>.

    Needs Redis and CAP_NET_RAW, but no Kubernetes credentials.
    """,
    UPDATER: """Reduce the verdicts to each network's state and write it to its annotations.

    Needs Redis, and Kubernetes: get, list, watch and patch network-attachment-definitions, create events.
    """,
    FLOWER: """Run Flower: each worker by host, each task by a descriptive name.

    Read-only and behind a password. Prints its URL. Starts without Redis and shows tasks once Redis answers.
    """,
}


def __getattr__(name: str) -> click.Command:
    """Each command is made when it is used: its settings import what the others do not need."""
    for service, help_text in _HELP.items():
        if service.name == name:
            return _service_command(service, help_text)
    raise AttributeError(name)


def _service_command(service: Service, help_text: str) -> click.Command:
    def run(**flags: object) -> int | None:
        settings = load_settings(service, flags)
        logs.configure(level=settings.log_level, log_format=settings.log_format, service=service.name)
        with plain_errors(redis=settings.redis_address):
            main = cast("Callable[[ServiceSettings], int | None]", load_name(service.entry))
            return main(settings)

    command = click.command(service.name, cls=GroupedCommand, help=help_text)
    return command(settings_options(service)(run))
