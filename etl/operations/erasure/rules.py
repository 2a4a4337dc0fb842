"""What erasure does to a table, from the privacy class of its columns. A table it has no rule for is refused."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl import catalog
from etl.engine.people import pseudonyms, suppression
from etl.engine.people.suppression import SuppressionList
from etl.errors import ContractViolation
from etl.model.contract import Scd2, Table
from etl.model.privacy import CREATOR, ROLES, VIEWER, Role
from etl.transforms import scd2


class Rule(Enum):
    """Rows stay with a replacement id, rows about the person go, or text that names the person goes."""

    REPLACE_ID = "stand-in"
    REMOVE = "rows removed"
    REDACT = "text removed"


def roles(table: Table) -> list[Role]:
    """The roles in which people are named by a table."""
    return [role for role in ROLES if rule(table, role)]


def personal(table: Table, role: Role) -> list[str]:
    """Columns of a table that say something of a person in a role. Any text may name anybody."""
    if role == CREATOR and not role.column(table.column_names):
        return ["raw"] if "raw" in table.column_names else []
    return [c.name for c in table.columns if c.privacy in role.classes]


def rule(table: Table, role: Role) -> Rule | None:
    """What is done to a table; None when it has nothing of a person. Raises ContractViolation when nothing fits."""
    names = personal(table, role)
    if not names:
        return None
    whose = role.column(names)
    others = [c for c in table.columns if c.name in names and c.name != whose]
    if _is_about(table, role):
        return Rule.REMOVE
    if all(c.nullable for c in others):
        if names == ["raw"]:
            return Rule.REDACT
        if role.by(table.column_names):
            return Rule.REPLACE_ID
    raise ContractViolation(
        f"{table.name} holds {', '.join(names)} of a {role.name} and erasure has no rule for it. Rows with a viewer_id "
        "need a post or an impression beside it, tables per viewer need it in their key, all else must allow NULL."
    )


def _is_about(table: Table, role: Role) -> bool:
    """Whether rows say nothing but what a person did or is: they go whole."""
    if role == VIEWER:
        return table.per_viewer
    return role.column(table.column_names) is not None and role.by(table.column_names) is None


def holds(table: Table, role: Role, people: Sequence[int]) -> str:
    """Predicate of the rows that name some people, by the pseudonyms where a table holds these."""
    if rule(table, role) is Rule.REDACT:
        return _text_holds(role, "|".join(map(str, people)))
    numbers = {name for person in people for name in (pseudonyms.known_ids(person) if table.per_viewer else [person])}
    return f"{role.column(table.column_names)} IN ({', '.join(map(str, sorted(numbers)))})"


def _text_holds(role: Role, numbers: str) -> str:
    """In a record of creators any number may be the id of one, in all others only what a key says to be."""
    anywhere = f"raw RLIKE '(^|[^0-9])({numbers})([^0-9]|$)'"
    if role == VIEWER:
        return anywhere
    of = [e.name for e in catalog.landing_events() if role.column(f.name for f in e.fields)]
    named = ", ".join(f"'{name}'" for name in sorted(of))
    by_key = suppression.key_pattern(role).replace("\\", "\\\\")
    return f"((event IN ({named}) AND {anywhere}) OR raw RLIKE '{by_key}({numbers})([^0-9]|$)')"


def changed(table: Table, rows: DataFrame, people: Sequence[int], suppressed: SuppressionList) -> DataFrame:
    """Rows as they are after: those that name the people by the table's rule, all others as they were.

    What the contract says to be made of the person's id is made again, as a run that makes the row again will. Versions
    that differed only in what is gone become one, as they will when they are made again.
    """
    role = suppressed.role
    named = F.coalesce(F.expr(holds(table, role, people)), F.lit(False))
    if rule(table, role) is Rule.REMOVE:
        return rows.where(~named)
    whose, by = role.column(rows.columns), role.by(rows.columns)
    new: dict[str, Column] = {name: F.when(~named, F.col(name)) for name in personal(table, role)}
    if whose and by:
        new[whose] = F.when(named, suppressed.replacement(F.col(whose), F.col(by))).otherwise(F.col(whose))
        for name, of_person in table.made_of_person:
            made = F.when(named & F.col(name).isNotNull(), of_person(new[whose]))
            new[name] = made.otherwise(F.col(name))
    after = rows.select(*[new.get(c, F.col(c)).alias(c) for c in rows.columns])
    return scd2.united(after, table).select(*rows.columns) if isinstance(table.write, Scd2) else after
