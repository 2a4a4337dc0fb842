"""Maintenance that is killed, or that a file system refuses: tables stay readable, and it can be run again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.aged import HOUR
from support.local_lake import END, local_settings

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import runner
from etl.engine.spark import files
from etl.engine.sql import views
from etl.engine.state.ledger import Ledger
from etl.errors import LakeError
from etl.operations.maintenance import driver

LATE = END + 31 * 24 * HOUR
TABLES = [catalog.entry(name).table for name in shares.TABLES]


class Killed(BaseException):
    """Stands for SIGKILL: nothing that the process does after it has an effect."""


class Ending:
    """Raises Killed at the nth call of a function, before or after the call. No later call is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int, before: bool) -> None:
        self.left, self.dead = at, False
        for where, what in ((files, "delete"), (Transaction, "commit"), (Ledger, "flush")):
            last = at if (where, what) == (owner, name) else -1
            monkeypatch.setattr(where, what, self._wrapped(getattr(where, what), last >= 0, before))

    def _wrapped(self, called: Callable[..., Any], counts: bool, before: bool) -> Callable[..., Any]:
        def ending(*args: Any, **named: Any) -> Any:
            if self.dead:
                raise Killed
            self.left -= counts
            if not counts or self.left >= 0:
                return called(*args, **named)
            self.dead = True
            if not before:
                called(*args, **named)
            raise Killed

        return ending


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Settings:
    """A lake in which everything is past its deadline at LATE."""
    return shares.lake_with_share(spark, local_settings(tmp_path))


def all_is_gone_and_readable(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    """Run maintenance again and check that all is removed. A copy is read, so that no cache hides a fault."""
    driver.maintain(spark, settings, LATE, dry_run=False, yes=True)
    assert shares.landed(settings) == []
    moved = settings.model_copy(update={"lake": str(tmp_path / "copy")})
    shutil.copytree(settings.lake, moved.lake)
    for table in TABLES:
        assert delta.read(spark, views.uri(moved, table)).isEmpty()
        assert not list(Path(moved.lake, table.layer.name.lower(), table.name).glob("*=*/*.parquet"))
    assert runner.run(spark, settings, END - 3 * HOUR, END, tables=shares.TABLES).entries == []


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("owner", "name", "at"),
    [(files, "delete", 0), (files, "delete", 1), (Transaction, "commit", 0), (Ledger, "flush", 1)],
)
def test_maintenance_killed_anywhere_and_run_again_removes_all_and_breaks_nothing(
    spark: SparkSession, lake: Settings, tmp_path: Path, owner: Any, name: str, at: int, before: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        Ending(patch, owner, name, at, before)
        driver.maintain(spark, lake, LATE, dry_run=False, yes=True)
    for table in TABLES:
        delta.read(spark, views.uri(lake, table)).collect()
    settings = lake.model_copy(
        update={"maintenance": lake.maintenance.model_copy(update={"readers_hours": 0})}  # files of a version before
    )
    all_is_gone_and_readable(spark, settings, tmp_path)


def test_every_action_is_tried_when_the_file_system_removes_nothing(
    spark: SparkSession, lake: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed action does not stop the next one. When the file system works again, maintenance does all."""

    def refusing(_session: SparkSession, uri: str) -> None:
        raise LakeError(f"{uri} cannot be removed")

    with monkeypatch.context() as patch, pytest.raises(LakeError, match=r"more failed.*All else was done"):
        patch.setattr(files, "delete", refusing)
        driver.maintain(spark, lake, LATE, dry_run=False, yes=True)
    settings = lake.model_copy(update={"maintenance": lake.maintenance.model_copy(update={"readers_hours": 0})})
    all_is_gone_and_readable(spark, settings, tmp_path)
