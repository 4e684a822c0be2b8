"""Other editors of networks: Harvester's UI and Terraform."""

from __future__ import annotations

import json

from lab.harvester.access import Key, Networks
from lab.harvester.layer3 import Layer3, route_of, with_route
from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject, section
from lab.kube.store import Edit

TRIES = 20


class HarvesterUi:
    """The network form: a save keeps only mode, DHCP server, cidr and gateway of the route."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def save(
        self,
        key: Key,
        *,
        mode: str | None = None,
        server: str | None = None,
        cidr: str | None = None,
        gateway: str | None = None,
        vlan: int | None = None,
    ) -> JsonObject:
        """Open the form, change the given fields, save. Raises ApiError from the API server."""

        def edit(body: JsonObject) -> JsonObject:
            before = route_of(body) or Layer3()
            fields = {
                "mode": before.mode if mode is None else mode,
                "serverIPAddr": before.server if server is None else server,
                "cidr": before.cidr if cidr is None else cidr,
                "gateway": before.gateway if gateway is None else gateway,
            }
            saved = with_route(body, json.dumps(fields, separators=(",", ":")))
            return saved if vlan is None else _with_vlan(saved, vlan)

        return _replace(self._networks, key, edit)


class Terraform:
    """`harvester_network`: an apply writes the route from its plan alone, through Harvester's struct."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    def apply(
        self, key: Key, *, mode: str = "auto", server: str = "", cidr: str = "", gateway: str = ""
    ) -> JsonObject:
        """Update the network to this plan. Raises ApiError from the API server."""
        plan = Layer3(mode=mode, server=server, cidr=cidr, gateway=gateway)
        return _replace(self._networks, key, lambda body: with_route(body, plan.dump()))


def _with_vlan(body: JsonObject, vlan: int) -> JsonObject:
    spec = section(body, "spec")
    config = json.loads(str(spec.get("config", "{}")))
    spec["config"] = json.dumps({**config, "vlan": vlan}, separators=(",", ":"))
    return body


def _replace(networks: Networks, key: Key, edit: Edit) -> JsonObject:
    """Read, edit, PUT; retried on a conflict, as a person would."""
    for _ in range(TRIES):
        try:
            return networks.update(edit(networks.get(key)))
        except ApiError as error:
            if error.code != 409:
                raise
    raise TimeoutError(f"{key}: a conflict on every attempt")
