"""Admission: what may refuse or change a write before it is stored."""

from __future__ import annotations

from typing import Protocol

from lab.kube.errors import ApiError
from lab.kube.jsontypes import JsonObject
from lab.kube.resource_type import ResourceType


class Admission(Protocol):
    """Reviews every creation and update before it is committed."""

    def review(self, kind: ResourceType, *, before: JsonObject | None, after: JsonObject) -> JsonObject:
        """Return what is to be stored in place of `after` (which may be changed in place), or raise ApiError.

        `before` is None for a creation.
        """


def denied(webhook: str, why: str) -> ApiError:
    """Build the 500 of a webhook that denies: permanent while the object stays the same."""
    message = f'admission webhook "{webhook}" denied the request: Internal error occurred: {why}'
    return ApiError(500, message)


def unreachable(webhook: str, why: str = "context deadline exceeded") -> ApiError:
    """Build the 500 of a webhook that does not answer: transient."""
    message = (
        f'Internal error occurred: failed calling webhook "{webhook}": failed to call webhook: '
        f'Post "https://harvester-webhook.harvester-system.svc:443/v1/webhook/validation?timeout=10s": {why}'
    )
    return ApiError(500, message)
