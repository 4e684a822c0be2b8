"""The annotation nadroute.io/status: what nadroute reports about a network, as compact JSON.

`{"state":"Partial","reason":"GatewaySilentOnSomeHosts","since":"2026-11-23T03:04:05Z","digest":"…",
"gateway":"10.0.112.1","connectivity":"true","hosts":{"node2":"GatewaySilentOnVlan"},
"dhcp":[{"server":"10.0.112.1","cidr":"10.0.112.0/20","gateway":"10.0.112.1"}],
"findings":{"SeveralRouters":"…"}}`; empty fields are omitted.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.contract.outcomes import State
from services.network.parse.tolerance import load_object, strings

MAX_STATUS_CHARACTERS = 65_536
MAX_HOSTS = 64
"""Hosts that are named; the others are counted. All annotations of an object share 256 KiB."""
MAX_SERVERS = 16
MAX_DETAIL_CHARACTERS = 500
MAX_FINDINGS = 8
_OFFERED = ("cidr", "gateway", "mac", "relay")
"""What an offer is listed with, beside its server."""
_STATES = [*State]
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


@dataclass(frozen=True)
class ServerOffer:
    """A DHCP server and what it offered."""

    server: str
    cidr: str = ""
    gateway: str = ""
    mac: str = ""
    """Where the offer came from: the server, or the router that relayed it."""
    relay: str = ""


class ServerIdentity(NamedTuple):
    """A DHCP server: its address, and the MAC address that its offers come from."""

    address: str
    mac: str


@dataclass(frozen=True)
class Status:
    """What is reported about a network."""

    state: str
    reason: str
    since: str = ""
    """When the network entered this state (RFC 3339, UTC)."""
    digest: str = ""
    """Digest of the intent that it is about."""
    gateway: str = ""
    """The gateway that was checked, or that was refused as a host's own address."""
    gateway_mac: str = ""
    """The MAC address that answers for it on the VLAN."""
    connectivity: str = ""
    """The value that nadroute sets in the route annotation; another value there is another writer's."""
    detail: str = ""
    """The values behind the reason."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Hosts that differ or could not tell, with the reason or fault."""
    servers: tuple[ServerOffer, ...] = ()
    dhcp_out: bool = False
    """DHCP names no usable gateway, but one is known from before."""
    hosts_omitted: int = 0
    """Number of further hosts that differ."""
    findings: Mapping[str, str] = field(default_factory=dict)
    """Findings beside the state, by reason code, with their values."""
    named_by: frozenset[ServerIdentity] = frozenset()
    """DHCP servers that have named the gateway."""

    def limited(self) -> "Status":
        """Return this status, cut to what an annotation can hold."""
        if self._is_within_limits:
            return self
        named = dict(sorted(self.hosts.items())[:MAX_HOSTS])
        return replace(
            self,
            detail=self.detail[:MAX_DETAIL_CHARACTERS],
            hosts=named,
            hosts_omitted=len(self.hosts) - len(named) + self.hosts_omitted,
            servers=self.servers[:MAX_SERVERS],
            named_by=frozenset(sorted(self.named_by)[:MAX_SERVERS]),
            findings={
                code: text[:MAX_DETAIL_CHARACTERS]
                for code, text in sorted(self.findings.items())[:MAX_FINDINGS]
            },
        )

    @property
    def _is_within_limits(self) -> bool:
        return (
            len(self.hosts) <= MAX_HOSTS
            and max(len(self.servers), len(self.named_by)) <= MAX_SERVERS
            and len(self.findings) <= MAX_FINDINGS
            and all(len(text) <= MAX_DETAIL_CHARACTERS for text in (self.detail, *self.findings.values()))
        )

    def to_fields(self) -> dict[str, object]:
        """Return the annotation's JSON object."""
        return {"state": self.state, "reason": self.reason, "since": self.since} | _without_empty(
            {
                "digest": self.digest,
                "gateway": self.gateway,
                "gatewayMAC": self.gateway_mac,
                "connectivity": self.connectivity,
                "detail": self.detail,
                "hosts": dict(sorted(self.hosts.items())),
                "dhcp": [
                    {"server": s.server} | _without_empty({name: getattr(s, name) for name in _OFFERED})
                    for s in self.servers
                ],
                "dhcpOut": self.dhcp_out,
                "namedBy": [{"server": s.address, "mac": s.mac} for s in sorted(self.named_by)],
                "hostsOmitted": self.hosts_omitted,
                "findings": dict(sorted(self.findings.items())),
            }
        )

    def dump(self) -> str:
        """Return the annotation's text; equal statuses have equal texts."""
        return json.dumps(self.to_fields(), separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> "Status | None":
        """Parse the annotation; None if it is unreadable, since anyone may write it."""
        if len(text) > MAX_STATUS_CHARACTERS:
            return None
        try:
            body = load_object(text)
            if "\\u" in text or not text.isascii():
                # Half a surrogate pair could be stored, but others could not read it.
                json.dumps(body, ensure_ascii=False).encode()
        except ValueError:
            return None
        return cls.from_fields(body)

    @classmethod
    def from_fields(cls, body: Mapping[str, object]) -> "Status | None":
        """Read the annotation's JSON object; None without a known state. Fields of a wrong type are empty."""
        if body.get("state") not in _STATES:
            return None

        def text_of(name: str, source: Mapping[str, object] = body) -> str:
            value = source.get(name)
            return value if isinstance(value, str) else ""

        servers, named_by = body.get("dhcp"), body.get("namedBy")
        return cls(
            state=text_of("state"),
            reason=text_of("reason"),
            since=text_of("since"),
            digest=text_of("digest"),
            gateway=text_of("gateway"),
            gateway_mac=mac if _MAC.fullmatch(mac := text_of("gatewayMAC")) else "",
            connectivity=text_of("connectivity"),
            detail=text_of("detail"),
            hosts=strings(body.get("hosts")),
            servers=tuple(
                ServerOffer(text_of("server", s), *(text_of(name, s) for name in _OFFERED))
                for s in (servers if isinstance(servers, list) else [])
                if isinstance(s, dict)
            ),
            dhcp_out=body.get("dhcpOut") is True,
            named_by=frozenset(
                ServerIdentity(text_of("server", s), text_of("mac", s))
                for s in (named_by if isinstance(named_by, list) else [])
                if isinstance(s, dict)
            ),
            hosts_omitted=omitted if type(omitted := body.get("hostsOmitted")) is int else 0,
            findings=strings(body.get("findings")),
        )

    @property
    def is_timed(self) -> bool:
        """Whether `since` is a time."""
        return _TIMESTAMP.fullmatch(self.since) is not None

    def following(self, before: "Status | None", *, now: str) -> "Status":
        """Return this status with `since` from before if state and intent are the same, else now."""
        same = before is not None and (before.state, before.digest) == (self.state, self.digest)
        if before is not None and same and before.is_timed:
            return replace(self, since=before.since)
        return replace(self, since=now)


def _without_empty(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}
