"""In words: what is not written to the networks and why, and where a state comes from instead of Redis."""

from collections.abc import Iterable, Sequence

from services.contract.conclusions import Hindrance, Unwritten
from services.network.parse.nad import NetworkRef
from services.view.host_checks import RedisView
from services.view.rows import NetworkRow, Source

MAX_NAMED = 3
"""Networks that a remark names; further ones are counted."""

_MEANINGS = {
    Hindrance.OBSERVE_ONLY: "the updater only observes (observe_only)",
    Hindrance.DENIED: "the API server refuses it",
    Hindrance.UNREADABLE: "Harvester's webhook refuses every write while the configuration cannot be read",
    Hindrance.TAKEN_BACK: "another writer took it back four times in an hour; it is left for up to an hour",
}


def describe_unwritten(unwritten: Unwritten) -> str:
    """Return a sentence that says why nothing is written to a network."""
    detail = f": {unwritten.detail}" if unwritten.detail else ""
    return f"This is not written to the network: {_MEANINGS[unwritten.why]}{detail}"


def unwritten_remarks(rows: Sequence[NetworkRow]) -> list[str]:
    """Return a remark for each reason why something is not written, or not from Redis, about these rows."""
    remarks = []
    if any(row.unwritten and row.unwritten.why is Hindrance.OBSERVE_ONLY for row in rows):
        remarks.append("observe only: nothing is written to the networks")
    for why, text in (
        (Hindrance.DENIED, "not written, the API server refuses it"),
        (Hindrance.TAKEN_BACK, "not written again for up to an hour, another writer takes it back"),
        (Hindrance.UNREADABLE, "not written, the configuration cannot be read"),
    ):
        refs = [row.ref for row in rows if row.unwritten and row.unwritten.why is why]
        remarks += [f"{text}: {named(refs)}"] if refs else []
    return remarks


def source_remark(view: RedisView, rows: Iterable[NetworkRow] = ()) -> str | None:
    """Return a remark on states that come from annotations instead of Redis; None without any."""
    if view.trouble is not None:
        return f"from the annotation, without hosts: {view.trouble}"
    refs = [row.ref for row in rows if row.source is Source.ANNOTATION]
    if not refs:
        return None
    return f"from the annotation, as Redis has no conclusion: {named(refs)}; is an updater running?"


def named(refs: Sequence[NetworkRef | str]) -> str:
    """Join the first few names and the number of the others."""
    more = f" and {len(refs) - MAX_NAMED} more" if len(refs) > MAX_NAMED else ""
    return ", ".join(map(str, refs[:MAX_NAMED])) + more
