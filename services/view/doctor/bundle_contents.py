"""What a bundle for support holds: documents by file name, without secrets."""

import json
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib import metadata
from typing import TypeVar

from services.network.parse.nad import ROUTE, Network
from services.network.policy import Policy
from services.runtime.connection.redis_client import format_time
from services.runtime.process.redaction import HIDDEN, hide_passwords
from services.runtime.stored.dead_letters import DeadLetter
from services.view.doctor.facts import Facts, Known
from services.view.doctor.findings import Finding, Unknown
from services.view.documents import checked_document, finding_document, host_document
from services.view.doubts import doubts_of
from services.view.rows import rows_of, with_checks

T = TypeVar("T")
PACKAGES = ("celery", "flower", "kombu", "kubernetes", "pydantic", "redis", "structlog", "urllib3")
SHORTEST_SECRET = 4
"""Characters: hiding a shorter one would hide half of the text."""
_OURS = "nadroute.io/"

README = """A bundle of `nadroute doctor`, for whoever helps with this site.

doctor.json        each check: ok, warning, failed or cannot tell, and what to do
versions.json      of nadroute, Redis, Kubernetes, Python and the libraries
settings.json      the settings in force where the bundle was made, secrets as ***
hosts.json         the announced hosts, as `nadroute hosts -o json`
nodes.json         the nodes of the cluster
networks.json      each network with what each host found, as `nadroute status -o json`
dead-letters.json  why messages were refused, without the messages
annotations.json   of each network, the annotations of nadroute and Harvester's route; only if asked for

There are no passwords, tokens, keys or certificates in it. There are names of networks, namespaces and hosts,
IP and MAC addresses, and VLANs.
"""


def bundle_documents(
    facts: Facts,
    findings: Sequence[Finding],
    policy: Policy,
    *,
    settings: Sequence[Mapping[str, object]],
    with_annotations: bool,
) -> dict[str, object]:
    """Return the documents by file name. settings: as `nadroute config -o json` prints them."""
    documents: dict[str, object] = {
        "doctor.json": [finding_document(finding) for finding in findings],
        "versions.json": _versions(facts),
        "settings.json": list(settings),
        "hosts.json": _or_why(facts.redis.hosts, lambda rows: [host_document(row) for row in rows]),
        "nodes.json": _or_why(facts.cluster.nodes, lambda nodes: [vars(node) for node in nodes]),
        "networks.json": _or_why(facts.cluster.networks, lambda found: _networks(found, facts, policy)),
        "dead-letters.json": _or_why(facts.redis.letters, _letters),
    }
    if with_annotations:
        documents["annotations.json"] = _or_why(facts.cluster.networks, _annotations)
    return documents


def without_secrets(document: object, secrets: Iterable[str]) -> object:
    """Return the document with these secrets, and passwords of URLs, as ***, wherever they stand."""
    hidden = tuple(secrets)

    def clean(value: object) -> object:
        if isinstance(value, Mapping):
            return {str(clean(str(key))): clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(item) for item in value]
        if isinstance(value, str):
            return hide_secrets(value, hidden)
        return value

    return clean(document)


def hide_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with these secrets, and passwords of URLs, as ***.

    A secret is found however its characters are written: percent-encoded as in a URL, escaped as in JSON.
    """
    # Longer ones first: one may be a part of another.
    long = sorted(
        {each for each in secrets if len(each) >= SHORTEST_SECRET}, key=lambda each: (-len(each), each)
    )
    return hide_passwords(_pattern(tuple(long)).sub(HIDDEN, text) if long else text)


@lru_cache(maxsize=4)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join("".join(map(_written, secret)) for secret in secrets))


def _written(character: str) -> str:
    """Return a pattern of the ways in which a text may have this character; the longer ones first."""
    encoded = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    plain, escaped = re.escape(character), re.escape(json.dumps(character)[1:-1])
    others = [r"\+"] if character == " " else [] if escaped == plain else [f"(?i:{escaped})"]
    return f"(?:{'|'.join([f'(?i:{encoded})', *others, plain])})"


def _or_why(known: Known[T], document: Callable[[T], object]) -> object:
    return {"cannot_tell": known.why} if isinstance(known, Unknown) else document(known)


def _versions(facts: Facts) -> dict[str, object]:
    found: dict[str, object] = {
        "nadroute": facts.version,
        "running": _or_why(facts.redis.running, lambda parts: [asdict(each) for each in parts]),
        "redis server": _or_why(facts.redis.server, str),
        "kubernetes server": _or_why(facts.cluster.version, str),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _networks(networks: Sequence[Network], facts: Facts, policy: Policy) -> list[object]:
    lines = with_checks(rows_of(networks, policy, facts.view), facts.view)
    return [checked_document(line.row, line.checks, doubts_of(line.row, facts.view)) for line in lines]


def _letters(letters: Sequence[DeadLetter]) -> list[object]:
    return [
        {"at": format_time(letter.at_ms), "where": letter.where, "reason": letter.reason}
        for letter in letters
    ]


def _annotations(networks: Sequence[Network]) -> list[object]:
    return [
        {
            "namespace": network.ref.namespace,
            "name": network.ref.name,
            "annotations": {
                key: value
                for key, value in sorted(network.annotations.items())
                if key == ROUTE or key.startswith(_OURS)
            },
        }
        for network in networks
    ]
