"""How far the tables of a lake are behind the landing zone, by its ledger."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from etl import catalog
from etl.engine.landing.arrivals import EMPTY
from etl.engine.state import planner
from etl.engine.state.ledger import Ledger
from etl.model.contract import Table
from etl.reports import operations


@dataclass(frozen=True)
class Freshness:
    """The newest hour (day) of a table, and how many hours (days) wait to be processed. None: it was never written."""

    table: Table
    newest: datetime | None
    behind_hours: int | None


def newest_landed(ledger: Ledger) -> datetime | None:
    """The newest hour with landed files that any run has read, whether it published or rejected the hour."""
    return max(landed(ledger, list(catalog.subjects())), default=None)


def landed(ledger: Ledger, of: Collection[str]) -> set[datetime]:
    """Hours with landed files of some subjects that any run has read, whether it published or rejected them."""
    bronze = {t.name for t in catalog.tables() if t.event and catalog.subjects_of(t) & set(of)}
    hours = [h for e in ledger.entries if e.table_name in bronze for h, f in e.fingerprints.items() if f != EMPTY]
    return set(map(datetime.fromisoformat, hours))


def of_tables(ledger: Ledger) -> list[Freshness]:
    """The freshness of every table of the subjects that ran, except quarantine, which depends on bad records."""
    newest = {name: max(landed(ledger, [name]), default=None) for name in operations.subjects(ledger.entries)}
    found = dict[str, Freshness]()
    for table in operations.tables(ledger):
        if catalog.has_job(table):
            landed_hours = [hour for name in catalog.subjects_of(table) if (hour := newest.get(name))]
            found[table.name] = _fresh(ledger, table, max(landed_hours, default=None), found)
    return list(found.values())


def _fresh(ledger: Ledger, table: Table, landed: datetime | None, inputs: dict[str, Freshness]) -> Freshness:
    """The freshness of one table. `landed` is the newest landed hour of its subjects, `inputs` those of its inputs.

    A bronze table is behind by the hours that landed after its newest one. Any other table is behind by its due hours,
    and at least as far as its inputs. Hours after `landed` do not count: a table that looks ahead has been made for
    future hours, which hold nothing yet.
    """
    made = {h for e in ledger.published(table.name) for h in e.processed_hours}
    newest = max([h for h in made if landed is None or h <= landed], default=None)
    behind = len(planner.due(ledger, table, None))
    if table.event and newest and landed:
        behind = max(0, int((landed - newest) / planner.HOUR))
    inputs_behind = [inputs[i.table.name].behind_hours or 0 for i in table.inputs if i.table.name in inputs]
    behind = max([behind, *inputs_behind])
    return Freshness(table, newest, None if newest is None and not behind else behind)
