"""The generated `tables.yaml` for Airflow equals the contracts."""

from __future__ import annotations

from etl.airflow import tables


def test_the_generated_file_is_up_to_date() -> None:
    """After a change of a contract, run `make dags`."""
    assert tables.FILE.read_text(encoding="utf-8") == tables.as_text(tables.derived())


def test_every_table_comes_after_the_tables_it_waits_for() -> None:
    """The tables can be built in the order of the file."""
    seen: set[str] = set()
    for step in tables.steps():
        assert set(step.after) <= seen
        seen.add(step.name)
