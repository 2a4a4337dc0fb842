"""A rule: one expectation of a suite, with its severity, its reason and the day from which on it judges."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from etl.engine.quality import history_rules
from etl.engine.quality.history_rules import HistoryRule
from etl.engine.quality.verdict import WITHIN_HISTORY

Severity = Literal["critical", "warning", "info"]
SHADOW = timedelta(weeks=2)
"""So long after its `since` a critical rule is a warning."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Rule:
    """One expectation: type and arguments as in Great Expectations, the severity of a failure, and the reason.

    since: the day (UTC) from which on the rule judges. It is for rules that are new or stricter: hours that were
    published before do not fail by it.
    """

    type: str
    kwargs: dict[str, Any]
    severity: Severity
    reason: str
    since: date | None = None

    @property
    def query(self) -> str:
        """The SQL query for unexpected rows; empty for rules of other types."""
        return str(self.kwargs.get("unexpected_rows_query", ""))

    @property
    def name(self) -> str:
        """A short name: `type(column)` or `type(label)`."""
        subject = self.kwargs.get("column") or self.kwargs.get("label") or ""
        return f"{self.type}({self.history.name if self.is_about_history else subject})"

    @property
    def is_about_history(self) -> bool:
        """Whether the rule compares a table-hour with earlier ones."""
        return self.type == WITHIN_HISTORY

    @property
    def history(self) -> HistoryRule:
        """The arguments of a rule about history."""
        return history_rules.parse(self.kwargs)

    @property
    def version(self) -> str:
        """A short hash of what the rule says. Its severity is not part of it."""
        text = json.dumps([self.type, self.kwargs], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def starts(self) -> datetime | None:
        """The instant from which on the rule judges; None when it always did."""
        return None if self.since is None else datetime.combine(self.since, time(), UTC)

    def at(self, now: datetime) -> Rule | None:
        """The rule as it holds now: None before its `since`, and at most a warning in the two weeks after it."""
        if self.starts is None or now >= self.starts + SHADOW or (now >= self.starts and self.severity != "critical"):
            return self
        return replace(self, severity="warning") if now >= self.starts else None
