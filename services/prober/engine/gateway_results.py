"""The results for one gateway while it is checked."""

from services.contract.outcomes import ReachOutcome
from services.prober.engine.results import NOT_TRIED, ReachResult


class GatewayResults:
    """None while a check is open."""

    __slots__ = ("answer", "echo", "routed", "vlan")

    def __init__(self, *, routed: bool, echo: bool) -> None:
        """routed, echo: whether the gateway is checked that way."""
        self.vlan: ReachResult | None = None
        self.routed: ReachResult | None = None if routed else NOT_TRIED
        self.echo: ReachResult | None = None if echo else NOT_TRIED
        self.answer: ReachResult | None = None
        """What ARP from our address found, while it is compared with ARP from 0.0.0.0."""

    @property
    def is_vlan_done(self) -> bool:
        """Whether every check on the VLAN has ended."""
        return self.vlan is not None and self.echo is not None

    @property
    def is_inconclusive(self) -> bool:
        """Whether ARP on the VLAN is inconclusive."""
        return self.vlan is not None and self.vlan.outcome is ReachOutcome.INCONCLUSIVE

    def compare(self, other: ReachResult) -> None:
        """Take what ARP from 0.0.0.0 found, beside the answer to our address."""
        if self.answer is not None:
            self.vlan = self.answer._replace(unproven=other.unproven)

    def found(self) -> tuple[ReachResult, ReachResult, ReachResult]:
        """Return what was found on the VLAN, through routing, and by echo on the VLAN."""
        vlan = self.vlan or self.answer or NOT_TRIED
        return vlan, self.routed or NOT_TRIED, self.echo or NOT_TRIED
