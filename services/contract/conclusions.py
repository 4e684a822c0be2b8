"""The conclusion about a network as Redis keeps it, and where it is not written to the network: why."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.contract.messages import SCHEMA_VERSION
from services.contract.open_doubts import NO_DOUBTS, Doubts
from services.contract.wire import Identifier, Message

MAX_RECORD_BYTES = 524_288
"""Of one record: more than the largest status annotation that is read, with every character escaped."""
MAX_DETAIL_CHARACTERS = 500

ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253)]
"""A Kubernetes name: an RFC 1123 subdomain. It is only shown, so its characters are not checked."""
FieldValue = Annotated[str, StringConstraints(max_length=253)]


class Hindrance(StrEnum):
    """What keeps a conclusion out of the network's annotations."""

    OBSERVE_ONLY = "observe_only"
    """The updater's setting observe_only."""
    DENIED = "denied"
    """The API server refused the write: an admission webhook, or RBAC."""
    UNREADABLE = "unreadable"
    """Harvester's webhook would refuse any write, because the present configuration cannot be read."""
    TAKEN_BACK = "taken_back"
    """Another writer took it back as often as it is written again within an hour."""


class Unwritten(Message):
    """What would be written to a network's annotations, and why it is not."""

    why: Hindrance
    detail: Annotated[str, StringConstraints(max_length=MAX_DETAIL_CHARACTERS)] = ""
    """The refusal, as the API server words it."""
    route: dict[FieldValue, FieldValue | None] = Field(default_factory=dict, max_length=16)
    """The fields of Harvester's route annotation that would be set, or removed if null."""
    status: bool = False
    """Whether nadroute.io/status would be written."""


class Result(Message):
    """What Harvester's route annotation says of a result, or would; an empty field is absent there.

    In manual mode cidr and gateway are the owner's, and are empty here.
    """

    cidr: FieldValue = ""
    gateway: FieldValue = ""
    connectivity: FieldValue = ""
    """Empty where nothing is known; then cidr and gateway are what was known before."""


NO_RESULT = Result()


class FormerResult(Message):
    """The result of the intent before, of which the annotations still tell."""

    digest: str
    """Of that intent. It is only compared."""
    result: Result


class ConclusionRecord(Message):
    """The conclusion about one network, in its newest version."""

    schema_version: Literal[1] = SCHEMA_VERSION
    namespace: ObjectName
    name: ObjectName
    uid: Identifier
    """Of the object: another one of the same name has its own record."""
    status: dict[str, object]
    """The fields of nadroute.io/status as they are or would be written; network.parse.status reads them."""
    result: Result = NO_RESULT
    unwritten: Unwritten | None = None
    """None where the annotations are written."""
    doubts: Doubts = NO_DOUBTS
    """What is not reported yet, and what a restart must not forget."""
    former: FormerResult | None = None
    """For an owner who comes back to that intent before anything was told of the present one."""

    def to_wire(self) -> dict[str, object]:
        return {"schema_version": SCHEMA_VERSION, **super().to_wire()}
