"""Measuring all VLANs with real DHCP servers (ISC dhcpd in shards) and kernel gateways."""

from collections.abc import Iterator

from bench.compiling import Programs
from bench.engine import Scan
from bench.exchanges import steps, wrong_row
from bench.table import Entry, Judged, Row, Skipped, Unit
from bench.trunk import Trunk
from lab.bigsite import addressing, dhcpd
from lab.bigsite.bpf import BPFUnavailable
from lab.bigsite.fabric import big_site

_VLANS = range(addressing.FIRST_VLAN, addressing.LAST_VLAN + 1)
_WALL_S = 2.0
_DEADLINE_S = 12.0
_RETRY_S = 5.0
"""Servers under load are asked no more often than by an ordinary client."""
_SHARDS = len(dhcpd.shards(_VLANS))
_SECTION = f"{len(_VLANS)} VLANs, {_SHARDS} ISC dhcpd, kernel gateways"


def measure(programs: Programs, *, runs: int) -> Iterator[Entry]:
    """Measure both depths."""
    if not dhcpd.is_installed():
        yield Skipped(_SECTION, "dhcpd is not installed (Debian package isc-dhcp-server)")
        return
    try:
        with big_site(_VLANS) as site:
            trunk = Trunk(programs, site)
            yield from _exchange(trunk, depth="offer", runs=runs)
            yield from _exchange(trunk, depth="lease", runs=runs)
    except BPFUnavailable as error:
        yield Skipped(_SECTION, str(error))


def _exchange(trunk: Trunk, *, depth: str, runs: int) -> Iterator[Entry]:
    lease = depth == "lease"
    section = f"{_SECTION}, {steps(lease=lease, ping=lease)}"
    scan = Scan(vlans=len(_VLANS), depth=depth, deadline_s=_DEADLINE_S)
    probed = [trunk.probe(scan) for _ in range(runs)]
    baseline = trunk.baseline(vlans=len(_VLANS), lease=lease, ping=lease, retry_s=_RETRY_S)
    yield Row(section=section, name="C baseline: wall", unit=Unit.SECONDS, values=(baseline.wall_s,))
    yield Row(
        section=section,
        name="nadroute: wall",
        unit=Unit.SECONDS,
        values=tuple(run.wall_s for run in probed),
        limit=_WALL_S,
        judged=Judged.MIN,
    )
    yield wrong_row(section, probed)
