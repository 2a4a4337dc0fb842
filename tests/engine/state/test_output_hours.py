"""`output_hours`: which outputs a changed hour (day) of an input affects, in hours and in days."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from support.rows import at

from etl.engine.jobs import derive
from etl.engine.state import planner
from etl.model.contract import Input, Layer, Replace, Table


def table(partition: str) -> Table:
    return Table("t", Layer.FACTS, (), (), Replace(), "ads", partition=(partition,))


HOURLY, DAILY = table("hour"), table("day")


@pytest.mark.parametrize(("source", "around", "output", "changed", "affected"), [
    (HOURLY, {}, HOURLY, at("10:00"), [at("10:00")]),
    (HOURLY, {}, DAILY, at("10:00"), [at("00:00")]),
    (HOURLY, {"behind_hours": 2}, HOURLY, at("22:00"), [at("22:00"), at("23:00"), at("00:00", 2)]),
    (HOURLY, {"ahead_hours": 1}, HOURLY, at("00:00", 2), [at("23:00"), at("00:00", 2)]),
    (HOURLY, {"behind_hours": 6, "ahead_hours": 6}, DAILY, at("12:00"), [at("00:00")]),
    (HOURLY, {"behind_hours": 14, "ahead_hours": 12}, DAILY, at("10:00", 2), [at("00:00", day) for day in (1, 2, 3)]),
    (DAILY, {"behind_hours": 48}, DAILY, at("00:00"), [at("00:00", day) for day in (1, 2, 3)]),
    (DAILY, {"ahead_hours": 1}, DAILY, at("00:00", 2), [at("00:00"), at("00:00", 2)]),
])  # fmt: skip
def test_a_changed_hour_affects_every_output_that_reads_it_and_no_other(
    source: Table, around: dict[str, Any], output: Table, changed: datetime, affected: list[datetime]
) -> None:
    """The oracle is `input_hours`: every output that reads the changed hour must be among the affected ones."""
    reading = Input(source, **around)
    hours = [at("00:00", day).replace(hour=hour) for day in range(1, 5) for hour in range(24)]
    outputs = sorted({planner.grain(output, hour) for hour in hours})
    outputs_that_read = [out for out in outputs if changed in derive.input_hours(reading, output, [out])]

    assert sorted(planner.output_hours(reading, output, changed)) == affected
    assert set(outputs_that_read) <= set(affected)
