"""The services: names of the modules with their settings and entry points, imported on demand."""

import importlib
from dataclasses import dataclass
from typing import cast

from services.runtime.connection.settings import ServiceSettings


@dataclass(frozen=True)
class Service:
    """A service. flag_prefix: the prefix of its fields and variables that its flags do without."""

    name: str
    settings: str
    entry: str
    flag_prefix: str = ""

    def settings_class(self) -> type[ServiceSettings]:
        """Import the service's settings class."""
        return cast("type[ServiceSettings]", load_name(self.settings))


WATCHER = Service("watcher", "services.watcher.settings:WatcherSettings", "services.watcher.app:main")
PROBER = Service("prober", "services.prober.settings:ProberSettings", "services.prober.app:main")
UPDATER = Service("updater", "services.updater.settings:UpdaterSettings", "services.updater.app:main")
FLOWER = Service(
    "flower",
    "services.cli.local.service_commands:FlowerSettings",
    "services.cli.local.flower_server:main",
    "flower_",
)
CLIENT = Service("client", "services.cli.options.client:ClientSettings", "")
"""The commands that read and trigger: no service, but configured by the same rules."""

SERVICES = (WATCHER, PROBER, UPDATER, FLOWER)


def load_name(name: str) -> object:
    """The object that `module:attribute` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def known_settings() -> list[type[ServiceSettings]]:
    """Every settings class installed here: an image may contain only one service."""
    found = []
    for service in (*SERVICES, CLIENT):
        try:
            found.append(service.settings_class())
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "services":
                raise
    return found
