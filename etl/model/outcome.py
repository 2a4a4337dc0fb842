"""The outcome of a table: how a run ended for it. `feed-etl run --outcomes` prints it, and Airflow reads it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["passed", "unchanged", "failed", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended for one table. No text in it comes from a record, so a scheduler may store it.

    text: the error of a failed table; of a skipped one, the table that it reads. exit_code: of the error. warnings: the
    rules that failed as warnings, each with its number of rows.
    """

    table: str
    state: State
    text: str = ""
    exit_code: int = 0
    rows_written: int = 0
    rules: int = 0
    seconds: float = 0.0
    warnings: str = ""

    def __str__(self) -> str:
        if self.state == "failed":
            return self.text
        if self.state == "skipped":
            return f"{self.table} was not run: {self.text}, which it reads, failed"
        if self.state == "unchanged":
            return f"{self.table} was up to date"
        counts = f"{self.rules} rules, {self.rows_written} rows written, {self.seconds:.1f} s"
        warnings = f"; warnings: {self.warnings}" if self.warnings else ""
        return f"{self.table} passed its audit and was published: {counts}{warnings}"

    def as_line(self, prefix: str) -> str:
        """One line of text that `from_line` reads."""
        return f"{prefix} {json.dumps(asdict(self))}"

    @classmethod
    def from_line(cls, prefix: str, line: str) -> Outcome | None:
        """The outcome in a line of output. None when the line does not begin with the prefix."""
        found, _, document = line.strip().partition(" ")
        return cls(**json.loads(document)) if found == prefix else None
