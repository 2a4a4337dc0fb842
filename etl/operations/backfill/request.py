"""The request of a backfill, and the checks of it that do not read the lake."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from etl import catalog
from etl.errors import ConfigError
from etl.model.contract import MergeAggregate, Scd2, Table

AD = "ad_id"
Only = Literal["missing", "failed", "stale", "all"]


@dataclass(frozen=True)
class Request:
    """What to rebuild.

    `start`, `end`: the interval [start, end). `tables`: inputs before outputs. `only`: which hours.
    `logic`: version of the transform, None for the current one. `ads`: interval of ad ids [from, to) whose rows are
    rebuilt while other rows stay, None for all rows.
    """

    start: datetime
    end: datetime
    tables: tuple[str, ...]
    only: Only = "all"
    logic: int | None = None
    ads: tuple[int, int] | None = None


def make(
    interval: tuple[datetime, datetime],
    names: list[str] | None,
    only: Only = "all",
    version: str | None = None,
    ads: tuple[int | None, int | None] = (None, None),
) -> Request:
    """Validate and return a request. Raises ConfigError for an unknown table, version or interval of ads."""
    chosen = [e.table for e in catalog.select(names)]
    for table in chosen if names else []:
        if kept_because(table):
            raise ConfigError(f"{table.name} cannot be backfilled: {kept_because(table)}.")
    ad_interval = _ad_interval(ads)
    if ad_interval and version:
        raise ConfigError("--from-version is for all rows of a table: leave --ad-from and --ad-to out.")
    not_by_ad = [t.name for t in chosen if not is_by_ad(t)] if ad_interval else []
    if not_by_ad and names:
        raise ConfigError(
            f"{not_by_ad[0]} cannot be rebuilt for some ads only: its rows do not always belong to one ad. "
            "Leave --ad-from and --ad-to out."
        )
    tables = tuple(t.name for t in chosen if not kept_because(t) and t.name not in not_by_ad)
    return Request(*interval, tables, only, _logic(tables, version), ad_interval)


def is_by_ad(table: Table) -> bool:
    """Whether each row always belongs to one ad.

    Rows without an ad, and rows whose credit may move to another ad, are only rebuilt with the whole hour.
    """
    return any(column.name == AD and not column.nullable for column in table.columns)


def _ad_interval(ads: tuple[int | None, int | None]) -> tuple[int, int] | None:
    first, end = ads
    if first is None and end is None:
        return None
    if first is None or end is None or first >= end:
        raise ConfigError("--ad-from must be before --ad-to (which is excluded). Give both.")
    return first, end


def kept_because(table: Table) -> str:
    """Return why a backfill does not rebuild a table. Empty when its hours can be rebuilt from other tables."""
    if isinstance(table.write, MergeAggregate):
        return f"raw {_event(table)} are deleted hours after they land, so its hours are kept and read as they are"
    if isinstance(table.write, Scd2):
        return "it has versions, not hours, and does not depend on the order of changes; `feed-etl run` repairs it"
    if not table.inputs:
        return "it is made from landing files, which `feed-etl run` reads again when they change"
    return ""


def _event(table: Table) -> str:
    return table.event.name if table.event else "records"


def _logic(tables: tuple[str, ...], version: str | None) -> int | None:
    if version is None:
        return None
    if not re.fullmatch(r"v[1-9]\d*", version):
        raise ConfigError(f"--from-version must be like v2, not {version!r}.")
    if len(tables) != 1:
        raise ConfigError("--from-version switches one table to other logic: name it with one --table.")
    catalog.logic(tables[0], int(version[1:]))
    return int(version[1:])
