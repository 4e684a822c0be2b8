"""What Redis knows: the conclusion about each network, and what each host found there and how long ago."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from services.contract.causes import CauseRecord
from services.contract.conclusions import ConclusionRecord
from services.contract.messages import (
    NOT_TRIED,
    DHCPVerdict,
    HostAnnouncement,
    MemberCheck,
    ReachVerdict,
    Segment,
    TargetVerdict,
    Verdict,
)
from services.contract.outcomes import BridgeFault, Fault, Untagged
from services.contract.verdicts import SegmentVerdicts
from services.network.parse.intent import Intent, read_intent
from services.network.parse.nad import Network
from services.network.policy import Policy
from services.view.maintenance import Window

if TYPE_CHECKING:
    from services.runtime.connection.redis_address import RedisAddress

CONNECT_TIMEOUT_S = 2.0
"""Short, because the networks' annotations can be shown without Redis."""


@dataclass(frozen=True)
class HostCheck:
    """One host's newest results for one network; without a verdict, only the host's name and uplink."""

    host: str
    age_s: float | None = None
    """Since the newest verdict came, or was repeated last; None without one."""
    measured_age_s: float | None = None
    """Age of its durations and attempts: since it came in full."""
    fault: Fault | None = None
    bridge: BridgeFault | None = None
    """Why the VLAN does not reach the VMs on this host."""
    members: tuple[MemberCheck, ...] = ()
    """Whether the gateway answers by each member of the uplink's bond."""
    gateway: IPv4Address | None = None
    """The gateway that was checked."""
    vlan: ReachVerdict = NOT_TRIED
    routed: ReachVerdict = NOT_TRIED
    echo: ReachVerdict = NOT_TRIED
    dhcp: DHCPVerdict | None = None
    """From the newest verdict that asked DHCP."""
    dhcp_age_s: float | None = None
    dhcp_measured_age_s: float | None = None
    dropped_frames: int = 0
    untagged: Untagged | None = None
    """What the newest verdict says was heard without the VLAN's tag, and nothing with it."""
    interface: str = ""
    """The host's uplink of the cluster network; empty if none is announced."""
    own_address: str = ""
    """The host's own address on this very VLAN, with its prefix, in whose subnet the gateway is; then its
    echoes through routing leave on the VLAN."""


@dataclass(frozen=True)
class RedisView:
    """The data of one read of Redis; if it failed, trouble gives the reason."""

    verdicts: Mapping[Segment, SegmentVerdicts] = field(default_factory=dict)
    hosts: Mapping[str, HostAnnouncement] = field(default_factory=dict)
    conclusions: Mapping[str, ConclusionRecord] = field(default_factory=dict)
    """By uid of the network."""
    paused: str | None = None
    """The global pause as a sentence; None without one."""
    conflicts: Mapping[str, str] = field(default_factory=dict)
    """By host, the sentence that another prober waits for its name."""
    trouble: str | None = None
    windows: tuple[Window, ...] = ()
    """Hosts and cluster networks that are in maintenance."""
    causes: tuple[CauseRecord, ...] = ()
    """Of everything that is wrong on the site, those with the most networks first."""

    def carrying(self, cluster_network: str) -> list[str]:
        """Return the announced hosts with an uplink of this cluster network, by name."""
        return sorted(name for name, host in self.hosts.items() if cluster_network in host.uplinks)

    def checks(self, segment: Segment, digest: str, gateway: str) -> tuple[HostCheck, ...]:
        """Return the checks of all hosts that carry the segment or reported on it.

        gateway: the one that counts.
        """
        known = self.verdicts.get(segment, SegmentVerdicts())
        latest = {aged.verdict.host: aged for aged in known.latest}
        asked = {aged.verdict.host: aged for aged in known.asked_dhcp}
        checks = []
        for name in sorted({*self.carrying(segment.cluster_network), *latest}):
            host, aged, dhcp = self.hosts.get(name), latest.get(name), asked.get(name)
            interface = host.uplinks.get(segment.cluster_network, "") if host else ""
            target = _target(aged.verdict, digest, gateway) if aged else None
            if aged is None or (target is None and aged.verdict.fault is None):
                # No verdict, or one on a former intent.
                checks.append(HostCheck(name, interface=interface))
                continue
            checks.append(
                HostCheck(
                    name,
                    age_s=aged.age_s,
                    measured_age_s=aged.full_age_s,
                    fault=aged.verdict.fault,
                    bridge=aged.verdict.bridge,
                    members=aged.verdict.members,
                    gateway=target.gateway if target else None,
                    vlan=target.vlan if target else NOT_TRIED,
                    routed=target.routed if target else NOT_TRIED,
                    echo=target.echo if target else NOT_TRIED,
                    dhcp=dhcp.verdict.dhcp if dhcp else None,
                    dhcp_age_s=dhcp.age_s if dhcp else None,
                    dhcp_measured_age_s=dhcp.full_age_s if dhcp else None,
                    dropped_frames=aged.verdict.dropped_frames,
                    untagged=aged.verdict.untagged,
                    interface=interface,
                    own_address=_own_address(host, segment, target),
                )
            )
        return tuple(checks)


