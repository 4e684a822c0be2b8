"""What a stranger or an old version leaves in Redis: messages, keys, commands, announcements."""

import base64
import contextlib
import json
import random
import time
from collections.abc import Callable, Collection
from typing import Any, cast

import redis
from celery import Celery

from services.contract.envelopes import Refusal
from services.contract.messages import HostAnnouncement, Segment, Verdict
from services.contract.names import (
    DEAD_LETTERS_KEY,
    DOUBTS_KEY,
    HOST_RENEWAL_S,
    HOST_TTL_S,
    OBSERVED_TIME_KEY,
    PROBE_TASK,
    REPORT_QUEUE,
    REPORT_TASK,
    SENDING_KEY,
    UNWRITTEN_KEY,
    WATCHED_KEY,
    host_key,
    probe_queue,
)
from services.contract.reports import Report
from services.runtime.stored.verdict_store import VerdictStore
from tests.faults.soak.faulting import Fault, Kinds
from tests.faults.soak.layout import HOSTS, UPLINKS, VLANS, cluster_network_of, gateway_of
from tests.faults.soak.redis_faults import EMPTIED_S
from tests.support.poison import POISON, encoded

SHAPES, DELAYED, TIMES = 10, 500, 100
"""How many different messages are poisoned, how many name a time, and how often one comes again."""
GHOSTS = 1_000
KEYS = 4
"""That are replaced at once."""
NEWEST = 2**53 - 1
APART = "apart"
"""A queue that nobody consumes."""
NAMED = (OBSERVED_TIME_KEY, WATCHED_KEY, SENDING_KEY, DOUBTS_KEY, UNWRITTEN_KEY, REPORT_QUEUE)
COMMANDS: tuple[tuple[str, dict[str, object]], ...] = (
    ("shutdown", {}),
    ("cancel_consumer", {"queue": REPORT_QUEUE}),
    ("cancel_consumer", {"queue": probe_queue(HOSTS[0])}),
    ("rate_limit", {"task_name": REPORT_TASK, "rate_limit": "1/h"}),
    ("time_limit", {"task_name": PROBE_TASK, "hard": 0.001}),
    ("pool_shrink", {"n": 100}),
    ("autoscale", {"max": 0, "min": 0}),
    ("pool_restart", {}),
)
VALUES = ("inf", "nan", "-1", "1e999", "9" * 400, "", "{}", "[]", "junk", "\x1b[2J", "x" * 2_000_000)
Put = Callable[[redis.Redis, str, str], object]
TYPES: tuple[Put, ...] = (
    lambda client, key, value: client.set(key, value),
    lambda client, key, value: client.rpush(key, value),
    lambda client, key, value: client.hset(key, value[:100] or "x", value),
    lambda client, key, value: client.sadd(key, value),
    lambda client, key, value: client.zadd(key, {value: 1.0}),
    lambda client, key, value: client.xadd(key, {"x": value}),
)


