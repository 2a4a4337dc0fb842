"""The first hour (day) of a table that retention keeps, without a lake."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import pytest
from support import toy_chain
from support.rows import at
from support.toy_chain import days

from etl.model.contract import Table
from etl.operations.retention.window import Window
from etl.subjects.feed.facts import fct_shares

HOURLY = replace(fct_shares.TABLE, name="hourly", retention_days=2)
DAILY = replace(toy_chain.TABLE, name="daily", retention_days=2)
CHAIN = replace(toy_chain.TABLE, retention_days=2)


def window(now: datetime, due: list[datetime] | None = None) -> Window:
    """The window of a lake in which some days of the toy chain are due."""
    return Window(cast(Any, None), now, now, (), {toy_chain.TABLE.name: due or []})


@pytest.mark.parametrize(("table", "first"), [(HOURLY, at("13:00", 8)), (DAILY, at("00:00", 8))])
def test_a_day_is_kept_until_its_last_hour_is_past_the_deadline(table: Table, first: datetime) -> None:
    """Two days before 13:00 of day 10 is 13:00 of day 8. An hour is removed before it, a whole day is not."""
    assert window(at("13:00", 10)).kept_from(table) == first
    assert not window(at("13:00", 10)).held(table)


@pytest.mark.parametrize(
    ("due", "first", "held"), [(days(4, 5), days(3), True), ([], days(8), False)], ids=["day 4 is due", "no day is due"]
)
def test_the_previous_day_of_a_due_day_of_a_chain_is_kept(
    due: list[datetime], first: list[datetime], held: bool
) -> None:
    with toy_chain.registered():
        looked = window(at("13:00", 10), due)
        assert ([looked.kept_from(CHAIN)], looked.held(CHAIN)) == (first, held)
