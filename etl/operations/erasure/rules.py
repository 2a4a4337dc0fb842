"""Rules of erasure: what it does to a table follows from the privacy classes of its columns. No rule is an error."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.people import pseudonyms, suppression
from etl.engine.people.suppression import SuppressionList
from etl.errors import ContractViolation
from etl.model.contract import Event, Scd2, Table
from etl.model.privacy import ANY, CREATOR, ROLES, VIEWER, Role
from etl.transforms import scd2


class Rule(Enum):
    """What erasure does to rows that name a person. The value is in receipts."""

    REPLACE_ID = "replacement id"
    REMOVE = "rows removed"
    REDACT = "text removed"


def roles(table: Table) -> list[Role]:
    """Return the roles in which rows of a table name people."""
    return [role for role in ROLES if rule(table, role)]


def personal_columns(table: Table, role: Role) -> list[str]:
    """Return the columns of a table that describe or identify a person in a role. A raw text may name any person."""
    if role == CREATOR and not role.column(table.column_names):
        return ["raw"] if "raw" in table.column_names else []
    names_one = role.column(table.column_names) is not None
    return [c.name for c in table.columns if c.privacy in role.classes or (c.privacy == ANY and names_one)]


def other_personal_fields(event: Event, role: Role) -> list[str]:
    """Return the fields, except the id, that describe or identify the person."""
    id_field = role.column(f.name for f in event.fields)
    return [f.name for f in event.fields if f.privacy in role.classes and f.name != id_field]


def rule(table: Table, role: Role) -> Rule | None:
    """Return what erasure does to a table, None when it has no personal columns.

    Raises ContractViolation when no rule fits.
    """
    names = personal_columns(table, role)
    if not names:
        return None
    id_column = role.column(names)
    others = [c for c in table.columns if c.name in names and c.name != id_column]
    if _only_describes_person(table, role):
        return Rule.REMOVE
    if all(c.nullable for c in others):
        if names == ["raw"]:
            return Rule.REDACT
        if role.by(table.column_names):
            return Rule.REPLACE_ID
    raise ContractViolation(
        f"{table.name} holds {', '.join(names)} of a {role.name} and erasure has no rule for it. Add a post or an "
        "impression to rows with a viewer_id, or add viewer_id to the key of a table per viewer, and make other "
        "personal columns nullable."
    )


def _only_describes_person(table: Table, role: Role) -> bool:
    """Whether rows only say what a person is or did, so that whole rows are removed."""
    if role == VIEWER:
        return table.per_viewer
    return role.column(table.column_names) is not None and role.by(table.column_names) is None


def predicate(table: Table, role: Role, people: Sequence[int]) -> str:
    """Return an SQL predicate of the rows that name some people, by id or, where the table holds it, by pseudonym."""
    if rule(table, role) is Rule.REDACT:
        return _text_predicate(role, "|".join(map(str, people)))
    ids = {known for person in people for known in (pseudonyms.known_ids(person) if table.per_viewer else [person])}
    return f"{role.column(table.column_names)} IN ({', '.join(map(str, sorted(ids)))})"


def _text_predicate(role: Role, ids: str) -> str:
    """Return an SQL predicate of quarantined texts that name one of these ids (`1|2|3`).

    Any number in a text may be the id of a viewer. A number is the id of a creator when the event has creators, or when
    it follows a key of that role.
    """
    anywhere = f"raw RLIKE '(^|[^0-9])({ids})([^0-9]|$)'"
    if role == VIEWER:
        return anywhere
    names = [e.name for e in catalog.landing_events() if role.column(f.name for f in e.fields)]
    events = ", ".join(f"'{name}'" for name in sorted(names))
    key = suppression.key_pattern(role).replace("\\", "\\\\")
    return f"((event IN ({events}) AND {anywhere}) OR raw RLIKE '{key}({ids})([^0-9]|$)')"


def without_people(table: Table, rows: DataFrame, people: Sequence[int], suppressed: SuppressionList) -> DataFrame:
    """Apply the rule of a table to the rows that name some people. Other rows stay as they are.

    Columns that the contract derives from the person's id are derived again, as a later run derives them. Versions of a
    dimension that differ only in erased values become one, as they do when a run builds the dimension again.
    """
    role = suppressed.role
    names_one = F.coalesce(F.expr(predicate(table, role, people)), F.lit(False))
    if rule(table, role) is Rule.REMOVE:
        return rows.where(~names_one)
    person, scope = role.column(rows.columns), role.by(rows.columns)
    new: dict[str, Column] = {name: F.when(~names_one, F.col(name)) for name in personal_columns(table, role)}
    if person and scope:
        replacement = suppressed.replacement(F.col(person), F.col(scope))
        new[person] = F.when(names_one, replacement).otherwise(F.col(person))
        for name, derive in table.derived_from_person:
            derived = F.when(names_one & F.col(name).isNotNull(), derive(new[person]))
            new[name] = derived.otherwise(F.col(name))
    after = rows.select(*[new.get(c, F.col(c)).alias(c) for c in rows.columns])
    return scd2.merge_adjacent(after, table).select(*rows.columns) if isinstance(table.write, Scd2) else after
