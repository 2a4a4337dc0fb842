"""Rules about history as charts: the value of each hour, the band that passes, and the hours that were an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from etl.engine.state import measures
from etl.engine.state.ledger import Ledger
from etl.engine.state.measures import Measure
from etl.model.contract import Table
from etl.reports import charts
from etl.reports.axes import hour, number
from etl.reports.figure import Figure
from etl.reports.operations import Interval, tables

DRAWN = 4
"""At most this many rules are drawn: those with alarms first."""


@dataclass(frozen=True)
class HistoryLine:
    """A rule of a table, and the measure of each judged hour of an interval."""

    table: Table
    rule: str
    measures: dict[datetime, Measure]

    @property
    def alarms(self) -> list[datetime]:
        """The hours outside the band, oldest first."""
        return [at for at, each in self.measures.items() if each["verdict"] == "failed"]


def of_ledger(ledger: Ledger, interval: Interval) -> list[HistoryLine]:
    """The rules that judged an hour of an interval: those with most alarms first, at most four."""
    found = [line for table in tables(ledger) for line in _of_table(ledger, table, interval)]
    return sorted(found, key=lambda line: -len(line.alarms))[:DRAWN]


def _of_table(ledger: Ledger, table: Table, interval: Interval) -> Iterator[HistoryLine]:
    for rule, hours in measures.known_hours(ledger.published(table.name)).measures.items():
        judged = {h: hours[h] for h in sorted(hours) if interval[0] <= h < interval[1] and hours[h].get("verdict")}
        if judged:
            yield HistoryLine(table, rule, judged)


def figure(line: HistoryLine, hours: list[datetime]) -> Figure:
    """The chart of a rule over all hours of the page."""
    name = f"history-{line.table.name}-{''.join(c if c.isalnum() else '-' for c in line.rule)}"
    values = {at: float(each["value"]) for at, each in line.measures.items()}
    band = {at: (float(each["low"]), float(each["high"])) for at, each in line.measures.items()}
    svg = charts.band(name, hours, values, band, set(line.alarms), number)
    rows = [
        [hour(at), number(values[at]), number(float(each["expected"])), *map(number, band[at]), each["verdict"]]
        for at, each in line.measures.items()
    ]
    count = len(line.alarms)
    last = f", last {hour(line.alarms[-1])}" if count else ""
    says = f"{count} of {len(rows)} judged hours are outside the band{last}."
    columns = ["Hour", "Value", "Expected", "Lowest", "Highest", "Verdict"]
    unit = "the band is what earlier weeks had at this hour of the week; a cross is an alarm"
    return Figure(name, f"{line.table.name}: {line.rule}", unit, says, svg, columns, rows)
