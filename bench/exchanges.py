"""Comparing the engine with the C baseline: the same exchange on all VLANs of one trunk, pacing off."""

from collections.abc import Iterator

from bench.compiling import Programs
from bench.engine import Probed, Scan
from bench.table import Entry, Judged, Row, Unit
from bench.trunk import Baseline, Trunk, open_trunk

VLANS = 4094
DEAD_EVERY = 10
_RATIO = {"offer": 5.0, "lease": 6.0}
_WALL_S = 0.5
_PEAK_MIB = 100.0
_DEAD_DEADLINE_S = 3.0
_DEAD_SLACK_S = 0.3
_RATE = 1_000.0


def measure(programs: Programs, *, runs: int) -> Iterator[Entry]:
    """Measure both depths, and a trunk where every tenth VLAN is dead."""
    with open_trunk(programs) as trunk:
        yield from _exchange(trunk, depth="offer", runs=runs)
        yield from _exchange(trunk, depth="lease", runs=runs)
        yield from _dead(trunk, rate=None, runs=min(runs, 2))
        yield from _dead(trunk, rate=_RATE, runs=1)


def _exchange(trunk: Trunk, *, depth: str, runs: int) -> Iterator[Entry]:
    lease = depth == "lease"
    scan = Scan(vlans=VLANS, depth=depth, ping=not lease)
    section = f"{VLANS} VLANs, {steps(lease=lease, ping=True)}"
    baselines: list[Baseline] = []
    probed: list[Probed] = []
    interpreted: list[Probed] = []
    with trunk.responder():
        # The first run warms the caches and is not counted.
        trunk.probe(scan)
        baselines.append(trunk.baseline(vlans=VLANS, lease=lease, ping=True))
        for _ in range(runs):
            probed.append(trunk.probe(scan))
            baselines.append(trunk.baseline(vlans=VLANS, lease=lease, ping=True))
            interpreted.append(trunk.probe(scan, interpreted=True))
            baselines.append(trunk.baseline(vlans=VLANS, lease=lease, ping=True))
    yield _row(section, "C baseline: CPU", Unit.MILLISECONDS, [run.cpu_s * 1000 for run in baselines])
    yield _row(section, "nadroute: CPU", Unit.MILLISECONDS, [run.cpu_s * 1000 for run in probed])
    limit: float | None = _RATIO[depth]
    ratios = _ratios(probed, baselines[0::2], baselines[1::2])
    yield _row(section, "nadroute ÷ C baseline: CPU", Unit.TIMES, ratios, limit=limit)
    name = "nadroute, interpreted ÷ C baseline: CPU"
    yield _row(section, name, Unit.TIMES, _ratios(interpreted, baselines[1::2], baselines[2::2]))
    whole = [run.process_cpu_s * 1000 for run in probed]
    yield _row(section, "nadroute: CPU with interpreter, imports, templates", Unit.MILLISECONDS, whole)
    yield _row(section, "C baseline: wall", Unit.SECONDS, [run.wall_s for run in baselines])
    walls = [run.wall_s for run in probed]
    limit = None if lease else _WALL_S
    yield _row(section, "nadroute: wall", Unit.SECONDS, walls, limit=limit, judged=Judged.MIN)
    peaks = [run.peak_mib for run in probed]
    yield _row(section, "nadroute: peak memory of the process", Unit.MEBIBYTES, peaks, limit=_PEAK_MIB)
    yield wrong_row(section, [*probed, *interpreted])


def _dead(trunk: Trunk, *, rate: float | None, runs: int) -> Iterator[Entry]:
    pace = "pacing off" if rate is None else f"{rate:,.0f} started per second"
    section = f"{VLANS} VLANs, every {DEAD_EVERY}th dead, deadline {_DEAD_DEADLINE_S:.0f} s, {pace}"
    scan = Scan(vlans=VLANS, deadline_s=_DEAD_DEADLINE_S, rate=rate, mute=DEAD_EVERY)
    with trunk.responder(mute=DEAD_EVERY):
        probed = [trunk.probe(scan) for _ in range(runs)]
    limit = _DEAD_DEADLINE_S + (0.0 if rate is None else VLANS / rate) + _DEAD_SLACK_S
    walls = [run.wall_s for run in probed]
    yield _row(section, "nadroute: wall", Unit.SECONDS, walls, limit=limit, judged=Judged.MIN)
    yield wrong_row(section, probed)


def steps(*, lease: bool, ping: bool) -> str:
    """Return the steps of the exchange as text."""
    named = ["DISCOVER", "OFFER", *(["REQUEST", "ACK"] if lease else []), "ARP", *(["ICMP"] if ping else [])]
    return "→".join([*named, *(["RELEASE"] if lease else [])])


def wrong_row(section: str, probed: list[Probed]) -> Row:
    """Return the row with the number of wrong verdicts, whose limit is 0."""
    wrong = [float(run.wrong) for run in probed]
    return _row(section, "nadroute: wrong verdicts", Unit.VLANS, wrong, limit=0.0, judged=Judged.MAX)


def _ratios(ours: list[Probed], before: list[Baseline], after: list[Baseline]) -> list[float]:
    """Divide each run by the mean of the baselines before and after it: the processor's speed varies."""
    return [
        2 * one.cpu_s / (first.cpu_s + second.cpu_s)
        for one, first, second in zip(ours, before, after, strict=False)
    ]


def _row(
    section: str,
    name: str,
    unit: Unit,
    values: list[float],
    *,
    limit: float | None = None,
    judged: Judged = Judged.MEDIAN,
) -> Row:
    return Row(section=section, name=name, unit=unit, values=tuple(values), limit=limit, judged=judged)
