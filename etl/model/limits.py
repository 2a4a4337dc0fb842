"""The limits that a contract sets, as a lake keeps them: its key, ranges, sets, lateness and deduplication window.

A lake keeps them as table properties, so that `migrate` can tell a wider limit from a narrower one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.model.contract import DEFAULT_LATENESS_DAYS, Column, Table

PREFIX = "feedetl.contract."
KEY, LATENESS_DAYS, DEDUP_WINDOW_DAYS = f"{PREFIX}key", f"{PREFIX}latenessDays", f"{PREFIX}dedupWindowDays"
COLUMN = f"{PREFIX}column."
Limit = Any
"""A value as JSON has it: of a key a list of names, of days a number, of a column a map of values, low and high."""


@dataclass(frozen=True)
class Compared:
    """A changed limit: whether every row that it allowed is still allowed, and the change in words."""

    is_wider: bool
    what: str


def of(table: Table) -> dict[str, Limit]:
    """Name of the property -> limit of a contract."""
    found: dict[str, Limit] = {KEY: list(table.key)}
    if table.dedup_window_days:
        found[DEDUP_WINDOW_DAYS] = table.dedup_window_days
    if table.event and table.event.has_lateness_limit:
        found[LATENESS_DAYS] = DEFAULT_LATENESS_DAYS if table.event.lateness_days is None else table.event.lateness_days
    return found | {f"{COLUMN}{c.name}": limit for c in table.columns if (limit := _of_column(c))}


def _of_column(column: Column) -> dict[str, Limit]:
    limit = {"values": list(column.values) or None, "low": column.low, "high": column.high}
    return {name: value for name, value in limit.items() if value is not None}


def as_properties(limits: Mapping[str, Limit]) -> dict[str, str]:
    """The limits as table properties."""
    return {name: json.dumps(limit) for name, limit in limits.items()}


def compared(name: str, old: Limit | None, new: Limit | None) -> Compared:
    """Compare a limit of the lake with that of the contract. None: there is no such limit."""
    if name == KEY:
        return Compared(False, f"use the key {', '.join(new or ())}, not {', '.join(old or ())}")
    if name in (LATENESS_DAYS, DEDUP_WINDOW_DAYS):
        what = "lateness limit" if name == LATENESS_DAYS else "deduplication window"
        return Compared((new or 0) >= (old or 0), f"change the {what} from {old or 0} to {new or 0} days")
    column = name.removeprefix(COLUMN)
    return Compared(
        _allows_all(old or {}, new or {}), f"change the limits of {column} from {_text(old)} to {_text(new)}"
    )


def _allows_all(old: dict[str, Limit], new: dict[str, Limit]) -> bool:
    """Whether new limits of a column allow every value that the old ones allowed."""
    fits_set = "values" not in new or ("values" in old and set(old["values"]) <= set(new["values"]))
    fits_low = "low" not in new or ("low" in old and new["low"] <= old["low"])
    fits_high = "high" not in new or ("high" in old and new["high"] >= old["high"])
    return fits_set and fits_low and fits_high


def _text(limit: dict[str, Limit] | None) -> str:
    if not limit:
        return "none"
    parts = [", ".join(limit["values"])] if "values" in limit else []
    if "low" in limit or "high" in limit:
        parts.append(f"{limit.get('low', '…')} to {limit.get('high', '…')}")
    return " and ".join(parts)
