"""A world for the tests of what judges."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from lab.kube import ApiServer
from lab.kube.resources import NADS
from lab.running import RunningSite
from tests.faults.soak.layout import HOSTS, SITE, Owned
from tests.faults.soak.parts import Part
from tests.faults.soak.world import Prober, World
from tests.support.updater_site import NAMESPACE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A site on which everything works, and has for an hour; nothing of it runs."""
    server = ApiServer(tls=False)
    long_ago = time.monotonic() - 3_600.0

    def part(name: str) -> Part:
        return Part(name, [], {}, tmp_path / name)

    made = World(
        RunningSite(SITE, tmp_path, cast("subprocess.Popen[bytes]", None), remove_directory=False),
        server,
        cast("redis.Redis", None),
        part("redis"),
        part("watcher"),
        part("updater"),
        {host: Prober(part(host), incarnation=1, serves=True, serves_since=long_ago) for host in HOSTS},
        spare_watcher=part("spare-watcher"),
        spare_probers={host: part(f"spare-{host}") for host in HOSTS},
    )
    server.store.create(NADS, NAMESPACE, Owned("net-2", 2, "auto").body())
    yield made
    server.close()
