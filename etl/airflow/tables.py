"""What a DAG must know of a table, written down where the catalogue can be imported and read where it cannot.

The catalogue imports every transform, and with them Spark: seconds and hundreds of modules, each time Airflow reads a
DAG file, in an environment that has no Spark. So `make dags` writes `tables.yaml`; a test fails when it is stale.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import yaml

from etl.model.contract import Table

FILE = Path(__file__).with_name("tables.yaml")
HEADER = "# Made by `make dags` from the contracts: do not edit. `after` is what a table reads or refers to.\n"


@dataclass(frozen=True)
class Step:
    """A table as a task: its subject, layer, owner, and the tables that must be published before it."""

    name: str
    subject: str
    layer: str
    owner: str
    after: list[str]


def derived() -> list[Step]:
    """The steps as the contracts say, in the order data flows. Quarantine has none: landing tasks write it."""
    from etl import catalog

    made = filter(catalog.is_made, catalog.tables())
    return [Step(t.name, _subject(t), t.layer.name.lower(), t.owner, _after(t)) for t in made]


def _subject(table: Table) -> str:
    from etl import catalog

    (subject,) = catalog.subjects_of(table)  # a table of two would need a DAG that waits for both
    return subject


def _after(table: Table) -> list[str]:
    """The steps before a table's; those that write what has no step of its own in its place."""
    from etl import catalog

    found = (catalog.entry(name).table for name in catalog.after(table))
    names = {name for t in found for name in ([t.name] if catalog.is_made(t) else catalog.after(t))}
    return sorted(name for name in names if _subject(catalog.entry(name).table) == _subject(table))


def as_text(steps: list[Step]) -> str:
    """The file's content, the same for the same contracts."""
    return HEADER + yaml.safe_dump([asdict(step) for step in steps], sort_keys=False, width=120)


@cache
def steps(subject: str | None = None) -> tuple[Step, ...]:
    """The steps of a subject, or all, inputs before the tables that read them."""
    found = (Step(**step) for step in yaml.safe_load(FILE.read_text(encoding="utf-8")))
    return tuple(step for step in found if subject in (None, step.subject))


if __name__ == "__main__":
    FILE.write_text(as_text(derived()), encoding="utf-8")