def _own_address(host: HostAnnouncement | None, segment: Segment, target: TargetVerdict | None) -> str:
    """Return the host's address on this VLAN, in whose subnet the checked gateway is; empty without one."""
    if host is None or target is None or target.gateway is None:
        return ""
    for own in host.vlan_addresses:
        is_here = (own.cluster_network, own.vlan) == (segment.cluster_network, segment.vlan)
        if is_here and target.gateway in own.network:
            return f"{own.address}/{own.prefix}"
    return ""


def _target(verdict: Verdict, digest: str, gateway: str) -> TargetVerdict | None:
    """Return the target of this intent; of several, the one with this gateway."""
    mine = [target for target in verdict.targets if target.digest == digest]
    return next((target for target in mine if str(target.gateway) == gateway), mine[0] if mine else None)


class RedisReader:
    """Reads Redis repeatedly over one connection. Never raises: a failed read is a RedisView with trouble."""

    def __init__(self, address: "str | RedisAddress") -> None:
        import redis

        from services.runtime.connection.redis_address import redact
        from services.runtime.connection.redis_client import connect
        from services.runtime.stored.conclusion_store import ConclusionStore
        from services.runtime.stored.verdict_store import VerdictStore

        self._where = redact(address)
        self._errors = (redis.RedisError, OSError)
        self._client = connect(address, connect_timeout_s=CONNECT_TIMEOUT_S, retries=0)
        self._verdicts = VerdictStore(self._client)
        self._conclusions = ConclusionStore(self._client)

    def read(self, networks: Collection[Network], policy: Policy) -> RedisView:
        """Return what is known of these networks, the announcements and the pause."""
        from services.runtime.connection.redis_client import time_ms
        from services.runtime.stored import announcements
        from services.runtime.stored.cause_store import read_causes
        from services.view.hosts import describe_conflict
        from services.view.maintenance import read_windows
        from services.view.pause_state import describe_pause

        intents = [read_intent(network, policy) for network in networks]
        try:
            verdicts = self._verdicts.read(
                {intent.segment for intent in intents if isinstance(intent, Intent)}
            )
            # Invented hosts hide none that has reported.
            reported = sorted({aged.verdict.host for each in verdicts.values() for aged in each.latest})
            found = announcements.read(self._client, first=reported)
            hosts = {host.host: host for host in found.hosts}
            waiting, now_ms = announcements.read_waiting(self._client, hosts.keys()), time_ms(self._client)
            holders = announcements.read_holders(self._client, waiting.keys())
            return RedisView(
                verdicts,
                hosts,
                self._conclusions.read(network.uid for network in networks),
                describe_pause(self._client),
                {
                    host: describe_conflict(claim, holders.get(host), now_ms)
                    for host, claim in waiting.items()
                },
                windows=tuple(read_windows(self._client)),
                causes=read_causes(self._client).causes,
            )
        except self._errors as error:
            why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            return RedisView(
                trouble=f"Redis at {self._where} cannot be read: {why}; name another with --redis-url or "
                "NADROUTE_REDIS_URL"
            )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
