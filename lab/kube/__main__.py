"""The API server as a process of its own: `python -m lab.kube`."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
from pathlib import Path

from lab.kube.harvester import HarvesterAdmission
from lab.kube.seeding import SeedError, seed
from lab.kube.server import ApiServer

PR_SET_PDEATHSIG = 1


def arguments() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m lab.kube", description="A small Kubernetes API server.")
    add = parser.add_argument
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0 selects a free one (the default)")
    add("--state", type=Path, required=True, help="folder for objects, certificate authority and token")
    add("--kubeconfig", type=Path, help="kubeconfig to write when ready (default: STATE/kubeconfig)")
    add(
        "--token-file",
        action="store_true",
        help="put the token's file name into the kubeconfig, not the token",
    )
    add("--plain-http", action="store_true", help="no TLS and no tokens")
    add("--require-token", action="store_true", help="require tokens with --plain-http too")
    add("--admission", choices=["none", "harvester"], default="none", help="admission of networks")
    add(
        "--cluster-network",
        action="append",
        metavar="NAME",
        help="a cluster network that the admission knows (repeatable; default: all)",
    )
    add(
        "--seed",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="initial objects, which bypass the admission",
    )
    add("--control", action="store_true", help="serve /_lab/: faults and records, without authentication")
    add("--window", type=int, default=20_000, help="number of changes that a watch may be behind")
    add("--bookmark-seconds", type=float, default=10.0, help="interval between the bookmarks of a watch")
    add("--die-with-parent", action="store_true", help="end when the process that started this one ends")
    return parser


def die_with_parent(parent: int) -> None:
    """Request SIGTERM from the kernel when the parent ends (PR_SET_PDEATHSIG); end now if it already has."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return 1 if the server cannot start."""
    parent = os.getppid()
    options = arguments().parse_args(argv)
    if options.die_with_parent:
        die_with_parent(parent)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    known = frozenset(options.cluster_network) if options.cluster_network else None
    admission = HarvesterAdmission(cluster_networks=known) if options.admission == "harvester" else None
    server = ApiServer(
        state=options.state,
        port=options.port,
        tls=not options.plain_http,
        require_token=True if options.require_token else None,
        admission=admission,
        control=options.control,
        window=options.window,
        bookmark_seconds=options.bookmark_seconds,
    )
    try:
        server.start()
    except OSError as error:
        print(f"lab.kube: port {options.port}: {error.strerror or error}", file=sys.stderr)
        return 1
    try:
        for file in options.seed:
            seed(server.store, file, admission)
    except SeedError as error:
        print(f"lab.kube: {error}", file=sys.stderr)
        server.close()
        return 1
    path = options.kubeconfig or options.state / "kubeconfig"
    server.kubeconfig(path, token_file=options.token_file)
    print(f"lab.kube: {server.url} ready, kubeconfig {path}", flush=True)
    over.wait()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
