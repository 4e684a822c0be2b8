"""Renders the chart's values.schema.json and README.md from its values.yaml and from the settings classes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.cli.options.services_table import SERVICES
from services.cli.options.settings_options import SettingsOption, describe_options

CHART = Path(__file__).resolve().parent.parent / "charts" / "nadroute"
SET_BY_THE_CHART = re.compile(
    r"redis_(url|username|\w+_file)|metrics_(address|port)|kubeconfig|leader_election|lease_\w+|host|uplinks"
    r"|flower_(address|port|password|password_file)"
)
"""Settings that the templates give each part."""
FREE: dict[str, dict[str, Any]] = {
    "fullnameOverride": {"pattern": "^([a-z]([-a-z0-9]{0,38}[a-z0-9])?)?$"},
    "clusterDomain": {"pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"},
    "image.digests": {
        "propertyNames": {"enum": ["watcher", "updater", "prober", "flower", "cli"]},
        "additionalProperties": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    },
    "image.pullSecrets": {"items": {"type": "string", "minLength": 1}},
    "image.pullPolicy": {"enum": ["IfNotPresent", "Always", "Never"]},
    "image.registry": {"pattern": r"^[^\s/][^\s]*$"},
    "image.tag": {"pattern": r"^(\w[\w.-]{0,127})?$"},
    "redis.image.tag": {"pattern": r"^\w[\w.-]{0,127}$"},
    "networkPolicy.redisFrom": {"items": {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"}},
    "metrics.podMonitor.interval": {"pattern": "^([0-9]+(ms|s|m|h))+$"},
    "redis.image.digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    # Without user and password, which everybody could read in the pods' environment.
    "redis.url": {"pattern": r"^(rediss?://[^@\s]+)?$"},
    "redis.persistence.size": {"pattern": "^[1-9][0-9]*(\\.[0-9]+)?([KMGT]i?)?$"},
    "prober.port": {"maximum": 65_535},
    "prober.uplinks": {
        "type": ["string", "object"],
        "pattern": "^auto$",
        "additionalProperties": {"type": "string"},
    },
}
"""What is known of a value beyond the type of its default."""
OPEN = {"resources", "nodeSelector", "digests", "uplinks", "labels"}
"""Mappings with keys of the user's."""
TEXTS = {"additionalProperties": {"type": "string"}}
OF_ALL: dict[str, dict[str, Any]] = {
    # `--set x.nodeSelector.y=true` is no text, and is refused by the API server half-way.
    "nodeSelector": TEXTS,
    "labels": TEXTS,
    "tolerations": {"items": {"type": "object"}},
}
"""The same of every value of this name."""


@dataclass(frozen=True)
class Value:
    """A value of the chart: its path, such as image.tag, its default, and the comment above it."""

    path: str
    default: Any
    comment: str


def values() -> Iterator[Value]:
    """Yield each value that has a comment, in the file's order."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    above: list[str] = []
    parents: list[tuple[int, str]] = []
    for line in text.splitlines():
        comment, key = re.match(r" *# (.*)", line), re.match(r"( *)(\w+):", line)
        if comment:
            above.append(comment[1])
        elif key:
            parents = [(depth, name) for depth, name in parents if depth < len(key[1])]
            parents.append((len(key[1]), key[2]))
            names = [name for _, name in parents]
            if above:
                yield Value(".".join(names), _found(defaults, names), " ".join(above))
            above = []


def _found(defaults: Any, names: list[str]) -> Any:
    for name in names:
        defaults = defaults[name]
    return defaults


def schema() -> str:
    """Return values.schema.json."""
    comments = {value.path: value.comment for value in values()}
    whole = _schema_of(yaml.safe_load((CHART / "values.yaml").read_text()), "", comments)
    whole["properties"]["settings"]["properties"] = _settings()
    # A chart above this one sets it for all.
    whole["properties"]["global"] = {"type": "object"}
    return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **whole}, indent=2) + "\n"


def _schema_of(default: Any, path: str, comments: dict[str, str]) -> dict[str, Any]:
    kind = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}[type(default)]
    found: dict[str, Any] = {"type": kind}
    if path in comments:
        found["description"] = comments[path]
    if kind == "object" and path.rpartition(".")[2] not in OPEN:
        found["additionalProperties"] = False
        found["properties"] = {
            name: _schema_of(value, f"{path}.{name}".lstrip("."), comments) for name, value in default.items()
        }
    if kind == "integer":
        found["minimum"] = 1
    return found | OF_ALL.get(path.rpartition(".")[2], {}) | FREE.get(path, {})


def _settings() -> dict[str, Any]:
    options = {
        option.field: option
        for service in SERVICES
        for option in describe_options(service.settings_class())
        if not SET_BY_THE_CHART.fullmatch(option.field)
    }
    return {name: _schema_of_setting(options[name]) for name in sorted(options)}


def _schema_of_setting(option: SettingsOption) -> dict[str, Any]:
    found: dict[str, Any] = {"description": option.help}
    if option.kind == "many":
        return found | {"type": "array", "items": {"type": "string"}}
    if option.kind == "flag":
        return found | {"type": "boolean"}
    if option.kind == "duration" or option.metavar == "NUMBER":
        return found | {"type": "number", "minimum": 0}
    if re.fullmatch(r"[a-z]+(\|[a-z]+)+", option.metavar):
        return found | {"enum": option.metavar.split("|")}
    return found | {"type": "string"}


def readme() -> str:
    """Return the chart's README."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    lines = [
        "# nadroute",
        "",
        "<!-- Generated by `make docs` from values.yaml: edit that, or scripts/chart_pages.py. -->",
        "",
        chart["description"],
        "",
        *INTRODUCTION.splitlines(),
        "",
        "| value | default | meaning |",
        "|---|---|---|",
    ]
    for value in values():
        if isinstance(value.default, dict) and value.path.rpartition(".")[2] not in OPEN:
            default = ""
        else:
            default = f"`{json.dumps(value.default)}`".replace("|", "\\|")
        lines.append(f"| `{value.path}` | {default} | {value.comment} |")
    return "\n".join(lines) + "\n"


INTRODUCTION = """\
Needs Kubernetes 1.29 or later; it is made for Harvester's hosts. How to install it, also without a route to
the Internet, to observe first, to upgrade and to remove it: docs/cluster.md of the source.

```
helm install nadroute nadroute --namespace nadroute --create-namespace --wait
helm test nadroute --namespace nadroute
```

The prober needs the host's network and NET_RAW: the namespace has to admit pods of the level `privileged`.
Everything else is `restricted`.

## Values

`values.schema.json` refuses what is not here. `settings` takes every setting of docs/configuration.md by its
name in lower case, such as `observe_only: true`, except those that the chart sets itself."""
