"""What Airflow knows of the tables is what the contracts say."""

from __future__ import annotations

from etl.airflow import tables


def test_the_tables_that_airflow_runs_are_those_of_the_contracts() -> None:
    """After a change of a contract `make dags` writes the file again."""
    assert tables.FILE.read_text(encoding="utf-8") == tables.as_text(tables.derived())


def test_no_table_comes_before_what_it_waits_for() -> None:
    """The file's order is an order in which the tables can be made."""
    seen: set[str] = set()
    for step in tables.steps():
        assert set(step.after) <= seen
        seen.add(step.name)
