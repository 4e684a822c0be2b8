"""Which services there are: where each one's settings and its entry stand, as names until they are needed."""

import importlib
from dataclasses import dataclass
from typing import cast

from services.runtime.settings import ServiceSettings


@dataclass(frozen=True)
class Service:
    """A service by name; flag_prefix is what its fields carry in the environment and not on its flags."""

    name: str
    settings: str
    entry: str
    flag_prefix: str = ""

    def settings_class(self) -> type[ServiceSettings]:
        """Imports the service's settings."""
        return cast("type[ServiceSettings]", load_name(self.settings))


WATCHER = Service("watcher", "services.watcher.settings:WatcherSettings", "services.watcher.app:main")
PROBER = Service("prober", "services.prober.settings:ProberSettings", "services.prober.app:main")
UPDATER = Service("updater", "services.updater.settings:UpdaterSettings", "services.updater.app:main")
FLOWER = Service(
    "flower",
    "services.cli.local.flower_settings:FlowerSettings",
    "services.cli.local.flower_server:main",
    "flower_",
)
CLIENT = Service("client", "services.cli.options.client_settings:ClientSettings", "")
"""The commands that read and trigger: not a service, and set by the same rules."""

SERVICES = (WATCHER, PROBER, UPDATER, FLOWER)


def load_name(name: str) -> object:
    """The object that `module:attribute` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def known_settings() -> list[type[ServiceSettings]]:
    """Every settings class that is installed here: an image may carry one service alone."""
    found = []
    for service in (*SERVICES, CLIENT):
        try:
            found.append(service.settings_class())
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "services":
                raise
    return found
