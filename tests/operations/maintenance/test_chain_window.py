"""Retention keeps the day before the first due day of a chain, because that day is made from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import pytest
from support import toy_chain
from support.toy_chain import TABLE, days

from etl.operations.retention.window import Window

NOW = days(10)[0]


@pytest.mark.parametrize(("due", "kept_from"), [(days(4, 5), days(3)), ([], days(8))], ids=["day 4 is due", "no day"])
def test_the_previous_day_of_a_due_day_is_kept(due: list[datetime], kept_from: list[datetime]) -> None:
    window = Window(cast(Any, None), NOW, NOW, (), {TABLE.name: due})
    with toy_chain.registered():
        assert [window.kept_from(replace(TABLE, retention_days=2))] == kept_from
