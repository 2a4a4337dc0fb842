"""New fields and new values of a set, as the owner's mail names them. No Spark is needed."""

from __future__ import annotations

from datetime import datetime, timedelta

from support.rows import at

from etl.engine.state.entry import Entry
from etl.model.contract import Column, Event
from etl.reports import news

EVENT = Event("toys", (Column("toy_id", "BIGINT", "A toy"), Column("color", "STRING", "Its color", values=("red",))))


def run(hour: datetime, read: int, **counts: float) -> Entry:
    """The ledger row of a run over a landed hour. counts: `field_xyz` or `color_blue`, and records."""
    prefixes = {"field": "new_field:", "color": "new_value:color="}
    metrics = {prefixes[name.partition("_")[0]] + name.partition("_")[2]: n for name, n in counts.items()}
    return Entry(
        "run", "bronze_toys", hour + timedelta(hours=1), processed_hours=[hour], records_read=read, metrics=metrics
    )


def test_the_share_counts_since_the_first_hour_with_the_field() -> None:
    """100 of 1,000 records since ten o'clock; all records of the lake would give 5 %."""
    history = [run(at("09:00"), 1000), run(at("10:00"), 500, field_xyz=100.0), run(at("11:00"), 500)]
    assert news.lines(EVENT, history, history) == ["new field seen: toys.xyz, 10 % of records since 2026-06-01 10:00"]


def test_a_field_of_earlier_days_is_not_news() -> None:
    history = [run(at("10:00"), 500, field_xyz=100.0), run(at("11:00"), 500)]
    assert news.lines(EVENT, history[1:], history) == []


def test_a_new_value_is_named_with_its_share() -> None:
    history = [run(at("10:00"), 2000, color_blue=5.0)]
    assert news.lines(EVENT, history, history) == [
        "new value seen: toys.color = blue, 0.25 % of records since 2026-06-01 10:00, quarantined"
    ]


def test_what_the_contract_has_meanwhile_is_not_news() -> None:
    history = [run(at("10:00"), 10, field_toy_id=1.0, color_red=1.0)]
    assert news.lines(EVENT, history, history) == []


def test_a_name_cannot_forge_a_line_of_the_mail() -> None:
    history = [run(at("10:00"), 10, **{"field_a\nAll is well": 1.0})]
    (line,) = news.lines(EVENT, history, history)
    assert "\n" not in line
