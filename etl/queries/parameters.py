"""Typed parameters of named queries: converts text or a Python value to the value that Spark binds.

A default is a value, `latest`, or a distance from `latest` or from another parameter, such as `end - 30 days`.
`latest` is the end of the last landed hour that was processed; for a DATE, the end of its day. DATE is a UTC day, HOUR
is the start of a UTC hour. Intervals are half-open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainValidator,
    StrictStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from etl.conf import FIRST_DAY
from etl.errors import ConfigError

LATEST = "latest"
_RELATIVE = re.compile(r"(\w+) - (\d+) (hours|days)")
_REQUIRED: Any = object()


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


def _digits(value: Any) -> Any:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d+", str(value)):
        raise ValueError("not a whole number")
    return int(value)


def _not_ancient(day: date) -> date:
    """The same day. Python's calendar begins soon before the first days that a lake can hold."""
    if day < FIRST_DAY:
        raise ValueError(f"before {FIRST_DAY}")
    return day


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return _not_ancient(value)
    return _not_ancient(datetime.strptime(str(value), "%Y-%m-%d").date())


def _hour(value: Any) -> datetime:
    when = value if isinstance(value, datetime) else datetime.strptime(str(value), "%Y-%m-%dT%H").replace(tzinfo=UTC)
    if when.tzinfo is None or (when.minute, when.second, when.microsecond) != (0, 0, 0):
        raise ValueError("not the start of an hour with a time zone")
    _not_ancient(when.date())
    return when.astimezone(UTC)


Type = Literal["BIGINT", "INT", "DOUBLE", "DECIMAL", "STRING", "DATE", "HOUR"]
TYPES: dict[Type, tuple[TypeAdapter[Any], str]] = {
    "BIGINT": (TypeAdapter(Annotated[int, BeforeValidator(_digits), Field(ge=-(2**63), lt=2**63)]), "a whole number"),
    "INT": (TypeAdapter(Annotated[int, BeforeValidator(_digits), Field(ge=-(2**31), lt=2**31)]), "a whole number"),
    "DOUBLE": (TypeAdapter(Annotated[FiniteFloat, BeforeValidator(_no_bool)]), "a number"),
    "DECIMAL": (TypeAdapter(Annotated[Decimal, BeforeValidator(_no_bool)]), "a number"),
    "STRING": (TypeAdapter(StrictStr), "text"),
    "DATE": (TypeAdapter(Annotated[date, PlainValidator(_date)]), f"a UTC day like 2026-06-01, {FIRST_DAY} or later"),
    "HOUR": (
        TypeAdapter(Annotated[datetime, PlainValidator(_hour)]),
        f"a UTC hour like 2026-06-01T10, {FIRST_DAY} or later",
    ),
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Parameter:
    """One parameter. `low` is the smallest allowed value. A default of None means the parameter is optional."""

    name: str
    type: Type
    meaning: str
    default: Any = _REQUIRED
    low: int | float | None = None

    @property
    def is_required(self) -> bool:
        """Whether the parameter has no default."""
        return self.default is _REQUIRED

    @property
    def signature(self) -> str:
        """The parameter as text, such as `limit INT = 50`."""
        if self.is_required:
            return f"{self.name} {self.type}"
        return f"{self.name} {self.type} = {'none' if self.default is None else self.default}"

    def typed(self, value: Any, usage: str = "") -> Any:
        """The value to bind. Raises ConfigError, with the expected form, when the value is not valid."""
        adapter, form = TYPES[self.type]
        try:
            converted = adapter.validate_python(value)
        except ValidationError as error:
            raise ConfigError(f"{self.name} must be {form} ({self.type}), not {value!r}. {usage}") from error
        if self.low is not None and converted < self.low:
            raise ConfigError(f"{self.name} must be at least {self.low}, not {value!r}. {usage}")
        return converted


def complete(
    parameters: Iterable[Parameter], given: Mapping[str, Any], latest: Callable[[], datetime]
) -> dict[str, Any]:
    """Fill in the defaults of all parameters, in the order of their declaration.

    `latest` returns the end of the last processed hour. It is called only if a default needs it.
    """
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name in given:
            values[parameter.name] = given[parameter.name]
        else:
            values[parameter.name] = _default(parameter, values, latest)
    check_range(values)
    return values


def _default(parameter: Parameter, values: Mapping[str, Any], latest: Callable[[], datetime]) -> Any:
    relative = _RELATIVE.fullmatch(str(parameter.default))
    if relative:
        other, distance, unit = relative.groups()
        first = _end(parameter, latest()) if other == LATEST else values[other]
        return first - timedelta(**{unit: int(distance)})
    if parameter.default == LATEST:
        return _end(parameter, latest())
    return None if parameter.default is None else parameter.typed(parameter.default)


def _end(parameter: Parameter, latest: datetime) -> date | datetime:
    """The exclusive end of the data: for a DATE, the day after the day of the last hour."""
    return (latest - timedelta(hours=1)).date() + timedelta(days=1) if parameter.type == "DATE" else latest


def check_range(values: Mapping[str, Any]) -> None:
    """Raises ConfigError when start is not before end."""
    if "start" in values and "end" in values and values["start"] >= values["end"]:
        start, end = values["start"], values["end"]
        raise ConfigError(f"start {start:%Y-%m-%dT%H} must be before end {end:%Y-%m-%dT%H}; end is exclusive.")
