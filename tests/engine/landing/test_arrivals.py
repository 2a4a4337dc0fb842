"""What a change of an input reaches: every output that reads it, in hours or in days."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from support.rows import at

from etl.engine.jobs import derivejob
from etl.engine.state import planner
from etl.model.contract import Input, Layer, Replace, Table


def table(partition: str) -> Table:
    return Table("t", Layer.FACTS, (), (), Replace(), "ads", partition=(partition,))


HOURLY, DAILY = table("hour"), table("day")


@pytest.mark.parametrize(("source", "around", "output", "changed", "reached"), [
    (HOURLY, {}, HOURLY, at("10:00"), [at("10:00")]),
    (HOURLY, {}, DAILY, at("10:00"), [at("00:00")]),
    (HOURLY, {"behind_hours": 2}, HOURLY, at("22:00"), [at("22:00"), at("23:00"), at("00:00", 2)]),
    (HOURLY, {"ahead_hours": 1}, HOURLY, at("00:00", 2), [at("23:00"), at("00:00", 2)]),
    (HOURLY, {"behind_hours": 6, "ahead_hours": 6}, DAILY, at("12:00"), [at("00:00")]),
    (HOURLY, {"behind_hours": 14, "ahead_hours": 12}, DAILY, at("10:00", 2), [at("00:00", day) for day in (1, 2, 3)]),
    (DAILY, {"behind_hours": 48}, DAILY, at("00:00"), [at("00:00", day) for day in (1, 2, 3)]),
    (DAILY, {"ahead_hours": 1}, DAILY, at("00:00", 2), [at("00:00"), at("00:00", 2)]),
])  # fmt: skip
def test_a_change_reaches_each_output_that_reads_it_and_no_other(
    source: Table, around: dict[str, Any], output: Table, changed: datetime, reached: list[datetime]
) -> None:
    """Held against what is really read: an output is reached when the changed hour is among its inputs."""
    given = Input(source, **around)
    steps = [at("00:00", day).replace(hour=hour) for day in range(1, 5) for hour in range(24)]
    outputs = sorted({planner.grain(output, hour) for hour in steps})
    reading = [out for out in outputs if changed in derivejob.input_hours(given, output, [out])]

    assert sorted(planner.reached(given, output, changed)) == reached
    assert set(reading) <= set(reached)
