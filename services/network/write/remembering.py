"""What is remembered of a network outside its annotations, and whether it still stands there."""

from dataclasses import dataclass, replace
from typing import TypeGuard

from services.contract.conclusions import NO_RESULT, FormerResult, Result
from services.contract.outcomes import State
from services.network.parse.intent import Intent, NotProbed
from services.network.parse.nad import Network
from services.network.parse.status import Status
from services.network.write.disputes import MAX_CORRECTIONS, NOTHING_WRITTEN, Written, fingerprint
from services.network.write.supposing import as_told
from services.network.write.wanting import want


@dataclass(frozen=True)
class Memory:
    """What is remembered of a network outside its annotations."""

    told: Status | None = None
    """The status in the conclusion's record, which may not be written yet, or at all."""
    result: Result = NO_RESULT
    """The result in that record."""
    is_denied: bool = False
    """Whether the API server refused to write it."""
    written: Written = NOTHING_WRITTEN
    observe_only: bool = False
    """Whether nothing may be written to any network."""
    former: FormerResult | None = None
    """The result of the intent before, in that record."""

    @property
    def is_hindered(self) -> bool:
        """Whether what is told stands in the record alone."""
        return self.told is not None and (self.observe_only or self.is_denied)

    def reported(self, network: Network) -> Status | None:
        """Return what was reported last: by the record where nothing may be written, else by annotation."""
        return self.told if self.is_hindered else network.status

    @property
    def to_restate(self) -> Result:
        """The result as it should stand, also in an annotation that was added since it was told."""
        assert self.told is not None
        return self.result.model_copy(update={"connectivity": self.told.connectivity})

    def knows(self, intent: Intent | NotProbed) -> TypeGuard[Intent]:
        """Whether something was told of this very intent."""
        if self.told is None or isinstance(intent, NotProbed):
            return False
        return self.told.digest == intent.digest and self.told.state != State.PENDING

    def about(self, network: Network, intent: Intent | NotProbed) -> "Memory":
        """Return it with what the annotation tells of this intent, where the record is about another one.

        So it is when an owner comes back to a route before anything was told of the one between.
        """
        if self.told is None or self.is_hindered or self.knows(intent):
            return self
        written = replace(self, told=network.status, result=NO_RESULT)
        if not written.knows(intent):
            return self
        if self.former is not None and self.former.digest == intent.digest:
            written = replace(written, result=self.former.result)
        return written

    def stands(self, network: Network, intent: Intent | NotProbed) -> bool:
        """Whether the annotations say what was told, and name the gateway that was known."""
        assert self.told is not None
        wanted = want(network, intent, self.told.state, self.to_restate)
        is_known = not self.result.gateway or bool(network.route.gateway)
        return network.status == self.told and not wanted.differing and is_known

    def is_named_by(self, network: Network) -> bool:
        """Whether the route annotation names the gateway of the result, and is not outdated."""
        named = network.route.cidr, network.route.gateway
        return all(named) and not network.route.outdated and named == (self.result.cidr, self.result.gateway)

    def standing(self, network: Network, intent: Intent | NotProbed) -> Network:
        """Return the network as it is to be judged: as if what was told still stood in its annotations.

        So it is where nothing may be written, and where what was written is to be put back. Where another
        writer emptied or outdated the annotation, and may not be answered, the known gateway still is known.
        """
        if self.told is None or not self.knows(intent):
            return network
        route = network.route
        is_named = bool(route.cidr or route.gateway) and not route.outdated
        if self.is_hindered or (self.is_written and not (self.is_at_limit and is_named)):
            wanted = want(network, intent, self.told.state, self.to_restate)
            return as_told(network, self.told, self.result, wanted.fields)
        if is_named or network.route_error or self.written.digest != self.told.digest:
            return network
        # Without a gateway to put in its place, an outdated one stays outdated.
        renewed = {"outdated": None} if route.outdated and self.written.result.gateway else {}
        return as_told(network, None, self.written.result, renewed)

    @property
    def is_written(self) -> bool:
        """Whether what was told was written, be it without a route annotation to hold the result."""
        if self.told is None or not self.written.content:
            return False
        results = self.result, self.result.model_copy(update={"connectivity": ""})
        return self.written.content in {fingerprint(self.told, result) for result in results}

    @property
    def is_at_limit(self) -> bool:
        """Whether another writer is not answered for a while."""
        return self.written.corrections >= MAX_CORRECTIONS


NOTHING_REMEMBERED = Memory()
