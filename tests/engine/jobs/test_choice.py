"""Which tables a run makes, by its options."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from etl.engine.jobs import runner
from etl.engine.jobs.runner import Choice


def test_only_critical_tables_of_a_report_alone_are_none() -> None:
    """A run of no table must not become one of all tables."""
    nothing: Any = SimpleNamespace()  # the choice of named tables looks at nothing
    choice = Choice(["mart_user_affinity_daily"], only_critical=True)
    assert runner._chosen(nothing, choice) == ([], ["mart_user_affinity_daily"])
