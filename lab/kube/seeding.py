"""Initial objects, created as if before the admission existed, so it does not review them."""

from __future__ import annotations

import contextlib
from pathlib import Path

import yaml

from lab.kube.errors import ApiError
from lab.kube.harvester import HarvesterAdmission
from lab.kube.resources import TABLE
from lab.kube.store import Store


class SeedError(ValueError):
    """A seed file cannot be used; the message is one line for people."""


def seed(store: Store, path: Path, admission: HarvesterAdmission | None) -> None:
    """Create the objects in a YAML file; existing ones stay as they are. Raises SeedError."""
    kinds = {(kind.api_version, kind.kind): kind for kind in TABLE}
    try:
        bodies = [body for body in yaml.safe_load_all(path.read_text()) if body is not None]
    except (OSError, yaml.YAMLError) as error:
        raise SeedError(f"{path}: {' '.join(str(error).split())}") from None
    with contextlib.nullcontext() if admission is None else admission.bypassed():
        for body in bodies:
            named = isinstance(body, dict) and (str(body.get("apiVersion")), str(body.get("kind")))
            kind = kinds.get(named) if named else None
            if kind is None:
                raise SeedError(f"{path}: expected objects of a kind that this server serves")
            namespace = (body.get("metadata") or {}).get("namespace", "default") if kind.namespaced else ""
            try:
                store.create(kind, namespace, body)
            except ApiError as error:
                if error.code != 409:
                    raise SeedError(f"{path}: {error}") from None
