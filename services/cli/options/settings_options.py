"""Command-line options generated from settings classes.

A field `sweep_interval_s` becomes the flag `--sweep-interval-s` and the variable NADROUTE_SWEEP_INTERVAL_S; a
field with several values, `uplinks`, the repeatable flag `--uplink`. Only the class validates values, so a
wrong flag and a wrong variable give the same error.
"""

import os
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import click
from pydantic import SecretStr, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from services.cli.failures import usage_error
from services.cli.options.grouping import GroupedOption
from services.cli.options.services_table import Service, known_settings
from services.contract.errors import ConfigurationError
from services.runtime.connection.settings import ENV_PREFIX, ServiceSettings, check_environment
from services.view.durations import read_duration

Function = TypeVar("Function", bound=Callable[..., Any])
Kind = Literal["flag", "mapping", "many", "duration", "text"]

NOT_GIVEN = "not given"


@dataclass(frozen=True)
class SettingsOption:
    """A field of a settings class with its flag and its variable."""

    field: str
    flag: str
    variable: str
    kind: Kind
    metavar: str
    default: str
    """The default as a user would type it; empty where there is none."""
    required: bool
    help: str
    words: tuple[str, ...] = ()
    """Words accepted in place of a whole mapping, such as auto."""


def describe_options(settings: type[ServiceSettings], *, flag_prefix: str = "") -> list[SettingsOption]:
    """The options of a settings class: its own first, then those of every service."""
    own = [name for name in settings.model_fields if name not in ServiceSettings.model_fields]
    names = own + [name for name in settings.model_fields if name in ServiceSettings.model_fields]
    return [_describe(name, settings.model_fields[name], flag_prefix) for name in names]


def _describe(name: str, field: FieldInfo, flag_prefix: str) -> SettingsOption:
    kind, metavar = _kind_of(name, field.annotation)
    flag = name.removeprefix(flag_prefix).replace("_", "-")
    if kind in ("mapping", "many") and flag.endswith("s"):
        flag = flag[:-1]
    default = "" if field.is_required() else _typed(field.get_default(call_default_factory=True))
    text = " ".join((field.description or "").split())
    return SettingsOption(
        name,
        f"--{flag}",
        f"{ENV_PREFIX}{name}".upper(),
        kind,
        metavar,
        default,
        field.is_required(),
        text,
        _words_of(field.annotation),
    )


def _typed(value: object) -> str:
    """A default as a user would type it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(sorted(map(str, value)))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind_of(name: str, annotation: object) -> tuple[Kind, str]:
    annotation = _unwrapped(annotation)
    origin = get_origin(annotation)
    if words := _words_of(annotation):
        return "mapping", "|".join([*words, "NAME=VALUE"])
    if annotation is bool:
        return "flag", ""
    if origin is Literal:
        return "text", "|".join(map(str, get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "text", "|".join(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping", "NAME=VALUE"
    if origin in (tuple, list, set, frozenset):
        return "many", "VALUE"
    if name.endswith("_s") and not name.endswith("_per_s") and annotation in (int, float):
        return "duration", "DURATION"
    if name.endswith("_url"):
        return "text", "URL"
    metavars = {int: "NUMBER", float: "NUMBER", SecretStr: "SECRET", Path: "PATH"}
    return "text", metavars.get(annotation, "TEXT") if isinstance(annotation, type) else "TEXT"


def _words_of(annotation: object) -> tuple[str, ...]:
    """Return the words of a setting whose value is one of them or a mapping."""
    annotation = _unwrapped(annotation)
    if get_origin(annotation) not in (Union, types.UnionType):
        return ()
    parts = [_unwrapped(part) for part in get_args(annotation)]
    if not any(
        isinstance(origin := get_origin(part), type) and issubclass(origin, Mapping) for part in parts
    ):
        return ()
    return tuple(str(word) for part in parts if get_origin(part) is Literal for word in get_args(part))


def _unwrapped(annotation: object) -> object:
    """Return the annotation without Annotated and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            inner = [part for part in get_args(annotation) if part is not type(None)]
            if len(inner) != 1:
                return annotation
            annotation = inner[0]
        else:
            return annotation


def settings_options(
    service: Service, *, groups: Mapping[str, str] | None = None
) -> Callable[[Function], Function]:
    """A decorator: settings as options; the command gets them by field name.

    groups: the fields, in order, with the headings under which help lists them; all fields where None.
    """
    settings = service.settings_class()
    options = {o.field: o for o in describe_options(settings, flag_prefix=service.flag_prefix)}
    chosen = groups if groups is not None else {field: _group(settings, field) for field in options}

    def decorate(function: Function) -> Function:
        for field in reversed(list(chosen)):
            function = _click_option(options[field], chosen[field])(function)
        return function

    return decorate


