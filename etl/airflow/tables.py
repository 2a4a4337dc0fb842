"""What a DAG must know of a table, written down where the catalogue can be imported and read where it cannot.

The catalogue imports every transform, and with them Spark: seconds and hundreds of modules, each time Airflow reads a
DAG file, in an environment that has no Spark. So `make dags` writes `tables.yaml`; a test fails when it is stale.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import yaml

from etl.contract import Table

FILE = Path(__file__).with_name("tables.yaml")
HEADER = "# Made by `make dags` from the contracts: do not edit. `after` is what a table reads or refers to.\n"


@dataclass(frozen=True)
class Step:
    """A table as a task: its layer, who owns it, and the tables that must be published before it."""

    name: str
    layer: str
    owner: str
    after: list[str]


def derived() -> list[Step]:
    """The steps as the contracts say, in the order data flows. Quarantine has none: landing tasks write it."""
    from etl import catalog

    return [Step(t.name, t.layer.name.lower(), t.owner, _after(t)) for t in filter(catalog.is_made, catalog.tables())]


def _after(table: Table) -> list[str]:
    """The steps before a table's; those that write what has no step of its own in its place."""
    from etl import catalog

    found = (catalog.entry(name).table for name in catalog.after(table))
    return sorted({name for t in found for name in ([t.name] if catalog.is_made(t) else catalog.after(t))})


def as_text(steps: list[Step]) -> str:
    """The file's content, the same for the same contracts."""
    return HEADER + yaml.safe_dump([asdict(step) for step in steps], sort_keys=False, width=120)


@cache
def steps() -> tuple[Step, ...]:
    """Every step, inputs before the tables that read them."""
    return tuple(Step(**step) for step in yaml.safe_load(FILE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    FILE.write_text(as_text(derived()), encoding="utf-8")
