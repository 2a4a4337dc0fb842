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
    by_rule = {(f["rule"], f["reason"]): f for f in failures if f["rule"] != COMPLETE}
    versions = {(rule.name, rule.reason): rule for rule in _rules(entry)}
    hours: list[datetime | None] = [*entry.processed_hours] or [None]
    for hour in hours:
        for key in versions.keys() | by_rule.keys():
            yield _on_batch(entry, hour, key[0], versions.get(key), by_rule.get(key))
    yield from (_late(entry, each) for each in entry.landed if each.get("expected") or each.get("late"))
    yield from filter(None, (_measured(entry, each) for each in entry.measures))


def _rules(entry: Entry) -> list[Rule]:
    """The rules of today's suite that applied at the time of the run; none when the suite is malformed."""
    try:
        rules = suites.suite(catalog.entry(entry.table_name).table)
    except ContractViolation:
        return []
    return [now for rule in rules if (now := rule.at(entry.started_at))]


def _row(entry: Entry, hour: datetime | None, rule: str, severity: str, verdict: str, **more: Any) -> Row:
    at = entry.started_at.astimezone(UTC)
    common = {"run_id": entry.run_id, "table_name": entry.table_name, "hour": hour, "judged_at": at, "day": at.date()}
    return {**common, "rule": rule, "severity": severity, "verdict": verdict, **more}


def _on_batch(entry: Entry, hour: datetime | None, name: str, rule: Rule | None, failure: dict[str, Any] | None) -> Row:
    """A rule that counts unexpected rows: it allows none. A rule about the batch as a whole has no count."""
    version = rule.version if rule else None
    if failure is None:
        severity = rule.severity if rule else "critical"
        return _row(entry, hour, name, severity, "passed", rule_version=version, observed=0.0, threshold=0.0)
    verdict, count = "broken" if failure["error"] else "failed", failure["count"]
    counted = {} if count is None else {"observed": float(count), "threshold": 0.0}
    return _row(entry, hour, name, failure["severity"], verdict, rule_version=version, **counted)


def _late(entry: Entry, landed: dict[str, Any]) -> Row:
    """The completeness of a landed hour, by its number of records."""
    failed = [f for f in json.loads(entry.failures) if f["rule"] == COMPLETE]
    severity = failed[0]["severity"] if failed else "warning"
    expected = None if landed.get("expected") is None else float(landed["expected"])
    verdict = "failed" if landed.get("late") else "passed"
    records = float(landed["records"])
    return _row(entry, landed["hour"], COMPLETE, severity, verdict, observed=records, expected=expected)


def _measured(entry: Entry, measure: dict[str, Any]) -> Row | None:
    """A rule about history on one hour; None for a rule that does not judge yet, or not any more.

    Its threshold is the end of the band on the side of the value.
    """
    rule, value, expected = _history_rule(entry, measure["rule"]), measure.get("value"), measure.get("expected")
    if rule is None:
        return None
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


def _history_rule(entry: Entry, name: str) -> Rule | None:
    """The rule about history with this name in the suite of today, as it applied at the time of the run."""
    try:
        found = [r for r in suites.history(catalog.entry(entry.table_name).table) if r.history.name == name]
    except ContractViolation:
        return None
    return found[0].at(entry.started_at) if found else None
