"""The surroundings of a reporter and of the probe service, in memory."""

import itertools
from typing import Any

from services.contract.reports import Report


class Lock:
    """The lock on the host's name."""

    def __init__(self, *, held: bool = True) -> None:
        self.held, self.incarnation = held, 5
        self._counter = itertools.count()

    def next_counter(self) -> int:
        return next(self._counter)

    def holds(self) -> bool:
        return self.held

    def problem(self) -> str:
        return "another prober took the name node1"


class Outside:
    """Celery, Redis, the engine and the uplinks: what is sent, and what is probed."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.probed: list[str] = []
        self.cleared = 0

    def send_task(self, _name: str, *, kwargs: dict[str, Any], **_: object) -> None:
        assert isinstance(kwargs["report"], str), "the queue must not parse it"
        self.reports.append(Report.from_wire(kwargs["report"]))

    def submit(self, cluster_network: str, _probe: object, _done: object) -> None:
        self.probed.append(cluster_network)

    def current(self) -> dict[str, str]:
        return {"extra": "extra-bo"}

    def time(self) -> tuple[int, int]:
        return 1, 0

    def pipeline(self, **_: object) -> "Outside":
        return self

    def __enter__(self) -> "Outside":
        return self

    def __exit__(self, *_: object) -> None: ...

    def eval(self, *_: object) -> None:
        self.cleared += 1

    def execute(self) -> None: ...
