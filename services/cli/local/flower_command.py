"""`nadroute flower`: workers and tasks in a browser."""

from typing import cast

import click

from services.cli.failures import told_plainly
from services.cli.local.flower_settings import FlowerSettings
from services.cli.options.services_table import FLOWER
from services.cli.options.settings_options import load_settings, settings_options
from services.runtime import logs


@click.command()
@settings_options(FLOWER)
def flower(**flags: object) -> int:
    """Run Flower in the foreground: each worker by host, each task by a name that says what it does.

    Behind a password, and read-only. Prints its URL; runs without Redis, and shows what comes once Redis is
    back.
    """
    settings = cast("FlowerSettings", load_settings(FLOWER, flags))
    logs.configure(level=settings.log_level, log_format=settings.log_format, service="flower")
    with told_plainly(redis_url=settings.redis_url.get_secret_value()):
        from services.cli.local.flower_server import main

        return main(settings)
