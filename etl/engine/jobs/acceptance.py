"""Accepts a level shift: from an hour on a table has a new usual level, and only later hours are history of a rule."""

from __future__ import annotations

from datetime import datetime

from etl import catalog
from etl.engine.jobs.run_context import RunContext, record
from etl.engine.quality import suites
from etl.engine.state.entry import ACCEPTED, Entry
from etl.errors import ConfigError
from etl.model.contract import Table


def find(text: str) -> tuple[Table, str]:
    """The table and the name of the rule about history that `TABLE.RULE` names.

    Raises ConfigError, which lists the known ones, for an unknown table or rule.
    """
    name, _, wanted = text.partition(".")
    table = catalog.entry(name).table
    known = [rule.history.name for rule in suites.history(table)]
    if wanted not in known:
        listed = ", ".join(f"{name}.{each}" for each in known) or "none"
        raise ConfigError(f"There is no rule about history {text!r}. Rules of {name}: {listed}.")
    return table, wanted


def accept(context: RunContext, text: str, start: datetime, reason: str = "") -> Entry:
    """Record in the ledger that the level of a rule is right from an hour on. Raises ConfigError as `find` does."""
    table, rule = find(text)
    entry = Entry(context.run_id, table.name, context.ledger.now(), accepted_rule=rule, accepted_from=start)
    record(context, entry, ACCEPTED, reason)
    context.ledger.flush()
    return entry
