"""Random histories, each from a seed, and the shortest part of one that still fails."""

import random
from collections.abc import Callable

from tests.reference.ground import HOSTS
from tests.reference.playing import History, Step
from tests.reference.site import VLANS

KINDS = ("new", "auto", "manual")
QUALITIES = ("good",) * 12 + ("wrong", "hasty", "lossy", "broken", "stopped")
BRIDGES = ("good",) * 20 + ("unbridged", "unbridged", "blocked", "unsettled")
"""What becomes of a good probe. By a seed of their own, so that all else of a history is as without."""
DELIVERIES = ("now",) * 8 + ("lost", "twice", "late")
WAITS = (1, 2, 4, 5, 9, 14, 24, 25, 40, 90, 130, 260)
EDITS = ("true", "false", "ping failed", "ui", "bare", "gateway", "manual", "auto", "disabled", "isolated",
         "vlan", "recreate")  # fmt: skip
FAULTS = ("redis", "flush", "flush", "api", "watcher", "pause", "updater", "updater", "watch", "watch")
POLICIES = ("routed", "routed", "routed", "vlan")
PACES_S = (25.0, 25.0, 25.0, 40.0)
AT_ONCE = ("flush", "updater")
"""Faults that are over as soon as they happened."""


def generate(seed: int, length: int) -> History:
    """Return the history of this seed."""
    chance = random.Random(seed)
    hosts = chance.choice((1, 2, 2, 3, 3, 4))
    count = chance.choice((1, 1, 2, 2, 3))
    routes = tuple((chance.choice(VLANS[:1] * 3 + VLANS), chance.choice(KINDS)) for _ in range(count))
    steps: list[Step] = []
    while len(steps) < length:
        steps += _some(chance, hosts, count, [vlan for vlan, _ in routes])
    behind = random.Random(seed)
    steps = [_behind_a_bridge(behind, step) for step in steps[:length]]
    steps = _guarded(random.Random(f"{seed} senders"), steps)
    return History(hosts, routes, tuple(steps), chance.choice(POLICIES), chance.choice(PACES_S))


def _guarded(chance: random.Random, steps: list[Step]) -> list[Step]:
    """In some histories, put changes of how ARP is answered in the place of other changes of the truth."""
    if chance.random() > 0.3:
        return steps
    return [
        (*step[:2], chance.choice(("guard", "guard", "depth")))
        if step[0] == "truth" and chance.random() < 0.5
        else step
        for step in steps
    ]


def _some(chance: random.Random, hosts: int, count: int, vlans: list[int]) -> list[Step]:
    """Return what belongs together: one thing, a round of probes, a fault that ends, a crash loop."""
    names, vlan = HOSTS[:hosts], chance.choice(vlans)
    host = chance.choice(names)
    one = f" {host}" if chance.random() < 0.5 else ""
    kind = chance.choices(
        ("probe", "round", "wait", "truth", "prober", "deliver", "fault", "edit", "loop"),
        weights=(30, 10, 12, 8, 6, 4, 4, 6, 1),
    )[0]
    match kind:
        case "round":
            return [("probe", name, vlan, name == host, "good", "now") for name in names]
        case "fault":
            return _fault(chance, hosts, count, vlans)
        case "loop":
            return _loop(chance, names, vlan, host)
    truths = ("dhcp", "dhcp", "gateway", f"vlan{one}", f"routed{one}")
    single: dict[str, Step] = {
        "probe": _probe(chance, host, vlan),
        "wait": ("wait", chance.choice(WAITS)),
        "truth": ("truth", vlan, chance.choice(truths)),
        "prober": ("prober", host, chance.choice(("stop", "crash", "start", "start"))),
        "deliver": ("deliver", chance.randrange(8)),
        "edit": ("edit", chance.randrange(count), chance.choice(EDITS)),
    }
    return [single[kind]]


def _fault(chance: random.Random, hosts: int, count: int, vlans: list[int]) -> list[Step]:
    what = chance.choice(FAULTS)
    if what in AT_ONCE:
        return [("fault", what)] * chance.choice((1, 1, 1, 2))
    if what == "watch":
        edit: Step = ("edit", chance.randrange(count), chance.choice(EDITS))
        meanwhile = [step for _ in range(chance.randrange(4)) for step in _some(chance, hosts, count, vlans)]
        return [("fault", what), edit, *meanwhile, ("fault", what)]
    restarts: list[Step] = [("fault", "updater")] * chance.choice((0, 0, 0, 0, 1, 2))
    return [("fault", what), *restarts, ("wait", chance.choice(WAITS)), ("fault", what)]


def _loop(chance: random.Random, names: tuple[str, ...], vlan: int, host: str) -> list[Step]:
    """Return a prober that crashes again and again, while the others report now and then."""
    steps: list[Step] = []
    for _ in range(chance.randrange(3, 12)):
        steps += [("prober", host, "crash"), ("wait", 3), ("prober", host, "start")]
        if chance.random() < 0.5:
            steps.append(_probe(chance, chance.choice(names), vlan))
    return steps


def _probe(chance: random.Random, host: str, vlan: int) -> Step:
    ask = chance.random() < 0.3
    return ("probe", host, vlan, ask, chance.choice(QUALITIES), chance.choice(DELIVERIES))


def _behind_a_bridge(chance: random.Random, step: Step) -> Step:
    """Return the step; a good probe now and then finds that its host's bridge passes nothing on."""
    if step[0] != "probe" or step[4] != "good":
        return step
    return (*step[:4], chance.choice(BRIDGES), step[5])


def minimize(steps: tuple[Step, ...], fails: Callable[[tuple[Step, ...]], bool]) -> tuple[Step, ...]:
    """Leave out as many steps as possible of a list that fails, so that it still fails."""
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            shorter = steps[:at] + steps[at + size :]
            if fails(shorter):
                steps = shorter
            else:
                at += size
        size //= 2
    return steps
