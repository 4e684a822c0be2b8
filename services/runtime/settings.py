"""The base of every service's settings: flags over environment over defaults; errors name the field."""

import difflib
import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.contract.errors import ConfigurationError
from services.runtime.redis_client import check_url, hidden

ENV_PREFIX = "NADROUTE_"


def _check_secret_url(url: SecretStr) -> SecretStr:
    check_url(url.get_secret_value())
    return url


RedisUrl = Annotated[SecretStr, AfterValidator(_check_secret_url)]


class ServiceSettings(BaseSettings):
    """What every service can be told. A field's docstring is its help text."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    redis_url: RedisUrl = SecretStr("redis://127.0.0.1:6379/0")
    """Where Redis is: redis://, rediss:// or unix:///path/to/socket?db=0."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe message that is written."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """json for machines, console for people; auto chooses console at a terminal."""

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read flags (None means: not given), then the environment; raises ConfigurationError."""
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigurationError(_explain(cls, given, error)) from None

    def shown(self) -> dict[str, object]:
        """The settings for eyes: secrets hidden, a Redis URL without its password."""
        fields: dict[str, object] = self.model_dump(mode="json")
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                fields[name] = hidden(value.get_secret_value()) if name.endswith("_url") else "***"
        return fields


def check_environment(
    known: Iterable[type[ServiceSettings]], environment: Mapping[str, str] | None = None
) -> None:
    """Refuse a NADROUTE_ variable that no service knows: a typo would otherwise be silence."""
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
        name = str(problem["loc"][0]) if problem["loc"] else "(settings)"
        field = cls.model_fields.get(name)
        source = f"--{name.replace('_', '-')}" if name in given else f"{ENV_PREFIX}{name}".upper()
        value = problem["input"]
        if field is not None and "Secret" in str(field.annotation):
            value = hidden(value) if name.endswith("_url") and isinstance(value, str) else "***"
        lines.append(f"{source}={value!r}: {problem['msg']}")
    return "\n".join(lines)


Seconds = Annotated[float, Field(gt=0, le=86_400)]
