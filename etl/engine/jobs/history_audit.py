"""The part of an audit that compares the hours of a batch with earlier ones, which the ledger knows.

The judged hours are those that the run processed, as they are after the publish. A shard has only a part of the rows,
so nothing is judged. The other measures than the row count are those of the largest batch of an hour: the records that
arrive late do not replace them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from etl.engine.delta.checksums import Content
from etl.engine.jobs.run_context import RunContext
from etl.engine.quality import history_gate, suites
from etl.engine.quality.history import MIN_WEEKS, Calendar, Judgment
from etl.engine.quality.history_categories import INDEX_FAILURE
from etl.engine.quality.measuring import Measured
from etl.engine.quality.rule import Rule, Severity
from etl.engine.quality.verdict import Failure
from etl.engine.state import measures
from etl.engine.state.entry import Entry
from etl.engine.state.measures import ROW_COUNT, KnownHours, Measure
from etl.errors import ContractViolation, first_line
from etl.model.contract import InsertNew, Table


def failures(
    context: RunContext, table: Table, entry: Entry, batch: Batch, after: Mapping[datetime, Content]
) -> list[Failure]:
    """The failures of the rules about history. The entry gets the measures and the judgment on each.

    after: hour -> content after the publish, of the hours that the batch changes. A rule that cannot be evaluated is a
    failure, too. A backfill measures and does not judge: it compares its hours with the published ones.
    """
    try:
        rules = suites.history(table)
        if not rules or context.shard_of(table):
            return []
        published = context.ledger.published(table.name)
        hours = _Hours(context, table, entry, published, measures.known_hours(published))
        entry.measures = [each for rule in rules for each in hours.measures(rule, batch, after)]
        in_force = [now for rule in rules if (now := rule.at(entry.started_at))]
        return hours.judge(in_force) if context.judges_history and in_force else []
    except ContractViolation:  # the gate says that the suite is malformed
        return []
    except Exception as error:  # of any kind: a rule that was not evaluated must not pass
        why = "A rule about history that raises an exception does not pass."
        return [Failure("suite", "critical", why, None, None, [], first_line(error, 300))]


@dataclass(frozen=True)
class Batch:
    """What the audit found in a batch: hour -> content, and hour -> name of a rule -> measure."""

    contents: Mapping[datetime, Content]
    measured: Measured


@dataclass(frozen=True)
class _Hours:
    """The processed hours of a run, the published rows of the table in the ledger, and what these know of hours."""

    context: RunContext
    table: Table
    entry: Entry
    published: list[Entry]
    known: KnownHours

    def measures(self, rule: Rule, batch: Batch, after: Mapping[datetime, Content]) -> list[Measure]:
        """The measure of each processed hour, without a judgment yet."""
        name = rule.history.name
        if name == ROW_COUNT:
            rows = {h: after[h].rows if h in after else self.known.rows.get(h, 0) for h in self.entry.processed_hours}
            return [{"hour": hour, "rule": name, "rows": n, "value": float(n)} for hour, n in rows.items()]
        found = (self._measure(name, hour, batch) for hour in self.entry.processed_hours)
        return [each for each in found if each]

    def _measure(self, name: str, hour: datetime, batch: Batch) -> Measure | None:
        """The measure of an hour; None when the batch has no row of it, or fewer than an earlier batch of a fact."""
        rows, value = batch.contents.get(hour, Content()).rows, batch.measured.get(hour, {}).get(name)
        before = self.known.measures.get(name, {}).get(hour)
        is_smaller = isinstance(self.table.write, InsertNew) and before is not None and before["rows"] > rows
        if not rows or value is None or is_smaller:
            return None
        return {"hour": hour, "rule": name, "rows": rows, "categories" if isinstance(value, dict) else "value": value}

    def judge(self, rules: list[Rule]) -> list[Failure]:
        """Judge the measures of the entry. Without weeks of history there is nothing to judge by."""
        judged = sorted({each["hour"] for each in self.entry.measures})
        if not judged or min(self.known.rows, default=judged[-1]) > judged[-1] - timedelta(weeks=MIN_WEEKS):
            return []
        frame = self._frame(rules, judged)
        found = zip(rules, history_gate.judge_frame(frame, rules), strict=True)
        return [failure for rule, judgments in found for failure in self._note(rule, judgments, judged)]

    def _frame(self, rules: list[Rule], judged: list[datetime]) -> pd.DataFrame:
        """The frame that Great Expectations judges: see history_gate.py."""
        settings = self.context.settings.history
        calendar = Calendar(settings.timezone, frozenset(settings.holidays))
        first = min(judged) - measures.KEPT
        hours = sorted(hour for hour in self.known.rows if first <= hour and hour not in judged)
        frame = pd.DataFrame({"number": calendar.numbers([*hours, *judged])})
        frame["judged"] = [False] * len(hours) + [True] * len(judged)
        frame["rows"] = [float(self.known.rows[hour]) for hour in hours] + [np.nan] * len(judged)
        for rule in rules:
            frame[rule.history.name] = pd.Series(
                [*self._past(rule, hours), *self._observed(rule, judged)], dtype=object
            )
        return frame

    def _past(self, rule: Rule, hours: list[datetime]) -> list[Any]:
        """The values of a rule's history. Hours that broke the rule or lie before an accepted shift have none."""
        name, known = rule.history.name, self.known
        failed = known.failed(name)
        first = measures.accepted_from(self.context.ledger, self.table.name, name)
        values = known.rows if name == ROW_COUNT else {h: _value(m) for h, m in known.measures.get(name, {}).items()}
        return [np.nan if h in failed or (first and h < first) else values.get(h, np.nan) for h in hours]

    def _observed(self, rule: Rule, judged: list[datetime]) -> list[Any]:
        """The values to judge. Hours that were published before the rule's `since` have none."""
        values = {each["hour"]: _value(each) for each in self.entry.measures if each["rule"] == rule.history.name}
        old = _published_before(self.published, rule.starts)
        return [np.nan if hour in old else values.get(hour, np.nan) for hour in judged]

    def _note(self, rule: Rule, judgments: list[Judgment], judged: list[datetime]) -> list[Failure]:
        """Note the judgments in the measures; returns the failures."""
        name, found = rule.history.name, []
        measured = {each["hour"]: each for each in self.entry.measures if each["rule"] == name}
        for hour, judgment in zip(judged, judgments, strict=True):
            if hour not in measured or judgment.verdict == "none":
                continue
            severity = _severity(rule, judgment)
            measured[hour] |= {"verdict": judgment.verdict, "severity": severity, "expected": judgment.expected}
            measured[hour] |= {"value": judgment.observed, "low": judgment.low, "high": judgment.high}
            if judgment.verdict == "failed":
                since = self.known.failed_since(name, hour)
                found.append(Failure(rule.name, severity, _message(rule, hour, judgment, since), None, None, []))
        return found


