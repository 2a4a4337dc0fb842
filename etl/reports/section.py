"""A section of the dashboard, and the interface of the plugin with which a subject adds its own sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.state.ledger import Ledger
from etl.reports.figure import Figure
from etl.reports.operations import Interval
from etl.reports.tile import Tile

if TYPE_CHECKING:
    from etl.reports.health import Health


@dataclass(frozen=True)
class TableCard:
    """A table below the charts of a section. Every cell is text; the page escapes it.

    `anchor` is the HTML id of the heading. `note` is a sentence above the rows. `empty` replaces the table when it has
    no rows. Cells of `text_columns` hold free text: the page wraps them and cuts them at 120 characters.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    anchor: str = ""
    note: str = ""
    empty: str = "No rows."
    text_columns: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A heading with tiles, charts and tables. `name` is the HTML id of the heading and must be unique on the page.

    `note` is a sentence below the heading. `sources` goes to the footer: what the section reads besides rollups, marts,
    dimensions and the ledger; empty when it reads nothing else.
    """

    name: str
    title: str
    tiles: Sequence[Tile]
    figures: Sequence[Figure]
    note: str = ""
    cards: Sequence[TableCard] = field(default=())
    sources: str = ""


class DashboardPlugin(Protocol):
    """What the module or package `etl/subjects/<subject>/dashboard` defines, for a subject that has a dashboard.

    The dashboard calls it only for subjects that ran in the lake. The SQL files of `run_page_query` are next to the
    plugin, one query a file.
    """

    def collect(self, spark: SparkSession, settings: Settings, interval: Interval, ledger: Ledger) -> Any:
        """Read everything the sections show of a half-open range of hours, and return it as plain values."""

    def sections(self, found: Any, health: Health) -> list[Section]:
        """Turn the values of `collect` into sections, in the order of the page. Pure: it needs no Spark."""
