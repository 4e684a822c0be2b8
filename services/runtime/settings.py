"""Base classes of the services' settings: flags override the environment, which overrides defaults."""

import difflib
import os
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.contract.errors import ConfigurationError
from services.runtime.redis_client import check_url, redact

ENV_PREFIX = "NADROUTE_"


def _check_secret_url(url: SecretStr) -> SecretStr:
    check_url(url.get_secret_value())
    return url


RedisUrl = Annotated[SecretStr, AfterValidator(_check_secret_url)]
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
    """The URL of Redis: redis://, rediss:// or unix:///path/to/socket?db=0."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """json, or console for readable text; auto is console at a terminal and json elsewhere."""

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
                fields[name] = redact(value.get_secret_value()) if name.endswith("_url") else "***"
        return fields


class TelemetrySettings(ServiceSettings):
    """The settings of services.runtime.telemetry; each service has a default port of its own."""

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
            raise ConfigurationError(f"{variable}={environment[variable]!r}: no such setting{hint}")


def _explain(cls: type[ServiceSettings], given: Mapping[str, object], error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        if not problem["loc"]:
            # Several settings that contradict each other, which the text names.
            lines.append(str(problem["ctx"]["error"]))
            continue
        name = str(problem["loc"][0])
        field = cls.model_fields.get(name)
        source = f"--{name.replace('_', '-')}" if name in given else f"{ENV_PREFIX}{name}".upper()
        value = problem["input"]
        if field is not None and "Secret" in str(field.annotation):
            value = redact(value) if name.endswith("_url") and isinstance(value, str) else "***"
        lines.append(f"{source}={value!r}: {problem['msg']}")
    return "\n".join(lines)
