"""The results of all rules of a run as rows of `dq_result`, derived from its ledger rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from etl import catalog
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.engine.quality.verdict import COMPLETE, WITHIN_HISTORY
from etl.engine.state.entry import Entry
from etl.errors import ContractViolation

Row = dict[str, Any]
JUDGED = ("passed", "failed")


def of_entries(entries: Iterable[Entry]) -> list[Row]:
    """A row for each hour and rule that ledger rows report. Rows that report no audit give none."""
    return [row for entry in entries if entry.verdict in JUDGED and entry.rules for row in _of_entry(entry)]


def _of_entry(entry: Entry) -> Iterator[Row]:
    """The rules on the batch, for each of its hours; late hours; and the rules about history.

    A rule on a batch does not say which of its hours broke it, so all of them have its verdict.
    """
    failures = [f for f in json.loads(entry.failures) if not f["rule"].startswith(WITHIN_HISTORY)]
    of_batch = {(f["rule"], f["reason"]): f for f in failures if f["rule"] != COMPLETE}
    rules = _rules(entry)
    by_name = {(rule.name, rule.reason): rule for rule in rules if not rule.is_about_history}
    hours: list[datetime | None] = [*entry.processed_hours] or [None]
    for key in by_name.keys() | of_batch.keys():
        row = _on_batch(entry, key[0], by_name.get(key), of_batch.get(key))
        yield from ({**row, "hour": hour} for hour in hours)
    severity = next((f["severity"] for f in failures if f["rule"] == COMPLETE), "warning")
    yield from (_late(entry, each, severity) for each in entry.landed if each.get("expected") or each.get("late"))
    by_measure = {rule.history.name: rule for rule in rules if rule.is_about_history}
    for each in entry.measures:
        if rule := by_measure.get(each["rule"]):  # a rule that does not judge yet, or not any more, has no row
            yield _measured(entry, rule, each)


def _rules(entry: Entry) -> list[Rule]:
    """The rules of today's suite that applied at the time of the run; none when the suite is malformed."""
    try:
        rules = suites.all_rules(catalog.entry(entry.table_name).table)
    except ContractViolation:
        return []
    return [now for rule in rules if (now := rule.at(entry.started_at))]


def _row(entry: Entry, hour: datetime | None, rule: str, severity: str, verdict: str, **more: Any) -> Row:
    at = entry.started_at.astimezone(UTC)
    common = {"run_id": entry.run_id, "table_name": entry.table_name, "hour": hour, "judged_at": at, "day": at.date()}
    return {**common, "rule": rule, "severity": severity, "verdict": verdict, **more}


def _on_batch(entry: Entry, name: str, rule: Rule | None, failure: dict[str, Any] | None) -> Row:
    """A rule that counts unexpected rows, without its hour: it allows none. One about the whole batch has no count."""
    version = rule.version if rule else None
    if failure is None:
        severity = rule.severity if rule else "critical"
        return _row(entry, None, name, severity, "passed", rule_version=version, observed=0.0, threshold=0.0)
    verdict, count = "broken" if failure["error"] else "failed", failure["count"]
    counted = {} if count is None else {"observed": float(count), "threshold": 0.0}
    return _row(entry, None, name, failure["severity"], verdict, rule_version=version, **counted)


def _late(entry: Entry, landed: dict[str, Any], severity: str) -> Row:
    """The completeness of a landed hour, by its number of records."""
    expected = None if landed.get("expected") is None else float(landed["expected"])
    verdict = "failed" if landed.get("late") else "passed"
    records = float(landed["records"])
    return _row(entry, landed["hour"], COMPLETE, severity, verdict, observed=records, expected=expected)


def _measured(entry: Entry, rule: Rule, measure: dict[str, Any]) -> Row:
    """A rule about history on one hour. Its threshold is the end of the band on the side of the value."""
    value, expected = measure.get("value"), measure.get("expected")
    is_below = value is not None and expected is not None and value < expected
    return _row(
        entry,
        measure["hour"],
        f"{WITHIN_HISTORY}({measure['rule']})",
        measure.get("severity") or rule.severity,
        measure.get("verdict") or "none",
        rule_version=rule.version,
        observed=value,
        expected=expected,
        threshold=measure.get("low" if is_below else "high"),
    )
