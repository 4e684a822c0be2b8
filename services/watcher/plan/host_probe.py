"""A probe of one segment by one host: what the plan hands out, and what is sent."""

from dataclasses import dataclass, replace

from services.contract.messages import Segment, SegmentProbe
from services.watcher.limits.workload import ProbeSource

CLAIM_FRAMES = 2


@dataclass(frozen=True)
class HostProbe:
    """A probe of one segment by one host."""

    host: str
    segment: Segment
    probe: SegmentProbe
    repeats: frozenset[str] = frozenset()
    """Hosts that have asked DHCP before, where it is asked again only because nothing was told since."""
    source: ProbeSource | None = None
    """The address on the VLAN that the host is to probe from."""

    @property
    def sent(self) -> SegmentProbe:
        """The probe as it is sent to this host."""
        if self.source is None:
            return self.probe
        given = {"source": self.source.address, "source_prefix": self.source.prefix}
        return self.probe.model_copy(update=given)

    @property
    def claim_frames(self) -> int:
        """How many ARP frames the host sends to find out whether its address is free."""
        return CLAIM_FRAMES if self.source is not None else 0

    def without_dhcp(self) -> "HostProbe | None":
        """Return the check of the gateways that are known; None without any."""
        targets = tuple(target for target in self.probe.targets if target.gateway is not None)
        if not targets:
            return None
        return replace(self, probe=self.probe.model_copy(update={"ask_dhcp": False, "targets": targets}))
