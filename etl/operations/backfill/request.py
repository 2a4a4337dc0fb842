"""What somebody asks a backfill to do, and the refusals that need no lake to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from etl import catalog
from etl.errors import ConfigError
from etl.model.contract import MergeAggregate, Scd2, Table

AD = "ad_id"
ONLY = ("missing", "failed", "stale", "all")


@dataclass(frozen=True)
class Request:
    """Tables in the order data flows, hours [start, end), which of them, and the logic (None: the one in force).

    ads: of these hours only rows of ads [from, to) are built again, all others stay as they are. None: all rows.
    """

    start: datetime
    end: datetime
    tables: tuple[str, ...]
    only: str = "all"
    logic: int | None = None
    ads: tuple[int, int] | None = None


def make(
    interval: tuple[datetime, datetime],
    names: list[str] | None,
    only: str = "all",
    version: str | None = None,
    ads: tuple[int | None, int | None] = (None, None),
) -> Request:
    """A request that can be meant. Raises ConfigError for a table, choice, version or range of ads there is not."""
    if only not in ONLY:
        raise ConfigError(f"--only must be one of {', '.join(ONLY)}, not {only!r}.")
    chosen = [e.table for e in catalog.select(names)]
    for table in chosen if names else []:
        if kept_because(table):
            raise ConfigError(f"{table.name} cannot be backfilled: {kept_because(table)}.")
    wanted = _ads(ads)
    if wanted and version:
        raise ConfigError("--from-version is for all rows of a table: leave --ad-from and --ad-to out.")
    whole = [t.name for t in chosen if not is_by_ad(t)] if wanted else []
    if whole and names:
        raise ConfigError(f"{whole[0]} cannot be rebuilt for some ads only: a row of it is not of one ad for good.")
    tables = tuple(t.name for t in chosen if not kept_because(t) and t.name not in whole)
    return Request(*interval, tables, only, _logic(tables, version), wanted)


def is_by_ad(table: Table) -> bool:
    """Whether each row is of one ad, always: what has none, or may be credited to another, is only rebuilt whole."""
    return any(column.name == AD and not column.nullable for column in table.columns)


def _ads(given: tuple[int | None, int | None]) -> tuple[int, int] | None:
    first, end = given
    if first is None and end is None:
        return None
    if first is None or end is None or first >= end:
        raise ConfigError("--ad-from must be before --ad-to, which is not part of the range; give both.")
    return first, end


def kept_because(table: Table) -> str:
    """Why a backfill leaves a table as it is; empty when its hours can be rebuilt from other tables."""
    if isinstance(table.write, MergeAggregate):
        return f"raw {_event(table)} are deleted hours after they land, so its hours are kept and read as they are"
    if isinstance(table.write, Scd2):
        return "it has versions, not hours, and is the same however its changes arrive; `feed-etl run` mends it"
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
