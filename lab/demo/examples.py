"""The example networks, each with its expected result.

The annotation `lab.nadroute.io/expect` of each network holds the expectation as JSON. Always present are
`state`, the state in nadroute.io/status (null: no status), and `route`, the whole route annotation as an
object (null: no annotation). Optional are `reason`, `hosts` (the hosts that differ, and why), `finding` (a
code in addition to the state; null: none at all) and `event` (the reason of a Kubernetes Event).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

EXPECT = "lab.nadroute.io/expect"
ROUTE = "network.harvesterhci.io/route"
STATUS = "nadroute.io/status"
_FIELDS = frozenset({"state", "route", "reason", "hosts", "finding", "event"})


class ExampleError(ValueError):
    """An example file is invalid; the message is one line for people."""


@dataclass(frozen=True)
class Expectation:
    """The expected result of a network. None: not checked, except for state and route."""

    state: str | None
    route: Mapping[str, object] | None
    reason: str | None = None
    hosts: Mapping[str, object] | None = None
    finding: str | None = None
    has_no_finding: bool = False
    event: str | None = None

    def differs(self, annotations: Mapping[str, str], events: frozenset[str]) -> str | None:
        """Return the first difference in words, or None. events: the reasons of the network's Events."""
        status = _json_object(annotations.get(STATUS)) or {}
        findings = status.get("findings")
        found: list[tuple[str, object, object]] = [
            ("state", status.get("state"), self.state),
            ("route", _json_object(annotations.get(ROUTE)), self.route),
        ]
        if self.reason is not None:
            found.append(("reason", status.get("reason"), self.reason))
        if self.hosts is not None:
            found.append(("hosts", status.get("hosts"), self.hosts))
        for what, value, expected in found:
            if value != expected:
                return f"{what} is {json.dumps(value)}, expected {json.dumps(expected)}"
        if self.finding is not None and (not isinstance(findings, dict) or self.finding not in findings):
            return f"findings are {json.dumps(findings)}, expected {self.finding} among them"
        if self.has_no_finding and findings:
            return f"findings are {json.dumps(findings)}, expected none"
        if self.event is not None and self.event not in events:
            return f"there is no Event {self.event}"
        return None


@dataclass(frozen=True)
class Example:
    """One example network."""

    path: Path
    namespace: str
    name: str
    body: Mapping[str, object]
    expected: Expectation


@dataclass(frozen=True)
class Examples:
    """All examples, in the order in which they are applied."""

    namespaces: tuple[str, ...]
    applied: tuple[Example, ...]
    seeded: tuple[Example, ...] = ()
    """Networks that exist before the admission webhook, which would reject them."""

    @property
    def expected(self) -> tuple[Example, ...]:
        """Return all networks."""
        return (*self.applied, *self.seeded)


def load_examples(folder: Path, seeds: Path | None = None) -> Examples:
    """Load all YAML files of the folders. Raises ExampleError, which names the file."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ExampleError(f"{folder}: contains no *.yaml")
    bodies = [(path, body) for path in paths for body in _read(path)]
    seeded = [(path, body) for path in sorted(seeds.glob("*.yaml")) for body in _read(path)] if seeds else []
    return Examples(
        namespaces=tuple(
            str(_metadata(body).get("name")) for _, body in bodies if body["kind"] == "Namespace"
        ),
        applied=tuple(_example(path, body) for path, body in bodies if body["kind"] != "Namespace"),
        seeded=tuple(_example(path, body) for path, body in seeded),
    )


def _read(path: Path) -> list[dict[str, object]]:
    try:
        bodies = [body for body in yaml.safe_load_all(path.read_text()) if body is not None]
    except (OSError, yaml.YAMLError) as error:
        raise ExampleError(f"{path}: {' '.join(str(error).split())}") from None
    for body in bodies:
        if not isinstance(body, dict) or body.get("kind") not in ("NetworkAttachmentDefinition", "Namespace"):
            raise ExampleError(f"{path}: expected a NetworkAttachmentDefinition or a Namespace")
    return bodies


def _example(path: Path, body: Mapping[str, object]) -> Example:
    metadata = _metadata(body)
    annotations = metadata.get("annotations")
    text = annotations.get(EXPECT) if isinstance(annotations, dict) else None
    expect = _json_object(text)
    if expect is None or not {"state", "route"} <= set(expect) <= _FIELDS:
        raise ExampleError(f"{path}: annotation {EXPECT}: expected JSON with state and route, got {text!r}")

    def text_of(name: str) -> str | None:
        value = expect.get(name)
        return None if value is None else str(value)

    route, hosts = expect["route"], expect.get("hosts")
    return Example(
        path=path,
        namespace=str(metadata.get("namespace", "default")),
        name=str(metadata.get("name")),
        body=body,
        expected=Expectation(
            state=text_of("state"),
            route=route if isinstance(route, dict) else None,
            reason=text_of("reason"),
            hosts=hosts if isinstance(hosts, dict) else None,
            finding=text_of("finding"),
            has_no_finding="finding" in expect and expect["finding"] is None,
            event=text_of("event"),
        ),
    )


def _metadata(body: Mapping[str, object]) -> Mapping[str, object]:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _json_object(text: str | None) -> dict[str, object] | None:
    try:
        value = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
