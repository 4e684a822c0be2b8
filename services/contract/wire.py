"""What every message has in common: the base model, and the types of fields.

A message is refused as a whole if a field is unknown, missing, of the wrong type or too large, because this
version cannot have written it.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from services.contract.errors import MessageRefused

MAX_MESSAGE_BYTES = 12_000_000
"""More than the largest message that the schema allows, so that no valid message is refused for its size."""
MAX_PROBLEMS = 5
"""Wrong fields that an error names."""
MAX_QUOTED_CHARACTERS = 80
"""Length of a quoted name or value in an error."""

HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""A Kubernetes node name: an RFC 1123 subdomain."""
ClusterNetworkName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
InterfaceName = Annotated[str, StringConstraints(pattern=r"^[^/:\s\x00]{1,15}$")]
"""A Linux interface name: IFNAMSIZ without the terminating zero."""
MACAddress = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
VlanId = Annotated[int, Field(ge=1, le=4094)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Milliseconds = Annotated[float, Field(ge=0, le=86_400_000)]
Ordinal = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""An integer that a double holds exactly: Redis compares it in Lua."""
RedisTime = Ordinal
"""Milliseconds of Redis' TIME."""


class Message(BaseModel):
    """A frozen model that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Have Python know the names of all fields before there are many objects.

        Then it can keep them once for all of them; it does not learn more names later. See
        runtime.stored.given_fields.compact.
        """
        first = cls.__new__(cls)
        for name in cls.model_fields:
            object.__setattr__(first, name, None)

    def to_wire(self) -> dict[str, object]:
        """Return JSON-compatible fields, without those that have their default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def to_json(self) -> str:
        """Return the same as compact JSON."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_wire(cls, body: object) -> Self:
        """Validate a message from a queue; raises MessageRefused that names the wrong fields."""
        try:
            if isinstance(body, Mapping):
                body = json.dumps(body)
            if isinstance(body, (str, bytes)):
                if len(body) > MAX_MESSAGE_BYTES:
                    raise MessageRefused(
                        f"{cls.__name__}: {len(body)} bytes, expected at most {MAX_MESSAGE_BYTES}"
                    )
                return cls.model_validate_json(body, strict=True)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False)
            listed = "; ".join(map(describe_problem, problems[:MAX_PROBLEMS]))
            raise MessageRefused(f"{cls.__name__}: {listed}") from None
        except (ValueError, TypeError, RecursionError) as error:
            reason = str(error)[:MAX_QUOTED_CHARACTERS]
            raise MessageRefused(f"{cls.__name__}: not JSON: {reason}") from None
        raise MessageRefused(f"{cls.__name__}: expected an object, got {type(body).__name__}")


def describe_problem(problem: ErrorDetails) -> str:
    """Describe a wrong field in one line; names and values are cut."""
    where = ".".join(str(part)[:MAX_QUOTED_CHARACTERS] for part in problem["loc"]) or "(whole)"
    value = problem["input"]
    if isinstance(value, (dict, list)):
        # Not its text: printing a deeply nested value would recurse.
        value = f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return f"{where}: {problem['msg'][:200]}, got {str(value)[:MAX_QUOTED_CHARACTERS]!r}"
