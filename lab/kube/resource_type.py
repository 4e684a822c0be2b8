"""What the server knows of one kind of object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.kube.columns import AGE, NAME, Column
from lab.kube.errors import ApiError, Cause
from lab.kube.jsontypes import JsonObject, lookup


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind of object, and where it is served.

    `custom` types behave like custom resources: they have a generation, and refuse strategic merge patches
    and updates without a resourceVersion. `top_level` and `strings` are the schema, as far as there is one:
    other keys than those in `top_level` are pruned; each path of `strings` must be a string if present.
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    custom: bool = False
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = (NAME, AGE)
    fields: tuple[str, ...] = ()
    top_level: tuple[str, ...] = ()
    strings: tuple[tuple[str, ...], ...] = ()

    @property
    def api_version(self) -> str:
        """Return `group/version`, or only the version in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Return `plural.group`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """Return the path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def not_found(self, name: str) -> ApiError:
        """Build a 404 for an object."""
        message = f'{self.qualified} "{name}" not found'
        return ApiError(404, message, group=self.group, kind=self.plural, name=name)

    def already_exists(self, name: str) -> ApiError:
        """Build a 409 for a creation."""
        message = f'{self.qualified} "{name}" already exists'
        return ApiError(409, message, reason="AlreadyExists", group=self.group, kind=self.plural, name=name)

    def conflict(self, name: str, why: str) -> ApiError:
        """Build a 409 for a change of an object that is not as the caller expects."""
        message = f'Operation cannot be fulfilled on {self.qualified} "{name}": {why}'
        return ApiError(409, message, group=self.group, kind=self.plural, name=name)

    def invalid(self, name: str, *causes: Cause) -> ApiError:
        """Build a 422 with the invalid fields."""
        reasons = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
        message = f'{self.kind}{"." + self.group if self.group else ""} "{name}" is invalid: {reasons}'
        return ApiError(422, message, group=self.group, kind=self.kind, name=name, causes=causes)

    def field(self, path: str) -> Callable[[JsonObject], str] | None:
        """Return a reader of a selectable field; None if the field cannot be selected by."""
        if path not in ("metadata.name", "metadata.namespace", *self.fields):
            return None
        keys = path.split(".")
        return lambda body: lookup(body, *keys)
