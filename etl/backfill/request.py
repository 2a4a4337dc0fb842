"""What somebody asks a backfill to do, and the refusals that need no lake to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from etl import catalog
from etl.contract import Table, WriteMode
from etl.errors import ConfigError

ONLY = ("missing", "failed", "stale", "all")


@dataclass(frozen=True)
class Request:
    """Tables in the order data flows, hours [start, end), which of them, and the logic (None: the one in force)."""

    start: datetime
    end: datetime
    tables: tuple[str, ...]
    only: str = "all"
    logic: int | None = None


def make(
    span: tuple[datetime, datetime], names: list[str] | None, only: str = "all", version: str | None = None
) -> Request:
    """A request that can be meant. Raises ConfigError for a table, choice or version there is not."""
    if only not in ONLY:
        raise ConfigError(f"--only must be one of {', '.join(ONLY)}, not {only!r}.")
    chosen = [e.table for e in catalog.select(names)]
    for table in chosen if names else []:
        if kept_because(table):
            raise ConfigError(f"{table.name} cannot be backfilled: {kept_because(table)}.")
    tables = tuple(t.name for t in chosen if not kept_because(t))
    return Request(*span, tables, only, _logic(tables, version))


def kept_because(table: Table) -> str:
    """Why a backfill leaves a table as it is; empty when its hours can be rebuilt from other tables."""
    if table.write is WriteMode.COMBINE:
        return f"raw {_event(table)} are deleted hours after they land, so its hours are kept and read as they are"
    if table.write is WriteMode.SCD2:
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
