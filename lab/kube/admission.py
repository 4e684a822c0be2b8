"""What a write has to get past, and what is changed in it on the way: the seam for admission webhooks."""

from __future__ import annotations

from typing import Protocol

from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject
from lab.kube.resources import ResourceType


class Admission(Protocol):
    """Reviews every creation and change before it is committed."""

    def review(self, kind: ResourceType, *, before: JsonObject | None, after: JsonObject) -> JsonObject:
        """What is to be stored instead of `after` (which may be changed in place); `before` is None for a
        creation. Raises ApiError to refuse."""


def denied(webhook: str, why: str) -> ApiError:
    """The 500 of a webhook that answers no: permanent, as long as the object is as it is."""
    message = f'admission webhook "{webhook}" denied the request: Internal error occurred: {why}'
    return ApiError(500, message)


def unreachable(webhook: str, why: str = "context deadline exceeded") -> ApiError:
    """The 500 of a webhook that does not answer: passes by itself."""
    message = (
        f'Internal error occurred: failed calling webhook "{webhook}": failed to call webhook: '
        f'Post "https://harvester-webhook.harvester-system.svc:443/v1/webhook/validation?timeout=10s": {why}'
    )
    return ApiError(500, message)
