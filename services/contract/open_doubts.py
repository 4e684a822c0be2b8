"""What the judgement of one network remembers from one assessment to the next: open doubts and old evidence.

Points in time are milliseconds of observed time; see runtime.verdict_store. 0 means never.
"""

from typing import Annotated

from pydantic import Field

from services.contract.doubts import DoubtKind
from services.contract.wire import Digest, HostName, MACAddress, Message, Ordinal

ALL_CARRIERS = 0
MAX_ANSWERERS = 3
"""Changes of who answers for the gateway that are remembered."""


class OpenDoubt(Message):
    """A difference from the reported state that is not reported before the evidence is complete."""

    kind: DoubtKind
    since_ms: Ordinal
    """Verdicts that arrived from then on are the evidence. It never moves, so a doubt always ends."""
    enough: Ordinal = ALL_CARRIERS
    """Hosts that are asked; ALL_CARRIERS, or fewer where much is in doubt at once."""
    is_complete: bool = False
    passed: tuple[HostName, ...] = ()
    """Hosts that had not reported when it was complete: they had their time."""
    published_ms: Ordinal = 0
    """When the watcher was told of it last."""


class Answerer(Message):
    """Who answered for the gateway from then on, and not who did until then."""

    mac: MACAddress
    at_ms: Ordinal


class Doubts(Message):
    """The memory of the judgement of one network with one intent."""

    digest: Digest | None = None
    """Of the intent; what is remembered of a former one is void. None while there is nothing to remember."""
    reach: OpenDoubt | None = None
    """About the gateway: whether it is silent, or answers again."""
    offer: OpenDoubt | None = None
    """About what an offer says: another host that asks DHCP may be offered something else."""
    no_offer: OpenDoubt | None = None
    """About a missing offer: another host that asks DHCP may receive one."""
    differs_since_ms: Ordinal = 0
    """Since when details differ from what is reported."""
    undecided_since_ms: Ordinal = 0
    """Since when the verdicts give no state, while one is reported."""
    watermark_ms: Ordinal = 0
    """Verdicts that arrived before do not count. Offers in them do: they are facts about the DHCP server."""
    unheard: tuple[HostName, ...] = ()
    """Hosts that had their time and did not report since the watermark: they are named as not heard."""
    offers_after_ms: Ordinal = 0
    """Offers that arrived before do not refute the report that no DHCP server answers."""
    unconfirmed_since_ms: Ordinal = 0
    """Since when neither DHCP names the known gateway nor any host reaches it on the VLAN."""

    answerers: Annotated[tuple[Answerer, ...], Field(max_length=MAX_ANSWERERS)] = ()
    """The last changes of who answers for the gateway, the newest last."""

    @property
    def each(self) -> dict[str, OpenDoubt]:
        """The doubts there are, by the name of their field."""
        found = {"reach": self.reach, "offer": self.offer, "no_offer": self.no_offer}
        return {name: doubt for name, doubt in found.items() if doubt is not None}

    @property
    def incomplete(self) -> dict[str, OpenDoubt]:
        """Those of which the evidence is not complete."""
        return {name: doubt for name, doubt in self.each.items() if not doubt.is_complete}


NO_DOUBTS = Doubts()
