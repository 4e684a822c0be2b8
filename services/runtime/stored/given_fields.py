"""Which fields of a message were given: pydantic keeps a set for each, as large as all its fields."""

from pydantic import BaseModel

_known: dict[tuple[type[BaseModel], frozenset[str]], set[str]] = {}
"""By class: the sets that messages have; there are as many as ways to make or send one."""
_MAX_KNOWN = 1_024


def share_given(message: BaseModel) -> None:
    """Let this message, which nobody else has yet, have the same set as others with the same fields.

    Messages are frozen, and a copy gets a set of its own.
    """
    given = message.model_fields_set
    if len(_known) < _MAX_KNOWN:
        given = _known.setdefault((type(message), frozenset(given)), given)
    object.__setattr__(message, "__pydantic_fields_set__", given)
