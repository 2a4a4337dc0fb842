"""What an owner can do about a finding: the command that shows the failing rows, and the next step.

A command holds a rule and paths, never a value of a row. What it prints stays on the terminal of the reader.
"""

from __future__ import annotations

import json
import shlex

from etl.conf import Settings
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.engine.quality.verdict import COMPLETE, WITHIN_HISTORY
from etl.engine.spark.files import absolute
from etl.errors import LOGIN, ContractViolation
from etl.model.contract import Table
from etl.reports.findings import UNREADABLE, Finding, plain
from etl.reports.quality import TableState

NEXT_STEPS = {
    "quarantine_share": "Find the most frequent reasons and report them to the producer of the event.",
    COMPLETE: "Ask the producer for the files and run the hour again once they landed; or change `completeness`.",
    "files_are_readable": "Ask the producer to land complete files again, under the same hour.",
    "suite": "Repair the suite in expectations/ or the machine; a batch without a verdict is never published.",
    "expect_column_values_to_not_be_null": "Find where the value was lost, or allow NULL in the contract.",
    "expect_column_values_to_be_in_set": "Ask the producer about the new value; add it to the contract if it is valid.",
    "expect_column_values_to_be_between": "Check unit and origin of the values; change the bound if they are right.",
    "known)": "Land the missing rows of the dimension's change log, run the dimension, then this table.",
    "live)": "Compare valid_from of the dimension with the time of the rows.",
    WITHIN_HISTORY: "Look for a lost source or a change upstream. If the new level is right, `feed-etl dq accept` it.",
    "records_of_a_key_are_equal": "Ask the producer which record is right, and why one id has two contents.",
    "(key)": "Two rows have the same key: find the source of the second, often a producer that changes a record.",
}
OTHERWISE = "Look at the rows, then repair the source or the rule."
BROKEN = "The rule could not be evaluated, so the gate stayed closed. Repair the rule or its column, then run again."


def shown(uri: str) -> str:
    """A URI without its login, so that a mail may hold it."""
    return LOGIN.sub("//", uri)


def place(settings: Settings) -> str:
    """`feed-etl --lake …` for the lake of these settings."""
    return f"feed-etl --lake {shlex.quote(shown(absolute(settings.lake)))}"


def next_step(finding: Finding) -> str:
    """One sentence that says what to do about a finding."""
    if finding.broken:
        return BROKEN
    known = (step for part, step in NEXT_STEPS.items() if finding.rule.startswith(part) or finding.rule.endswith(part))
    return next(known, OTHERWISE)


def query(settings: Settings, state: TableState, finding: Finding) -> str:
    """The command that shows the rows of a finding, as exactly as the rule can be repeated; empty when none can."""
    sql = _quarantined(state, finding) or _failing(state, finding)
    return f"{place(settings)} \\\n  sql {shlex.quote(sql)}" if sql else ""


def rerun(settings: Settings, state: TableState) -> str:
    """The command that runs all rejected hours again; a run skips the hours that are already published."""
    starts = [e.range_from for e in state.rejections if e.range_from]
    ends = [e.range_to for e in state.rejections if e.range_to]
    if not starts or not ends:
        return ""
    landing = shlex.quote(shown(absolute(settings.landing)))
    interval = f"--from {min(starts):%Y-%m-%dT%H} --to {max(ends):%Y-%m-%dT%H}"
    return f"{place(settings)} \\\n  --landing {landing} \\\n  run {interval}"


def _quarantined(state: TableState, finding: Finding) -> str:
    """SQL over the quarantined records of a finding; empty when the finding is about rows of the table."""
    event = f"event = {_literal(state.table.event.name)}" if state.table.event else ""
    if event and finding.rule == "quarantine_share":
        counted = "SELECT landed_hour, reasons, count(*) AS n FROM quarantine"
        return f"{counted} WHERE {event} GROUP BY ALL ORDER BY n DESC LIMIT 20"
    if event and finding.rule == UNREADABLE:
        files = "SELECT landed_hour, source_file FROM quarantine"
        return f"{files} WHERE {event} AND array_contains(reasons, 'unreadable_file') ORDER BY ALL LIMIT 20"
    return ""


def _failing(state: TableState, finding: Finding) -> str:
    """SQL over the failing rows of the rejected batch; empty when no batch was kept."""
    if not state.rejected_batch:
        return ""
    batch = f"`_rejected/{shown(state.rejected_batch).rpartition('/_rejected/')[2]}`"
    rule = _rule(state.table, finding)
    if rule and "unexpected_rows_query" in rule.kwargs:
        return f"{str(rule.kwargs['unexpected_rows_query']).replace('{batch}', batch)} LIMIT 20"
    where = _outside(rule) if rule else ""
    return f"SELECT * FROM {batch}{where} LIMIT 20"


def _rule(table: Table, finding: Finding) -> Rule | None:
    """The rule in the suite of today; None when it is gone, or when several rules have its name."""
    try:
        named = [r for r in suites.suite(table) if plain(r.name) == finding.rule and plain(r.reason) == finding.reason]
    except ContractViolation:
        return None
    return named[0] if len(named) == 1 and not finding.broken else None


def _outside(rule: Rule) -> str:
    """The WHERE clause that selects the rows that break a column rule; empty for a rule without such a clause."""
    column, low, high = (rule.kwargs.get(k) for k in ("column", "min_value", "max_value"))
    if rule.type == "expect_column_values_to_not_be_null":
        return f" WHERE {column} IS NULL"
    if rule.type == "expect_column_values_to_be_in_set":
        return f" WHERE {column} NOT IN ({', '.join(map(_literal, rule.kwargs['value_set']))})"
    if rule.type == "expect_column_values_to_be_between":
        parts = [f"{column} < {low}"] * (low is not None) + [f"{column} > {high}"] * (high is not None)
        return f" WHERE {' OR '.join(parts)}"
    return ""


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
