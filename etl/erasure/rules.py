"""What erasure does to a table, from the privacy class of its columns. A table it has no rule for is refused."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.ads_measures import click_id
from etl.contract import Table
from etl.engine import pseudonyms
from etl.engine.suppression import Suppressed
from etl.errors import ContractViolation
from etl.privacy import by_column, viewer_column

VIEWER = "viewer"
UNITED = (
    "reach_hll", "reach", "users_hll", "users", "users_ad_clicked", "ctr_users", "sessions", "click_id"
)  # fmt: skip
"""Sketches, counts and a hash made of ids, from which none can be read back: they stay, or totals would not."""


class Rule(Enum):
    """Rows stay with a stand-in, rows about the viewer go, or text that names the viewer goes."""

    STAND_IN = "stand-in"
    REMOVE = "rows removed"
    REDACT = "text removed"


def personal(table: Table) -> list[str]:
    """Columns of a table that identify a viewer."""
    return [c.name for c in table.columns if c.privacy == VIEWER]


def rule(table: Table) -> Rule | None:
    """What is done to a table; None when it has nothing of a viewer. Raises ContractViolation when nothing fits."""
    names = personal(table)
    if not names:
        return None
    others = [c for c in table.columns if c.name in names and c.name != viewer_column(names)]
    if table.per_viewer:
        return Rule.REMOVE
    if all(c.nullable for c in others):
        if names == ["raw"]:
            return Rule.REDACT
        if by_column(table.column_names):
            return Rule.STAND_IN
    raise ContractViolation(
        f"{table.name} holds {', '.join(names)} of a viewer and erasure has no rule for it. Rows with a viewer_id need "
        "a post or an impression beside it, tables per viewer need it in their key, all else must allow NULL."
    )


def holds(table: Table, people: Sequence[int]) -> str:
    """Predicate of the rows that name some people, by the pseudonyms where a table holds these."""
    if rule(table) is Rule.REDACT:
        return f"raw RLIKE '(^|[^0-9])({'|'.join(map(str, people))})([^0-9]|$)'"
    numbers = {name for person in people for name in (pseudonyms.names(person) if table.per_viewer else [person])}
    return f"{viewer_column(table.column_names)} IN ({', '.join(map(str, sorted(numbers)))})"


def changed(table: Table, rows: DataFrame, people: Sequence[int], suppressed: Suppressed) -> DataFrame:
    """Rows as they are after: those that name the people by the table's rule, all others as they were.

    The hash in a click's id has the viewer in it, so it is made again, as a run that makes the row again will.
    """
    named = F.expr(holds(table, people))
    if rule(table) is Rule.REMOVE:
        return rows.where(~named)
    whose, by = viewer_column(rows.columns), by_column(rows.columns)
    new: dict[str, Column] = {name: F.when(~F.coalesce(named, F.lit(False)), F.col(name)) for name in personal(table)}
    if whose and by:
        new[whose] = F.when(named, suppressed.replacement(F.col(whose), F.col(by))).otherwise(F.col(whose))
    if "click_id" in rows.columns:
        click = F.col("click_id")
        of_stand_in = click_id("click_ts" if "click_ts" in rows.columns else "touch_ts", whose=new["user_id"])
        new["click_id"] = F.when(named & click.isNotNull(), of_stand_in).otherwise(click)
    return rows.select(*[new.get(c, F.col(c)).alias(c) for c in rows.columns])
