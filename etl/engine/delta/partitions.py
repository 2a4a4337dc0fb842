"""Partition values (hours, days) as SQL predicates and as Delta's log writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from etl.model.contract import Table


def as_literal(hour: datetime, table: Table) -> str:
    """A partition value as a SQL literal."""
    return f"DATE'{hour:%Y-%m-%d}'" if table.daily else f"TIMESTAMP'{hour:%Y-%m-%d %H:%M:%S}+00:00'"


def in_hours(table: Table, hours: Iterable[datetime]) -> str:
    """A partition predicate with literal values: Delta sees from it that runs of other hours do not conflict."""
    listed = ", ".join(as_literal(hour, table) for hour in hours)
    return f"{table.hour} IN ({listed})" if listed else "false"


def as_partition(hour: datetime, table: Table) -> str:
    """A partition value as Delta's log writes it."""
    return f"{hour:%Y-%m-%d}" if table.daily else f"{hour:%Y-%m-%dT%H:%M:%S.000000Z}"


def partition_hour(value: str) -> datetime:
    """The hour (day) of a partition value as the Delta log writes it, in UTC."""
    at = datetime.fromisoformat(value)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
