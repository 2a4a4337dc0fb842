"""Every table with personal columns has a rule of erasure, and every column derived from a viewer's id is known."""

from __future__ import annotations

import dataclasses

import pytest

from etl import catalog
from etl.errors import ContractViolation
from etl.lineage.flow import Lineage, Source
from etl.lineage.tables import landed
from etl.model.contract import InsertNew, Layer, Table
from etl.model.privacy import CREATOR, ROLES, VIEWER, Role
from etl.operations.erasure import rules
from etl.operations.erasure.rules import Rule
from etl.subjects.feed.columns import columns

TABLES = catalog.tables()
DERIVED = ("reach_hll", "reach", "users_hll", "users", "users_ad_clicked", "ctr_users", "sessions", "click_id")
"""Sketches, counts and a hash of ids, from which no id can be read. They stay, so that totals stay."""


def made(*names: str, key: tuple[str, ...] = (), layer: Layer = Layer.FACTS) -> Table:
    """A table with these columns."""
    return Table("fct_made", layer, columns(*names), key, InsertNew(), "ranking")


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_table_with_personal_columns_has_a_rule(table: Table, role: Role) -> None:
    """A new table without a rule fails this test."""
    assert (rules.rule(table, role) is None) == (not rules.personal_columns(table, role))


def test_rows_of_a_creator_are_removed_or_get_a_replacement_id() -> None:
    found = {t.name: rule for t in TABLES if (rule := rules.rule(t, CREATOR))}
    assert found == {
        "bronze_creators": Rule.REMOVE, "dim_creators": Rule.REMOVE, "quarantine": Rule.REDACT,
        "bronze_posts": Rule.REPLACE_ID, "dim_posts": Rule.REPLACE_ID,
    }  # fmt: skip


@pytest.mark.parametrize(
    "table",
    [made("viewer_id", "event_hour"), made("device_id")],
    ids=["a viewer without a post", "a device without a viewer"],
)
def test_a_table_that_no_rule_fits_is_refused(table: Table) -> None:
    with pytest.raises(ContractViolation, match="erasure has no rule"):
        rules.rule(table, VIEWER)


def test_a_personal_column_that_is_not_nullable_is_refused() -> None:
    """Erasure could not set it to NULL."""
    table = made("viewer_id", "post_id", "device_id")
    strict = dataclasses.replace(table, columns=tuple(dataclasses.replace(c, nullable=False) for c in table.columns))
    with pytest.raises(ContractViolation, match="device_id"):
        rules.rule(strict, VIEWER)


@pytest.mark.parametrize("table", [t for t in TABLES if catalog.has_job(t)], ids=lambda t: t.name)
def test_a_column_derived_from_a_viewer_id_is_personal_or_a_sketch(table: Table, lineages: dict[str, Lineage]) -> None:
    """The lineage of values is followed through all upstream tables, so renamed columns are found, too."""
    named = {c.name for c in table.columns if made_of_viewer(Source(table.name, c.name), lineages)}
    allowed = {*rules.personal_columns(table, VIEWER), *DERIVED}
    assert named <= allowed


def made_of_viewer(column: Source, lineages: dict[str, Lineage]) -> bool:
    """Whether a column's value comes from a landed field of privacy class `viewer`."""
    if column.table.startswith("landing."):
        event = next(e for e in catalog.landing_events() if landed(e) == column.table)
        return column.column in [f.name for f in event.fields if catalog.vocabulary()[f.name].privacy == VIEWER.name]
    if column.table not in lineages:
        return False
    return any(made_of_viewer(source, lineages) for source in lineages[column.table].columns[column.column].value)
