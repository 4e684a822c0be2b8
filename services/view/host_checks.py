"""What each host found on a network's segment, and how long ago, as Redis has it: read, and never written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from services.contract.messages import (
    NOT_TRIED,
    DHCPFinding,
    HostAnnouncement,
    Reach,
    Segment,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import Fault

if TYPE_CHECKING:
    from services.cli.options.client_settings import ClientSettings
    from services.contract.verdicts import SegmentVerdicts

CONNECT_TIMEOUT_S = 2.0
"""Short: without Redis there is still all that the networks themselves say."""


@dataclass(frozen=True)
class HostCheck:
    """What one host found for one network. Without a verdict it is there, and no more is known of it."""

    host: str
    age_s: float | None = None
    """Of the newest verdict; None without one."""
    fault: Fault | None = None
    gateway: IPv4Address | None = None
    """The gateway that was checked."""
    vlan: Reach = NOT_TRIED
    routed: Reach = NOT_TRIED
    echo: Reach = NOT_TRIED
    dhcp: DHCPFinding | None = None
    """Of the newest verdict that asked DHCP."""
    dhcp_age_s: float | None = None
    dropped_frames: int = 0
    interface: str = ""
    """The host's uplink of the cluster network; empty where it is not announced with one."""

    def to_json(self) -> dict[str, object]:
        """The documented shape (docs/cli.md)."""
        from services.cli.probe.report import dhcp_json, reach_json

        return {
            "host": self.host,
            "ageSeconds": None if self.age_s is None else round(self.age_s, 1),
            "announced": bool(self.interface),
            "fault": self.fault.value if self.fault else None,
            "gateway": str(self.gateway) if self.gateway else None,
            "vlan": reach_json(self.vlan),
            "routed": reach_json(self.routed),
            "dhcp": dhcp_json(self.dhcp),
            "dhcpAgeSeconds": None if self.dhcp_age_s is None else round(self.dhcp_age_s, 1),
        }


@dataclass(frozen=True)
class RedisView:
    """What Redis said, once; trouble where it said nothing."""

    verdicts: "Mapping[Segment, SegmentVerdicts]" = field(default_factory=dict)
    hosts: Mapping[str, HostAnnouncement] = field(default_factory=dict)
    paused: str | None = None
    """A sentence on the global pause."""
    trouble: str | None = None

    def carrying(self, cluster_network: str) -> list[str]:
        """The announced hosts with an uplink of it, by name."""
        return sorted(h for h, told in self.hosts.items() if cluster_network in told.uplinks)

    def checks(self, segment: Segment, digest: str, gateway: str) -> tuple[HostCheck, ...]:
        """Of every host that carries the segment, or told something of it; gateway: the one that counts."""
        known = self.verdicts.get(segment)
        latest = {seen.verdict.host: seen for seen in known.latest} if known else {}
        asked = {seen.verdict.host: seen for seen in known.asked_dhcp} if known else {}
        names = sorted({*self.carrying(segment.cluster_network), *latest})
        checks = []
        for name in names:
            told = self.hosts.get(name)
            interface = told.uplinks.get(segment.cluster_network, "") if told else ""
            if name not in latest:
                checks.append(HostCheck(name, interface=interface))
                continue
            seen = latest[name]
            target = _target(seen.verdict, digest, gateway)
            if target is None and seen.verdict.fault is None:
                # Of what its owner no longer asks.
                checks.append(HostCheck(name, interface=interface))
                continue
            dhcp = asked.get(name)
            checks.append(
                HostCheck(
                    name,
                    age_s=seen.age_s,
                    fault=seen.verdict.fault,
                    gateway=target.gateway if target else None,
                    vlan=target.vlan if target else NOT_TRIED,
                    routed=target.routed if target else NOT_TRIED,
                    echo=target.echo if target else NOT_TRIED,
                    dhcp=dhcp.verdict.dhcp if dhcp else None,
                    dhcp_age_s=dhcp.age_s if dhcp else None,
                    dropped_frames=seen.verdict.dropped_frames,
                    interface=interface,
                )
            )
        return tuple(checks)


def _target(verdict: Verdict, digest: str, gateway: str) -> TargetVerdict | None:
    """Of this intent; where there are several, the one whose gateway counts."""
    mine = [target for target in verdict.targets if target.digest == digest]
    return next((target for target in mine if str(target.gateway) == gateway), mine[0] if mine else None)


class RedisReader:
    """Looks at Redis again and again over one connection; that it is away is told, and no error."""

    def __init__(self, settings: "ClientSettings") -> None:
        import redis

        from services.runtime.redis_client import connect, redact
        from services.runtime.verdict_store import VerdictStore

        url = settings.redis_url.get_secret_value()
        self._where = redact(url)
        self._errors = (redis.RedisError, OSError)
        self._client = connect(url, connect_timeout_s=CONNECT_TIMEOUT_S, retries=0)
        self._store = VerdictStore(self._client)

    def read(self, segments: Collection[Segment]) -> RedisView:
        """What is there now of these segments."""
        from services.runtime import announcements
        from services.view.pause_state import describe_pause

        try:
            return RedisView(
                self._store.read(segments),
                {told.host: told for told in announcements.read(self._client).hosts},
                describe_pause(self._client),
            )
        except self._errors as error:
            why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            return RedisView(
                trouble=f"what each host found is not shown: Redis at {self._where}: {why}; say where it is "
                "with --redis-url or NADROUTE_REDIS_URL"
            )

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()