class MessageFaults(Kinds):
    """See the module."""

    def undecodable(self) -> Fault:
        """Messages that are not JSON, or too deep (R9)."""
        return self._poison({Refusal.NOT_JSON, Refusal.TOO_DEEP}, SHAPES)

    def malformed(self) -> Fault:
        """Messages of a wrong shape (R10)."""
        return self._poison({Refusal.MALFORMED}, SHAPES)

    def unknown(self) -> Fault:
        """Messages that are too large, or of an unknown task (R11)."""
        return self._poison({Refusal.TOO_LARGE, Refusal.UNKNOWN_TASK}, SHAPES)

    def pickled(self) -> Fault:
        """Pickled messages (R12)."""
        names = [name for name in POISON if "pickle" in name]
        return self._pushing(f"{SHAPES} messages are pickled", names, SHAPES)

    def delayed(self) -> Fault:
        """Messages for the year 9999 (R16)."""
        return self._poison({Refusal.DELAYED}, DELAYED)

    def repeated(self) -> Fault:
        """A report comes a hundred times (R13)."""

        def push(client: redis.Redis, message: bytes) -> None:
            client.rpush(REPORT_QUEUE, *[message] * TIMES)

        return self.at_once(f"a report comes {TIMES} times", "messages", lambda: self._with_report(push))

    def redelivered(self) -> Fault:
        """A report that was taken is delivered again (R14)."""

        def push(client: redis.Redis, message: bytes) -> None:
            stored = b'[%b, "", "%b"]' % (message, REPORT_QUEUE.encode())
            client.hset("unacked:updater", "again", stored)
            client.zadd("unacked_index:updater", {"again": 1.0})

        return self.at_once("a report is redelivered", "messages", lambda: self._with_report(push))

    def late(self) -> Fault:
        """A report comes after those that were made later (R15)."""
        kept: list[bytes] = []

        def push() -> None:
            for message in kept:
                self.world.command(lambda client, late=message: client.rpush(REPORT_QUEUE, late))  # type: ignore[misc]

        return Fault(
            "a report comes late",
            frozenset({"messages"}),
            lambda: self._with_report(lambda _, message: kept.append(message)),
            push,
            self.seconds(),
        )

    def wrong_keys(self) -> Fault:
        """Some keys have another type or an impossible value (R17)."""
        chance = random.Random(self.chance.random())

        def put(client: redis.Redis) -> None:
            known = sorted(cast("list[str]", client.keys("*")))
            ours = [key for key in known if key != DEAD_LETTERS_KEY and "quarantine" not in key]
            for key in {*chance.choices(NAMED, k=1), *chance.sample(ours, min(KEYS, len(ours)))}:
                with client.pipeline() as pipe:
                    pipe.delete(key)
                    chance.choice(TYPES)(pipe, key, chance.choice(VALUES))
                    pipe.execute()

        def begin() -> None:
            self.world.command(put)
            # What they held is lost.
            self.recover(EMPTIED_S)

        return self.at_once("keys of Redis are replaced by others", "redis", begin)

    def commands(self) -> Fault:
        """Celery's remote control (R18)."""

        def begin() -> None:
            app = self.world.app
            assert app is not None
            with app.connection_for_write() as connection:
                for command, arguments in COMMANDS:
                    app.control.broadcast(command, arguments=arguments, connection=connection)

        return self.at_once("all workers are told to stop", "messages", begin)

    def forged_hosts(self) -> Fault:
        """A stranger announces hosts that are not there (R20)."""

        def announce(client: redis.Redis) -> None:
            with client.pipeline(transaction=False) as pipe:
                for number in range(GHOSTS):
                    name = f"a-ghost-{number}"
                    pipe.set(host_key(name), _announcement(name, incarnation=1), ex=HOST_TTL_S)
                pipe.execute()

        return self._stranger(f"{GHOSTS} hosts are invented", announce)

    def forged_addresses(self) -> Fault:
        """A stranger announces a host whose own addresses are the gateways (R20)."""
        gateways = [str(gateway_of(vlan)) for vlan in VLANS]

        def announce(client: redis.Redis) -> None:
            said = _announcement("a-stranger", incarnation=1, addresses=gateways)
            client.set(host_key("a-stranger"), said, ex=HOST_TTL_S)

        return self._stranger("a stranger claims the gateways' addresses", announce)

    def forged_incarnation(self) -> Fault:
        """A stranger speaks for a host, as of the largest incarnation (R20)."""
        host = self.chance.choice(HOSTS)

        def say(client: redis.Redis) -> None:
            client.set(host_key(host), _announcement(host, incarnation=NEWEST), ex=HOST_TTL_S)
            for verdict in self._stored(client)[:1]:
                forged = verdict.model_copy(update={"host": host, "incarnation": NEWEST, "counter": NEWEST})
                client.rpush(REPORT_QUEUE, self._message(forged))

        return self._stranger(f"a stranger speaks as {host}", say)

    def _stranger(self, label: str, say: Callable[[redis.Redis], object]) -> Fault:
        world, due = self.world, [0.0]

        def repeat() -> None:
            if (now := time.monotonic()) >= due[0]:
                due[0] = now + HOST_RENEWAL_S
                with contextlib.suppress(redis.RedisError):
                    say(world.client)

        def begin() -> None:
            world.repeated[label] = repeat

        return Fault(label, frozenset({"redis"}), begin, lambda: world.repeated.pop(label), self.seconds())

    def _poison(self, refusals: Collection[Refusal], count: int) -> Fault:
        words = ", ".join(sorted(refusal.value.replace("_", " ") for refusal in refusals))
        names = [name for name, (refusal, _) in POISON.items() if refusal in refusals]
        return self._pushing(f"{count} messages are {words}", names, count)

    def _pushing(self, what: str, names: Collection[str], count: int) -> Fault:
        queue = self.chance.choice((REPORT_QUEUE, *map(probe_queue, HOSTS)))
        chosen = self.chance.choices(list(names), k=count)
        good = self.world.good[REPORT_TASK if queue == REPORT_QUEUE else PROBE_TASK]

        def begin() -> None:
            messages = [POISON[name][1](good) for name in chosen]
            self.world.command(lambda client: client.rpush(queue, *messages))

        return self.at_once(f"{what} in {queue}", "messages", begin)

    def _with_report(self, use: Callable[[redis.Redis, bytes], object]) -> None:
        """Use a report that a host made, if one is stored."""

        def take(client: redis.Redis) -> None:
            for verdict in self._stored(client)[:1]:
                use(client, self._message(verdict))

        self.world.command(take)

    def _stored(self, client: redis.Redis) -> list[Verdict]:
        segments = [Segment(cluster_network=cluster_network_of(vlan), vlan=vlan) for vlan in VLANS]
        found = VerdictStore(client).read(segments).values()
        return [seen.verdict for each in found for seen in each.latest]

    def _message(self, verdict: Verdict) -> bytes:
        good = self.world.good[REPORT_TASK]
        report = Report(host=verdict.host, verdicts=(verdict,)).to_json()
        _, _, embedded = json.loads(base64.b64decode(good["body"]))
        body = encoded(json.dumps([[], {"report": report}, embedded]).encode())
        return json.dumps({**good, "body": body}).encode()


def good_messages(app: Celery, client: redis.Redis) -> dict[str, dict[str, Any]]:
    """Return a message as our senders leave it in the queue, by its task."""
    found = {}
    for task, argument, queue in (
        (REPORT_TASK, "report", REPORT_QUEUE),
        (PROBE_TASK, "request", probe_queue(HOSTS[0])),
    ):
        app.send_task(task, kwargs={argument: "{}"}, queue=APART, ignore_result=True)
        envelope: dict[str, Any] = json.loads(str(client.rpop(APART)))
        envelope["properties"]["delivery_info"]["routing_key"] = queue
        found[task] = envelope
    return found


def _announcement(host: str, *, incarnation: int, addresses: Collection[str] = ()) -> str:
    said = HostAnnouncement.model_validate_json(
        json.dumps(
            {
                "host": host,
                "uplinks": UPLINKS,
                "version": "1",
                "incarnation": incarnation,
                "addresses": list(addresses),
            }
        )
    )
    return json.dumps(said.to_wire())
