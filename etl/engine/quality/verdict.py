"""The verdict of a gate as values. Importing them does not import Great Expectations, which takes seconds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

WITHIN_HISTORY = "expect_within_history"
"""Type of the rules that compare a table-hour with earlier ones: see etl/engine/quality/history_rules.py."""
COMPLETE = "hour_is_complete"
"""Name of the rule that a late hour breaks: see etl/engine/quality/completeness.py."""


@dataclass(frozen=True)
class Failure:
    """A rule that failed.

    count, of: unexpected rows, and rows checked. Both are None for a rule about the batch as a whole, such as its
    number of rows or a mean. samples: some unexpected values or rows. error: why the rule could not be evaluated.
    """

    rule: str
    severity: str
    reason: str
    count: int | None
    of: int | None
    samples: list[Any]
    error: str = ""

    def __str__(self) -> str:
        if self.error:
            return f"{self.rule} could not be evaluated: {self.error}"
        samples = f", e.g. {json.dumps(self.samples[:3], default=str)}" if self.samples else ""
        return f"{self.counted}{samples}"

    @property
    def counted(self) -> str:
        """The failure without values of rows: the text of an error and the samples may hold personal data."""
        if self.error:
            return f"{self.rule} could not be evaluated"
        if self.rule == COMPLETE or self.rule.startswith(WITHIN_HISTORY):
            return f"{self.rule}: {self.reason}"
        if self.count is None:
            return f"{self.rule}: the batch as a whole breaks this rule"
        return f"{self.rule}: {self.count} {f'of {self.of} ' if self.of else ''}rows"


@dataclass(frozen=True)
class Verdict:
    """The result of a gate for one batch.

    rules: number of rules evaluated. seconds: how long the gate took. measured: the value of the expression that was
    measured in the same job; None when there was none or it has no value.
    """

    rules: int
    failures: list[Failure]
    seconds: float = 0.0
    measured: Any = None

    @property
    def passed(self) -> bool:
        """Whether no critical rule failed and every rule, of any severity, could be evaluated."""
        return not any(f.severity == "critical" or f.error for f in self.failures)

    def with_failures(self, extra: list[Failure]) -> Verdict:
        """The verdict with further failures, each of a rule of its own."""
        return replace(self, rules=self.rules + len(extra), failures=self.failures + extra)

    def broke(self, label: str) -> bool:
        """Whether the rule with this label was evaluated and failed."""
        return any(f.rule.endswith(f"({label})") and not f.error for f in self.failures)

    def as_json(self) -> str:
        """The failures as JSON for the ledger: without samples, which may hold personal data."""
        return json.dumps([{k: v for k, v in asdict(f).items() if k != "samples"} for f in self.failures])
