"""Typed parameters of named queries: converts text or a Python value to the value that Spark binds.

A default is a value, `latest`, or a distance from `latest` or from another parameter, such as `end - 30 days`.
`latest` is the end of the last landed hour that was processed; for a DATE, the end of its day. DATE is a UTC day, HOUR
is the start of a UTC hour. Intervals are half-open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from etl.errors import ConfigError, ContractViolation

LATEST = "latest"
_RELATIVE = re.compile(r"(\w+) - (\d+) (hours|days)")
_REQUIRED: Any = object()


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?\d+", str(value)):
        raise ValueError
    return int(value)


def _bigint(value: Any) -> int:
    if not -(2**63) <= (number := _whole(value)) < 2**63:
        raise ValueError
    return number


def _int(value: Any) -> int:
    if not -(2**31) <= (number := _whole(value)) < 2**31:
        raise ValueError
    return number


def _double(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(number := float(value)):
        raise ValueError
    return number


def _decimal(value: Any) -> Decimal:
    number = Decimal(str(value))
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError
    return number


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return datetime.strptime(value, "%Y-%m-%d").date()


def _hour(value: Any) -> datetime:
    when = value if isinstance(value, datetime) else datetime.strptime(value, "%Y-%m-%dT%H").replace(tzinfo=UTC)
    if when.tzinfo is None or (when.minute, when.second, when.microsecond) != (0, 0, 0):
        raise ValueError
    return when.astimezone(UTC)


TYPES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "BIGINT": (_bigint, "a whole number"),
    "INT": (_int, "a whole number"),
    "DOUBLE": (_double, "a number"),
    "DECIMAL": (_decimal, "a number"),
    "STRING": (_string, "text"),
    "DATE": (_date, "a UTC day like 2026-06-01"),
    "HOUR": (_hour, "a UTC hour like 2026-06-01T10"),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter. `low` is the smallest allowed value. A default of None means the parameter is optional."""

    name: str
    type: str
    meaning: str
    default: Any = _REQUIRED
    low: float | None = None

    def __post_init__(self) -> None:
        """Raise ContractViolation for an unknown type."""
        if self.type not in TYPES:
            raise ContractViolation(f"Parameter {self.name}: type {self.type!r} is not one of {', '.join(TYPES)}.")

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
        convert, form = TYPES[self.type]
        try:
            converted = convert(value)
        except (ValueError, TypeError, InvalidOperation) as error:
            raise ConfigError(f"{self.name} must be {form} ({self.type}), not {value!r}. {usage}") from error
        if self.low is not None and converted < self.low:
            raise ConfigError(f"{self.name} must be at least {self.low}, not {value!r}. {usage}")
        return converted


def complete(
    parameters: tuple[Parameter, ...], given: Mapping[str, Any], latest: Callable[[], datetime]
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