def _published_before(published: list[Entry], instant: datetime | None) -> set[datetime]:
    """The hours that were published before an instant; none without one."""
    return {hour for e in published if instant and e.started_at < instant for hour in e.processed_hours}


def _value(measure: Measure) -> Any:
    """The value or the categories of a measure; NaN when it has neither."""
    found = measure.get("categories") or measure.get("value")
    return np.nan if found is None else found


def _severity(rule: Rule, judgment: Judgment) -> Severity:
    """A change of categories that is not a large one is a warning."""
    is_small = rule.history.kind is None and judgment.observed <= INDEX_FAILURE
    return "warning" if is_small and rule.severity == "critical" else rule.severity


def _message(rule: Rule, hour: datetime, found: Judgment, since: datetime) -> str:
    """What was observed, what was expected, and since when it is so."""
    at, begin = f"{hour:%Y-%m-%dT%H}", "" if since == hour else f", since {since:%Y-%m-%dT%H}"
    if rule.history.kind is None:
        return f"{at}: stability index {found.observed:.2f}, expected below {found.high:.2f}{begin}. {rule.reason}"
    observed, expected, low, high = (
        number(each) for each in (found.observed, found.expected, found.low, found.high) if each is not None
    )
    return f"{at}: {observed}, expected {expected} ({low} to {high}){begin}. {rule.reason}"


def number(value: float) -> str:
    """A number with about four digits, thousands separated: `12,346`, `0.0123`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
