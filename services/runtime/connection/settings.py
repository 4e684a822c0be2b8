"""Base classes of the services' settings: flags override the environment, which overrides defaults."""

import difflib
import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.contract.errors import ConfigurationError
from services.runtime.connection.redis_address import RedisAddress, check_url, redact
from services.runtime.process.redaction import HIDDEN, hide_passwords
from services.runtime.process.secret_files import read_secret

ENV_PREFIX = "NADROUTE_"
SECRET_WORDS = ("REDIS", "FLOWER", "KUBE", "PASS", "PW", "SECRET", "TOKEN", "KEY", "AUTH", "CRED", "USER")
"""A variable whose name, or the setting's that it is like, has one of them is shown without its value."""


def _check_secret_url(url: SecretStr) -> SecretStr:
    check_url(url.get_secret_value())
    return url


def _check_secret_file(path: Path) -> Path:
    read_secret(path)
    return path


def _check_file(path: Path) -> Path:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"{error.strerror}; expected a PEM file that this user can read") from None
    return path


RedisUrl = Annotated[SecretStr, AfterValidator(_check_secret_url)]
SecretFile = Annotated[Path, AfterValidator(_check_secret_file)]
"""A file with one secret: read now, and anew at each use."""
PEMFile = Annotated[Path, AfterValidator(_check_file)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
TCPPort = Annotated[int, Field(ge=0, le=65_535)]


class ServiceSettings(BaseSettings):
    """The settings of every service. A field's docstring is its help text."""

    HEADING: ClassVar[str] = "Redis and logs"

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    redis_url: RedisUrl = SecretStr("redis://127.0.0.1:6379/0")
    """The URL of Redis: redis://, rediss:// or unix:///path/to/socket?db=0. With rediss:// the server's
    certificate is always verified. Percent-encode a password in it, or give redis_password_file instead."""
    redis_username: Annotated[str, Field(pattern=r"^[^\s:]*$", repr=False)] = ""
    """The user of Redis' ACL, if the URL names none. `nadroute redis acl` makes the users."""
    redis_password_file: SecretFile | None = None
    """A file with the password of Redis, if the URL has none. Read anew at each connection."""
    redis_ca_file: PEMFile | None = None
    """The CA that rediss:// trusts, and no other; default: those of the system. Read anew at each connection,
    as are the client's certificate and key."""
    redis_certificate_file: PEMFile | None = None
    """The client's certificate for rediss://, with the chain; needs redis_key_file."""
    redis_key_file: PEMFile | None = None
    """The key of the client's certificate."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """json, or console for readable text; auto is console at a terminal and json elsewhere."""

    @model_validator(mode="after")
    def _check_redis(self) -> Self:
        """Refuse what contradicts itself, and files of TLS that no connection would use."""
        url = RedisAddress(self.redis_url.get_secret_value())
        files = ("redis_ca_file", "redis_certificate_file", "redis_key_file")
        given = [name for name in files if getattr(self, name) is not None]
        if given and not url.is_encrypted:
            raise ValueError(f"{given[0]} is given, and redis_url is {url}: expected rediss://HOST:PORT/DB")
        if (self.redis_certificate_file is None) != (self.redis_key_file is None):
            raise ValueError("redis_certificate_file or redis_key_file is given alone: expected both")
        if url.has_credentials and (self.redis_username or self.redis_password_file):
            raise ValueError(
                f"redis_url is {url}, and redis_username or redis_password_file is given too: expected user "
                "and password in the URL, or in these settings"
            )
        return self

    @property
    def redis_address(self) -> RedisAddress:
        """Where Redis is, and how this process signs in there."""
        return RedisAddress(
            self.redis_url.get_secret_value(),
            username=self.redis_username,
            password_file=self.redis_password_file,
            ca_file=self.redis_ca_file,
            certificate_file=self.redis_certificate_file,
            key_file=self.redis_key_file,
        )

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read flags (None: not given), then the environment; raises ConfigurationError naming the field."""
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigurationError(_explain(cls, given, error)) from None

    def redacted(self) -> dict[str, object]:
        """Return the settings for display: secrets hidden, Redis URLs without password."""
        fields: dict[str, object] = self.model_dump(mode="json")
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                fields[name] = redact(value.get_secret_value()) if name.endswith("_url") else HIDDEN
        return fields


class TelemetrySettings(ServiceSettings):
    """The settings of services.runtime.telemetry.telemetry; each service has a default port of its own."""

    HEADING: ClassVar[str] = "Metrics and health"

    metrics_address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    """The address that serves /metrics, /healthz and /readyz, without authentication."""
    metrics_port: TCPPort = 0
    """The TCP port that serves /metrics, /healthz and /readyz; 0 disables them."""


def expect_at_most(settings: ServiceSettings, longest: str, *names: str) -> None:
    """Raise ValueError if one of these durations is longer than the one in `longest`. Names are fields."""
    limit = getattr(settings, longest)
    wrong = [
        f"{name}={getattr(settings, name):g} and {longest}={limit:g}: expected {name} to be at most {longest}"
        for name in names
        if getattr(settings, name) > limit
    ]
    if wrong:
        raise ValueError("\n".join(wrong))


def check_environment(
    known: Iterable[type[ServiceSettings]], environment: Mapping[str, str] | None = None
) -> None:
    """Raise ConfigurationError for a NADROUTE_ variable of no service: a typo must not be ignored."""
    environment = os.environ if environment is None else environment
    names = {f"{ENV_PREFIX}{field}".upper() for settings in known for field in settings.model_fields}
    for variable in sorted(environment):
        if variable.upper().startswith(ENV_PREFIX) and variable.upper() not in names:
            near = difflib.get_close_matches(variable.upper(), names, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            # The value only of what is like a setting that is no secret: a variable's name may be any.
            shown = bool(near) and not any(word in variable.upper() + near[0] for word in SECRET_WORDS)
            value = f"={environment[variable]!r}" if shown else ""
            raise ConfigurationError(f"{variable}{value}: no such setting{hint}")


def _explain(cls: type[ServiceSettings], given: Mapping[str, object], error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        if not problem["loc"]:
            # Several settings that contradict each other, which the text names.
            lines.append(_said(problem))
            continue
        name = str(problem["loc"][0])
        field = cls.model_fields.get(name)
        source = f"--{name.replace('_', '-')}" if name in given else f"{ENV_PREFIX}{name}".upper()
        value = problem["input"]
        if field is not None and ("Secret" in str(field.annotation) or not field.repr):
            value = redact(value) if name.endswith("_url") and isinstance(value, str) else HIDDEN
        lines.append(f"{source}={hide_passwords(repr(value))}: {_said(problem)}")
    return "\n".join(lines)


def _said(problem: ErrorDetails) -> str:
    """Return what is wrong: of a check of ours its own text, which pydantic begins with "Value error,"."""
    return str(problem["ctx"]["error"]) if problem["type"] == "value_error" else problem["msg"]
