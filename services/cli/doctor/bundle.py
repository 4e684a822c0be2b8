"""`nadroute doctor --bundle`: a file that only its owner may read, and the secrets to leave out of it."""

import base64
import io
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from services.cli.failures import CommandFailed, usage_error
from services.cli.options.client import ClientSettings
from services.cli.options.config_command import setting_rows
from services.cli.options.services_table import CLIENT, SERVICES
from services.cli.outputs import to_json
from services.cluster.credentials import SERVICE_ACCOUNT_TOKEN, find_kubeconfig
from services.contract.errors import ConfigurationError
from services.runtime.connection.settings import ENV_PREFIX
from services.runtime.process.clock import SystemClock
from services.runtime.process.secret_files import read_secret
from services.view.doctor.bundle_contents import README, without_secrets

FOLDER = "nadroute-doctor"
STDOUT = Path("-")
_SECRET_WORDS = ("PASSWORD", "TOKEN", "SECRET")
_KUBECONFIG_SECRETS = ("token", "password", "client-key-data", "client-certificate-data")


def write_bundle(file: Path, documents: Mapping[str, object], secrets: Sequence[str]) -> None:
    """Write the documents as a tar.gz; `-` is standard output. Exit 2 where it cannot be written."""
    content = _archive(documents, secrets)
    if file == STDOUT:
        sys.stdout.buffer.write(content)
        return
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(content)
        beside.replace(file)
    except OSError as error:
        raise usage_error(
            f"--bundle={str(file)!r}: {error.strerror}; expected a file in a folder that this user can write"
        ) from None


def settings_in_force() -> list[dict[str, object]]:
    """Return what `nadroute config -o json` prints here; of a service that would not start, why."""
    found: list[dict[str, object]] = []
    for service in (*SERVICES, CLIENT):
        try:
            found += [row.document() for row in setting_rows(service, {})]
        except CommandFailed as error:
            found.append({"service": service.name, "cannot_tell": error.message})
    return found


def known_secrets(settings: ClientSettings) -> list[str]:
    """Return the secrets that this process can read, in the forms in which a text may have them."""
    plain = [*_of_redis(settings), *_of_environment(), *_of_kubernetes(settings)]
    return [form for secret in plain for form in _forms(secret)]


def _forms(secret: str) -> tuple[str, ...]:
    # What is percent-encoded or escaped in a text is found by its plain form.
    return secret, unquote(secret), base64.b64encode(secret.encode()).decode()


def _of_redis(settings: ClientSettings) -> Iterator[str]:
    with suppress(Exception):
        credentials = settings.redis_address.credentials()
        if credentials is not None:
            yield credentials.get_credentials()[-1]
    yield urlsplit(settings.redis_url.get_secret_value()).password or ""


def _of_environment() -> Iterator[str]:
    for name, value in os.environ.items():
        if not any(word in name.upper() for word in _SECRET_WORDS):
            continue
        if name.upper().endswith("_FILE"):
            with suppress(ValueError):
                yield read_secret(Path(value))
        elif name.upper().startswith(ENV_PREFIX):
            yield value


def _of_kubernetes(settings: ClientSettings) -> Iterator[str]:
    with suppress(OSError):
        yield SERVICE_ACCOUNT_TOKEN.read_text().strip()
    try:
        listed = find_kubeconfig(settings.kubeconfig)
    except ConfigurationError:
        return
    import yaml

    for path in (listed or "").split(os.pathsep):
        with suppress(OSError, ValueError, yaml.YAMLError, AttributeError, TypeError):
            for user in yaml.safe_load(Path(path).read_text()).get("users", []):
                held = user.get("user", {})
                yield from (str(held[name]) for name in _KUBECONFIG_SECRETS if held.get(name))
                if held.get("tokenFile"):
                    yield Path(held["tokenFile"]).read_text().strip()


def _archive(documents: Mapping[str, object], secrets: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    now_s = int(SystemClock().now().timestamp())
    files = {"README.txt": README}
    files |= {
        name: to_json(without_secrets(body, secrets), indent=1) + "\n" for name, body in documents.items()
    }
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode()
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size, member.mtime, member.mode = len(content), now_s, 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