def _group(settings: type[ServiceSettings], field: str) -> str:
    """The heading of the base class that first defines the field; a service's own settings have none."""
    classes = [cls for cls in settings.__mro__ if issubclass(cls, ServiceSettings)]
    first = [cls for cls in classes if field in cls.model_fields][-1]
    return first.HEADING if "HEADING" in vars(first) else "Options"


def _click_option(option: SettingsOption, group: str) -> Callable[[Function], Function]:
    default = "required" if option.required else f"default: {option.default}" if option.default else ""
    text = f"{option.help}  [{'; '.join(part for part in (default, f'env: {option.variable}') if part)}]"
    if option.kind == "flag":
        names, attributes = (f"{option.flag}/--no-{option.flag[2:]}", option.field), {}
    else:
        names = (option.flag, option.field)
        attributes = {"metavar": option.metavar, "multiple": option.kind in ("mapping", "many")}
    return click.option(*names, cls=GroupedOption, group=group, default=None, help=text, **attributes)


def load_settings(service: Service, flags: Mapping[str, object]) -> ServiceSettings:
    """The service's settings from click's flags, then the environment; exit 2 where a value is wrong."""
    settings = service.settings_class()
    options = {o.field: o for o in describe_options(settings, flag_prefix=service.flag_prefix)}
    given = given_flags(flags)
    values = {name: _value(options[name], value) for name, value in given.items()}
    try:
        check_environment(known_settings())
        return settings.load(**values)
    except SettingsError:
        raise usage_error(_broken_variables(settings, options)) from None
    except ConfigurationError as error:
        raise usage_error(_with_our_flags(str(error), options)) from None


def given_flags(flags: Mapping[str, object]) -> dict[str, object]:
    """The flags that were on the command line."""
    return {name: value for name, value in flags.items() if value is not None and value != ()}


def source_of(option: SettingsOption, flags: Mapping[str, object]) -> str:
    """flag, environment or default."""
    if option.field in given_flags(flags):
        return "flag"
    return "environment" if option.variable in map(str.upper, os.environ) else "default"


def _value(option: SettingsOption, value: object) -> object:
    if option.kind == "duration":
        try:
            return read_duration(str(value))
        except ValueError as error:
            raise usage_error(f"{option.flag}={error}") from None
    if option.kind == "mapping" and isinstance(value, tuple):
        if len(value) == 1 and value[0] in option.words:
            return value[0]
        pairs = [str(item).partition("=") for item in value]
        for name, sign, item in pairs:
            if not (name and sign and item):
                raise usage_error(
                    f"{option.flag}={name + sign + item!r}: expected NAME=VALUE, such as extra=extra-bo"
                )
        if len({name for name, _, _ in pairs}) != len(pairs):
            raise usage_error(f"{option.flag}: expected each name once, got {', '.join(map(str, value))}")
        return {name: item for name, _, item in pairs}
    return value


def _with_our_flags(text: str, options: Mapping[str, SettingsOption]) -> str:
    """Errors of the class, which names fields, with flags as the command line spells them."""
    return "\n".join(_with_our_flag(line, options) for line in text.splitlines())


def _with_our_flag(line: str, options: Mapping[str, SettingsOption]) -> str:
    for option in options.values():
        spelled = f"--{option.field.replace('_', '-')}="
        if line.startswith(spelled):
            return f"{option.flag}={line.removeprefix(spelled)}"
        if line.startswith(f"{option.variable}=") and line.endswith(": Field required"):
            return (
                f"{option.flag}: {NOT_GIVEN}; expected {option.flag} {option.metavar}, or {option.variable}"
            )
    return line


def _broken_variables(settings: type[ServiceSettings], options: Mapping[str, SettingsOption]) -> str:
    """Name the variables that are not JSON: pydantic-settings names the field and hides the value."""
    lines = []
    for option in options.values():
        text = os.environ.get(option.variable)
        if text is None or option.kind not in ("mapping", "many"):
            continue
        try:
            TypeAdapter(Any).validate_json(text)
        except ValueError:
            example = '{"extra": "extra-bo"}' if option.kind == "mapping" else '["one", "two"]'
            lines.append(f"{option.variable}={text!r}: expected JSON, such as {example}")
    return "\n".join(lines) or f"{settings.__name__}: a variable cannot be read"
