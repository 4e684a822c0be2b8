"""`nadroute watcher`, `prober` and `updater`: a service in the foreground, its settings as options."""

from collections.abc import Callable
from typing import cast

import click

from services.cli.failures import told_plainly
from services.cli.options.services_table import PROBER, UPDATER, WATCHER, Service, load_name
from services.cli.options.settings_options import load_settings, settings_options
from services.runtime import logs
from services.runtime.settings import ServiceSettings


def _service_command(service: Service, help_text: str) -> click.Command:
    def run(**flags: object) -> int | None:
        settings = load_settings(service, flags)
        logs.configure(level=settings.log_level, log_format=settings.log_format, service=service.name)
        with told_plainly(redis_url=settings.redis_url.get_secret_value()):
            main = cast("Callable[[ServiceSettings], int | None]", load_name(service.entry))
            return main(settings)

    return click.command(service.name, help=help_text)(settings_options(service)(run))


_HELP = {
    "watcher": """Watch the networks, decide what is due, and send it to the hosts' queues.

    Needs Redis, and Kubernetes: get, list and watch network-attachment-definitions.
    """,
    "prober": """Probe segments from this host: one Celery worker on the queue probe.<host>.

    Needs Redis and CAP_NET_RAW; knows nothing of Kubernetes.
    """,
    "updater": """Reduce what was found to each network's state, and write it to its annotations.

    Needs Redis, and Kubernetes: get, list, watch and patch network-attachment-definitions, create events.
    """,
}


def __getattr__(name: str) -> click.Command:
    """Each command is made when it is asked for: its settings pull in what another's does not need."""
    for service in (WATCHER, PROBER, UPDATER):
        if service.name == name:
            return _service_command(service, _HELP[name])
    raise AttributeError(name)
