"""The site's causes as Redis keeps them: what is broken, since when, and which networks it explains."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.contract.messages import SCHEMA_VERSION
from services.contract.outcomes import Fault
from services.contract.wire import Identifier, Message

MAX_CAUSES = 100
MAX_CAUSES_BYTES = 8_388_608
"""Of the whole record: more than 10,000 networks with the longest names take."""

MAX_NETWORKS = 20_000
"""That one cause explains."""
MAX_CHARACTERS = 2_000
"""Of a subject: a list of VLANs may be long."""

Text = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]
NetworkName = Annotated[str, StringConstraints(min_length=3, max_length=507)]
"""namespace/name."""


class AlternativeRecord(Message):
    """Another cause that explains the same."""

    kind: Identifier
    subject: Text


class CauseRecord(Message):
    """One cause; see network.causes.finding."""

    id: Identifier
    """Kept while it explains mostly the same, however sharp the explanation becomes."""
    kind: Identifier
    subject: Text
    since: Annotated[str, StringConstraints(max_length=32)]
    """RFC 3339, UTC: since when something explains these networks."""
    networks: Annotated[tuple[NetworkName, ...], Field(max_length=MAX_NETWORKS)]
    hosts: Annotated[tuple[Text, ...], Field(max_length=4_000)] = ()
    vlans: Annotated[tuple[int, ...], Field(max_length=4_094)] = ()
    cluster_network: Text = ""
    fault: Fault | None = None
    alternatives: Annotated[tuple[AlternativeRecord, ...], Field(max_length=MAX_CAUSES)] = ()


class CausesRecord(Message):
    """All causes, those with the most networks first."""

    schema_version: Literal[1] = SCHEMA_VERSION
    causes: Annotated[tuple[CauseRecord, ...], Field(max_length=MAX_CAUSES)] = ()
    omitted: int = 0
    """Further causes, left out because there were more than MAX_CAUSES."""

    def to_wire(self) -> dict[str, object]:
        return {"schema_version": SCHEMA_VERSION, **super().to_wire()}
