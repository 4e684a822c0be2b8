"""A bare client of the API server: requests over kept connections, and a watch; it decides nothing."""

import base64
import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

import urllib3
import yaml

from bench.processes import RunFailed

CONCURRENCY = 8
"""The default of the updater's write_concurrency."""
CLUSTER_NETWORK = "extra"
NAMESPACE = "default"
ROUTE = "network.harvesterhci.io/route"
_API = "k8s.cni.cncf.io/v1"
_ALL = f"/apis/{_API}/network-attachment-definitions"
_NETWORKS = f"/apis/{_API}/namespaces/{NAMESPACE}/network-attachment-definitions"
_EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
_POLL_S = 0.05
_OWN_REASON = "Told"
_MARK = "bench.example/told"
_Item = TypeVar("_Item")


class BareClient:
    """Creates networks, sends what an updater sends for one, and watches."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._server = cluster["server"]
        self._headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json"}
        self._pool = urllib3.PoolManager(
            maxsize=CONCURRENCY + 1, ssl_context=ssl.create_default_context(cadata=authority)
        )

    def create(
        self, vlans: Iterable[int], prefix: str = "net", *, route: Callable[[int], str] | None = None
    ) -> None:
        """Create one network on each VLAN. route: the text of its route annotation; None leaves it out."""
        self.each(lambda vlan: self._create(f"{prefix}-{vlan}", vlan, route), vlans)

    def tell(self, names: Iterable[str], *, events: bool) -> float:
        """Patch each network once and, with events, post one Event; return the seconds for all."""
        began = time.monotonic()
        self.each(lambda name: self._tell(name, events=events), names)
        return time.monotonic() - began

    def told_by_event(self) -> set[str]:
        """Return the networks on which somebody else has posted an Event."""
        events = cast("list[dict[str, object]]", self._call("GET", _EVENTS)["items"])
        others = (event for event in events if event["reason"] != _OWN_REASON)
        return {cast("dict[str, str]", event["involvedObject"])["name"] for event in others}

    def watch(self, seen: Callable[[str, Mapping[str, str]], None]) -> None:
        """Call seen with name and annotations at each change from now on, on a daemon thread."""
        # The list is made before this returns, so no change is missed.
        version = cast("dict[str, str]", self._call("GET", _ALL)["metadata"])["resourceVersion"]
        threading.Thread(target=self._watch, args=(version, seen), name="loop-watch", daemon=True).start()

    def each(self, call: Callable[[_Item], object], items: Iterable[_Item]) -> None:
        """Make the calls concurrently; raises what one of them raises."""
        with ThreadPoolExecutor(CONCURRENCY) as threads:
            list(threads.map(call, items))

    def _watch(self, version: str, seen: Callable[[str, Mapping[str, str]], None]) -> None:
        url = f"{self._server}{_ALL}?watch=true&resourceVersion={version}&timeoutSeconds=3600"
        response = self._pool.request("GET", url, headers=self._headers, preload_content=False)
        rest = b""
        try:
            for chunk in response.stream(65_536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    metadata = json.loads(line)["object"]["metadata"]
                    seen(metadata["name"], metadata.get("annotations") or {})
        except urllib3.exceptions.HTTPError:
            # The server ended with the site.
            return

    def _create(self, name: str, vlan: int, route: Callable[[int], str] | None) -> None:
        annotations = {} if route is None else {ROUTE: route(vlan)}
        config = {"cniVersion": "0.3.1", "type": "bridge", "bridge": f"{CLUSTER_NETWORK}-br", "vlan": vlan}
        self._call(
            "POST",
            _NETWORKS,
            {
                "apiVersion": _API,
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations},
                "spec": {"config": json.dumps(config)},
            },
        )

    def _tell(self, name: str, *, events: bool) -> None:
        patch = {"metadata": {"annotations": {_MARK: "x" * 400}}}
        self._call("PATCH", f"{_NETWORKS}/{name}", patch, "application/merge-patch+json")
        if events:
            self._call(
                "POST",
                _EVENTS,
                {
                    "apiVersion": "v1",
                    "kind": "Event",
                    "metadata": {"name": f"{name}.{next(_numbers)}", "namespace": NAMESPACE},
                    "involvedObject": {"kind": "NetworkAttachmentDefinition", "name": name},
                    "reason": _OWN_REASON,
                    "message": "x" * 100,
                    "type": "Normal",
                },
            )

    def _call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> dict[str, object]:
        """Make one call, again after each 429 and the pause that it asks for."""
        while True:
            answer = self._pool.request(
                method,
                self._server + path,
                body=None if body is None else json.dumps(body),
                headers={**self._headers, "Content-Type": content_type},
                retries=False,
            )
            if answer.status != 429:
                break
            threading.Event().wait(float(answer.headers["Retry-After"]))
        if answer.status >= 300:
            raise RunFailed(f"{method} {path}: {answer.status} {answer.data[:200]!r}")
        return cast("dict[str, object]", json.loads(answer.data))


_numbers = itertools.count()


class Told:
    """What a watch sees of each network's connectivity. Monotonic seconds."""

    def __init__(self, *, expected: str = "true") -> None:
        self.at: dict[str, float] = {}
        """When each network was first written as expected."""
        self.wrong: set[str] = set()
        """Networks that were ever written otherwise."""
        self._expected = expected

    def __call__(self, name: str, annotations: Mapping[str, str]) -> None:
        """Take one change."""
        said = connectivity(annotations)
        if said == self._expected:
            self.at.setdefault(name, time.monotonic())
        elif said:
            self.wrong.add(name)

    def wait(self, count: int, *, seconds: float) -> None:
        """Wait for this many networks. Raises RunFailed."""
        deadline, never = time.monotonic() + seconds, threading.Event()
        while len(self.at) < count:
            if time.monotonic() > deadline:
                raise RunFailed(f"{len(self.at)} networks told within {seconds:.0f} s, expected {count}")
            never.wait(_POLL_S)


def connectivity(annotations: Mapping[str, str]) -> str:
    """Return what Harvester's annotation says of the route; empty where it says nothing."""
    try:
        route = json.loads(annotations.get(ROUTE, "{}"))
    except ValueError:
        return ""
    said = route.get("connectivity") if isinstance(route, dict) else None
    return said if isinstance(said, str) else ""
