"""A toy chain for tests: the warmth of a post, which rises with shares and cools down day by day."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import runner
from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.engine.sql import views
from etl.engine.state.ledger import Ledger
from etl.model.contract import Chain, Input, Layer, Replace, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.facts import fct_shares
from support.local_lake import local_settings
from support.rows import at

START, END = at("00:00"), at("13:00", 6)
HOTTEST = 4
TABLES = ["bronze_shares", "fct_shares", "agg_warmth_daily"]
TABLE = Table(
    "agg_warmth_daily",
    Layer.ROLLUPS,
    columns("original_post_id", "shares", "day"),
    ("original_post_id", "day"),
    Replace(),
    "content",
    partition=("day",),
    cluster=("original_post_id",),
    inputs=(Input(fct_shares.TABLE),),
    chain=Chain(reach_days=HOTTEST - 1),
)
Warmth = dict[int, int]
"""Day of June 2026 -> warmth of the post, in the column `shares`. Days without warmth are left out."""


def transform(fct_shares: DataFrame, previous_day: DataFrame) -> DataFrame:
    """The greater of twice the shares of the day (4 at most) and the warmth of the day before minus one."""
    today = fct_shares.withColumn("day", F.to_date("share_hour")).groupBy("day", "original_post_id")
    warm = today.agg(F.least(F.lit(HOTTEST), 2 * F.count("*")).alias("shares"))
    cooled = previous_day.select(F.date_add("day", 1).alias("day"), "original_post_id", F.col("shares") - 1)
    both = warm.unionByName(cooled.toDF("day", "original_post_id", "shares"))
    hottest = both.groupBy("day", "original_post_id").agg(F.max("shares").alias("shares"))
    return hottest.where("shares > 0").select(*TABLE.column_names)


def expected(shares: Counter[int], hottest: int = HOTTEST) -> Warmth:
    """The oracle: all days from the first to the last with a share, one after the other."""
    warmth: Warmth = {}
    for day in range(min(shares), max(shares) + 1):
        warmth[day] = max(min(hottest, 2 * shares[day]), warmth.get(day - 1, 0) - 1, 0)
    return {day: warm for day, warm in warmth.items() if warm}


@contextmanager
def registered() -> Iterator[ModuleType]:
    """The catalog with the toy chain in it, as if its module were in the feed."""
    module = ModuleType(f"etl.subjects.feed.rollups.{TABLE.name}", "One row per day and warm post.")
    module.__dict__.update({"TABLE": TABLE, "transform": transform})
    rule = Rule("expect_column_values_to_not_be_null", {"column": "shares"}, "critical", "A test.")
    modules, written = catalog._modules, suites.written
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalog, "_modules", lambda: [*modules(), module])
        patched.setattr(suites, "written", lambda name: (rule,) if name == TABLE.name else written(name))
        catalog.entries.cache_clear()
        yield module
    catalog.entries.cache_clear()


def land(settings: Settings, day: int, number: int, landed: int | None = None) -> None:
    """Land a share of a day of June 2026, at noon of the same day or of another one. `number` is its id."""
    folder = Path(settings.landing) / "shares" / f"hour=2026-06-{landed or day:02}T12"
    folder.mkdir(parents=True, exist_ok=True)
    share = {"share_id": number, "original_post_id": 1, "shared_post_id": 2, "viewer_id": number, "channel": "dm"}
    (folder / f"{number}.jsonl").write_text(json.dumps(share | {"share_ts": at("10:00", day).isoformat()}) + "\n")


SHARES = (1, 2, 2, 6)
"""The days of the shares of `six_days`."""


def land_six_days(settings: Settings) -> None:
    """Land shares on days 1, 2, 2 and 6."""
    for number, day in enumerate(SHARES, 1):
        land(settings, day, number)


def six_days(spark: SparkSession, folder: Path) -> Settings:
    """A lake with these shares and six days of the chain, built in one run."""
    settings = local_settings(folder)
    land_six_days(settings)
    with registered():
        assert run(spark, settings) == [1, 2, 3, 4, 5, 6]
    return settings


def run(spark: SparkSession, settings: Settings) -> list[int]:
    """Run everything that is due; returns the days of the chain that it made, in order."""
    summary = runner.run(spark, settings, START, END, TABLES)
    assert not summary.errors, summary.errors
    return [hour.day for e in summary.entries if e.table_name == TABLE.name for hour in e.processed_hours]


def warmth(spark: SparkSession, settings: Settings) -> Warmth:
    """The published rows."""
    rows = delta.read(spark, views.uri(settings, TABLE)).collect()
    return {row["day"].day: row["shares"] for row in rows}


def days(*numbers: int) -> list[datetime]:
    """Days of June 2026."""
    return [START + timedelta(days=number - 1) for number in numbers]


class Killed(BaseException):
    """Stands for kill -9."""


@contextmanager
def killed_at(commit: int, after: bool) -> Iterator[None]:
    """Die right before, or right after, the nth commit of the chain. The ledger loses what is not on disk."""
    original, count = Transaction.commit, iter(range(1, 1000))

    def dying(self: Transaction, metadata: str) -> int:
        last = self.uri.endswith(TABLE.name) and next(count) == commit
        if last and not after:
            raise Killed
        version = original(self, metadata)
        if last:
            raise Killed
        return version

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Transaction, "commit", dying)
        patched.setattr(Ledger, "flush", lambda _: None)
        yield
