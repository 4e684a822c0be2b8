"""What is accepted as an envelope of ours; the rest is refused, whatever it is."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.envelopes import (
    MAX_ENVELOPE_BYTES,
    EnvelopeRefused,
    Refusal,
    check_broadcast,
    check_stored_envelope,
    read_envelope,
)
from services.contract.names import REPORT_QUEUE, REPORT_TASK
from tests.support.poison import POISON, encoded

TASKS = frozenset({REPORT_TASK})
BODY: list[Any] = [[], {"report": "{}"}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
GOOD: dict[str, Any] = {
    "body": encoded(json.dumps(BODY).encode()),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {
        "lang": "py",
        "task": REPORT_TASK,
        "id": "c139a3e3-61e2-4b11-9ae8-993f9b7e34f5",
        "shadow": "report: 1 verdict from node1",
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": "c139a3e3-61e2-4b11-9ae8-993f9b7e34f5",
        "parent_id": None,
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "origin": "gen7@node1",
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    },
    "properties": {
        "correlation_id": "c139a3e3-61e2-4b11-9ae8-993f9b7e34f5",
        "reply_to": "6ab8720e-3e23-34e1-8a0b-af5f1967960d",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": REPORT_QUEUE},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "bb2ba193-dd10-4c9a-9c02-13b3c7609bb4",
    },
}
"""As Celery 5.7 sends it."""


def refusal_of(raw: bytes) -> EnvelopeRefused | None:
    try:
        read_envelope(raw, queue=REPORT_QUEUE, tasks=TASKS)
    except EnvelopeRefused as error:
        return error
    return None


def test_an_envelope_of_ours_is_accepted_with_its_arguments() -> None:
    """What is unknown of it is dropped, and its arguments are there without another parse."""
    accepted = read_envelope(json.dumps(GOOD).encode(), queue=REPORT_QUEUE, tasks=TASKS)
    assert accepted.arguments == ([], {"report": "{}"}, {})
    assert accepted["body"] == GOOD["body"]
    assert {"stamps", "group_index"}.isdisjoint(accepted["headers"])
    assert {name: accepted["headers"][name] for name in ("id", "task", "shadow", "ignore_result")} == {
        name: GOOD["headers"][name] for name in ("id", "task", "shadow", "ignore_result")
    }


def test_an_accepted_envelope_is_accepted_again_as_kombu_stores_it() -> None:
    """After it was restored it is marked, and still one of ours."""
    accepted = read_envelope(json.dumps(GOOD).encode(), queue=REPORT_QUEUE, tasks=TASKS)
    check_stored_envelope(json.dumps([accepted, "", REPORT_QUEUE]).encode(), queue=REPORT_QUEUE, tasks=TASKS)
    accepted["headers"]["redelivered"] = True
    accepted["properties"]["delivery_info"]["redelivered"] = True
    again = read_envelope(json.dumps(accepted).encode(), queue=REPORT_QUEUE, tasks=TASKS)
    assert again["properties"]["delivery_info"]["redelivered"] is True


@pytest.mark.parametrize("name", POISON)
def test_poison_is_refused_with_its_reason(name: str) -> None:
    """R9 to R12, R16: in one short line."""
    wanted, poison = POISON[name]
    error = refusal_of(poison(GOOD))
    assert error is not None
    assert error.refusal is wanted
    assert len(str(error)) < 1_500
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("exchange", "queue"), [("nowhere", REPORT_QUEUE), ("", "celery"), (None, REPORT_QUEUE)]
)
def test_a_stored_message_goes_nowhere_else(exchange: str | None, queue: str) -> None:
    """kombu would push it to any queue, or drop it."""
    good = json.loads(json.dumps(GOOD))
    good["properties"]["delivery_info"]["routing_key"] = queue
    stored = json.dumps([good, exchange, queue]).encode()
    with pytest.raises(EnvelopeRefused):
        check_stored_envelope(stored, queue=REPORT_QUEUE, tasks=TASKS)


def broadcast(**changed: object) -> bytes:
    """Return a command to all workers as Celery publishes it."""
    command = {
        "method": "ping",
        "arguments": {},
        "destination": None,
        "pattern": None,
        "matcher": None,
        "ticket": "c139a3e3-61e2-4b11-9ae8-993f9b7e34f5",
        "reply_to": {
            "exchange": "reply.celery.pidbox",
            "routing_key": "6ab8720e-3e23-34e1-8a0b-af5f1967960d",
        },
    }
    return json.dumps(
        {
            "body": encoded(json.dumps({**command, **changed}).encode()),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"clock": 1, "expires": 0},
            "properties": {
                "delivery_mode": 2,
                "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "bb2ba193-dd10-4c9a-9c02-13b3c7609bb4",
            },
        }
    ).encode()


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"method": "shutdown"}, Refusal.REMOTE_CONTROL),
        ({"method": "hello"}, Refusal.REMOTE_CONTROL),
        ({"method": 5}, Refusal.MALFORMED),
        ({"pattern": "(a+)+b", "matcher": "pcre"}, Refusal.MALFORMED),
        ({"destination": "node1"}, Refusal.MALFORMED),
        ({"arguments": []}, Refusal.MALFORMED),
        ({"reply_to": {"exchange": "", "routing_key": REPORT_QUEUE}}, Refusal.MALFORMED),
    ],
)
def test_a_broadcast_may_only_ask(changed: dict[str, object], refusal: Refusal) -> None:
    """R18: and the answer goes where Celery's clients wait for one."""
    check_broadcast(broadcast())
    with pytest.raises(EnvelopeRefused) as caught:
        check_broadcast(broadcast(**changed))
    assert caught.value.refusal is refusal


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a good envelope in which fields at any depth, or of its body, are replaced, deleted or added."""
    envelope, body = json.loads(json.dumps(GOOD)), json.loads(json.dumps(BODY))
    for _ in range(draw(st.integers(1, 4))):
        place: Any = body if draw(st.booleans()) else envelope
        while True:
            keys = list(range(len(place))) if isinstance(place, list) else list(place)
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and draw(st.booleans()):
                place = place[key]
                continue
            match draw(st.sampled_from(["replace", "delete", "add"])):
                case "replace":
                    place[key] = draw(JUNK)
                case "delete":
                    del place[key]
                case "add" if isinstance(place, dict):
                    place[draw(st.text(max_size=8))] = draw(JUNK)
                case _:
                    place.append(draw(JUNK))
            break
    if isinstance(envelope.get("body"), str) and envelope["body"] == GOOD["body"]:
        envelope["body"] = encoded(json.dumps(body).encode())
    return json.dumps(envelope).encode()


@given(mutated())
def test_a_mutated_envelope_is_refused_or_one_that_celery_can_run(raw: bytes) -> None:
    """Whatever is accepted has every field that kombu and Celery read, in the type that they expect."""
    try:
        accepted = read_envelope(raw, queue=REPORT_QUEUE, tasks=TASKS)
    except EnvelopeRefused:
        return
    args, kwargs, embedded = accepted.arguments
    assert isinstance(args, list)
    assert isinstance(kwargs, dict)
    assert embedded == {}
    headers, properties = accepted["headers"], accepted["properties"]
    assert headers["task"] in TASKS
    assert headers["eta"] is headers["expires"] is headers["group"] is None
    assert headers["timelimit"] in (None, (None, None))
    hash((headers["id"], headers["root_id"], properties["delivery_tag"], properties["reply_to"]))
    assert properties["delivery_info"]["exchange"] == ""
    assert properties["delivery_info"]["routing_key"] == REPORT_QUEUE
    sent = json.loads(base64.b64decode(json.loads(raw)["body"]))
    assert json.dumps([args, kwargs]) == json.dumps(sent[:2])
    assert read_envelope(json.dumps(accepted).encode(), queue=REPORT_QUEUE, tasks=TASKS) == {
        **accepted,
        "headers": {**headers},
    }


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(raw: bytes) -> None:
    """Nothing but EnvelopeRefused is raised."""
    assert refusal_of(raw) is not None


def test_the_largest_message_is_read() -> None:
    """One byte more is refused before it is parsed."""
    raw = json.dumps(GOOD).encode()
    assert refusal_of(raw.ljust(MAX_ENVELOPE_BYTES)) is None
    error = refusal_of(raw.ljust(MAX_ENVELOPE_BYTES + 1))
    assert error is not None
    assert error.refusal is Refusal.TOO_LARGE
