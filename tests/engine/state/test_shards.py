"""Any number of shards makes the same tables; a table that reads all people waits until every shard has finished."""

import json
import shutil
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.local_lake import ADS_HOURS, CLICK_TABLES, Simulated, local_settings
from test_order import content

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import checksums
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.sql import views
from etl.engine.state import shards
from etl.engine.state.shards import Shard
from etl.errors import ConfigError

FROM, TO = ADS_HOURS
MIDDLE = FROM + timedelta(hours=1)
SHARDED = {t.name for t in catalog.tables() if shards.person_column(t)}


@pytest.fixture(scope="module")
def whole(spark: SparkSession, ads_hours: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """All tables, made without shards."""
    settings = copied(ads_hours, tmp_path_factory.mktemp("whole"))
    assert not runner.run(spark, settings, FROM, TO).errors
    return settings


def copied(made: Simulated, folder: Path) -> Settings:
    """A new place with the same landed files and an empty lake."""
    settings = local_settings(folder)
    shutil.copytree(made.landing, settings.landing)
    return settings


def run(
    spark: SparkSession,
    settings: Settings,
    shard: str,
    interval: tuple[datetime, datetime] = ADS_HOURS,
    tables: list[str] | None = None,
) -> Summary:
    summary = runner.run(spark, settings, *interval, tables, shard=shards.parse(shard))
    assert not summary.errors, summary.errors
    return summary


def test_two_shards_in_any_order_make_what_one_run_makes(
    spark: SparkSession, ads_hours: Simulated, tmp_path: Path
) -> None:
    settings = copied(ads_hours, tmp_path)

    first = run(spark, settings, "2/2", tables=CLICK_TABLES)
    made = {e.table_name for e in first.entries}
    assert {"stg_ad_clicks", "fct_ad_clicks", "fct_user_session"} <= made
    conversions = {"fct_conversion_repeat", "fct_attributed_conversion"}
    assert set(first.waiting) == {"agg_ad_clicks_5min", "agg_session_data", *conversions}

    second = run(spark, settings, "1/2", tables=CLICK_TABLES)
    assert not second.waiting
    assert content(spark, settings) == content(spark, ads_hours.settings)


@pytest.mark.slow
def test_shards_of_every_table_of_ads(
    spark: SparkSession, ads_hours: Simulated, whole: Settings, tmp_path: Path
) -> None:
    """Among them are conversions, which get their credit when the last shard is made."""
    settings = copied(ads_hours, tmp_path)
    assert {"mart_campaign_daily", "mart_creative_daily"} <= set(run(spark, settings, "1/2").waiting)
    assert not run(spark, settings, "2/2").waiting
    assert content(spark, settings) == content(spark, whole)


@pytest.mark.slow
def test_everything_is_up_to_date_after_the_last_shard(
    spark: SparkSession, ads_hours: Simulated, whole: Settings, tmp_path: Path
) -> None:
    """A second run of a shard, a run without shards, and a run with another number of shards change nothing."""
    settings = copied(ads_hours, tmp_path)
    for shard in shards.all_shards(3):
        run(spark, settings, str(shard))
    expected = content(spark, settings)
    assert expected == content(spark, whole)

    assert {e.table_name for e in run(spark, settings, "2/3").entries} == set()
    assert runner.run(spark, settings, FROM, TO).entries == []
    repeated = {e.table_name for e in run(spark, settings, "1/2").entries}
    assert repeated <= SHARDED, "the ledger cannot tell that 1/2 is covered by thirds, so its sharded tables run again"
    assert content(spark, settings) == expected


@pytest.mark.slow
def test_a_run_without_shards_makes_the_rows_of_a_shard_that_never_ran(
    spark: SparkSession, ads_hours: Simulated, whole: Settings, tmp_path: Path
) -> None:
    settings = copied(ads_hours, tmp_path)
    assert run(spark, settings, "1/3").waiting
    assert not runner.run(spark, settings, FROM, TO).errors
    assert content(spark, settings) == content(spark, whole)


@pytest.mark.slow
def test_shards_that_run_hour_by_hour_make_the_same_tables(
    spark: SparkSession, ads_hours: Simulated, whole: Settings, tmp_path: Path
) -> None:
    settings = copied(ads_hours, tmp_path)
    for interval, shard in product(((FROM, MIDDLE), (MIDDLE, TO)), ("1/2", "2/2")):
        run(spark, settings, shard, interval)
    assert content(spark, settings) == content(spark, whole)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "1/2/3", "-1/2", "1/99999", ""])
def test_a_malformed_shard_is_rejected_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard must be like 1/4"):
        shards.parse(text)


def test_every_person_is_in_exactly_one_shard(spark: SparkSession) -> None:
    users = spark.range(-5000, 5000).selectExpr("id * 7919 AS user_id")
    for count in (1, 2, 3, 7, 64):
        found = [users.where(shard.predicate("user_id")).count() for shard in shards.all_shards(count)]
        assert sum(found) == 10_000
        assert max(found) < 10_000 / count * 1.5


def test_two_shards_overlap_when_a_person_can_be_in_both() -> None:
    assert Shard(1, 2).overlaps(None)
    assert Shard(1, 2).overlaps(Shard(2, 4))
    assert not Shard(1, 2).overlaps(Shard(3, 4))
    assert Shard(2, 3).overlaps(Shard(1, 2))
    assert Shard(2, 3).overlaps(Shard(2, 2))
    assert not Shard(1, 3).overlaps(Shard(2, 2))


def test_only_facts_whose_inputs_all_name_the_person_are_sharded() -> None:
    assert {"stg_ad_clicks", "fct_user_session", "fct_impressions"} <= SHARDED
    assert not {"fct_spend_ledger", "fct_dwell_per_impression", "agg_ad_clicks", "bronze_ad_clicks"} & SHARDED
    assert "fct_attributed_conversion" not in SHARDED, "a repeat depends on the conversions of other people"


def test_the_first_of_two_records_with_one_id_and_two_people_wins(spark: SparkSession, tmp_path: Path) -> None:
    """The two people are in two shards. The same record wins without shards and with shards in any order."""
    found, table = [], catalog.entry("stg_ad_impressions").table
    for name, order in (("whole", [None]), ("up", ["1/2", "2/2"]), ("down", ["2/2", "1/2"])):
        settings = local_settings(tmp_path / name)
        _impression_of_two_users(Path(settings.landing))
        for shard in order:
            part = shards.parse(shard) if shard else None
            made = runner.run(spark, settings, FROM, TO, ["bronze_ad_impressions", table.name], shard=part)
            assert not made.errors
        found.append(checksums.by_hour(delta.read(spark, views.uri(settings, table)), table))
    assert found[0] == found[1] == found[2]
    assert sum(content.rows for content in found[0].values()) == 40


def _impression_of_two_users(landing: Path) -> None:
    """Land 40 impressions in one hour, and the same ids with other users in the next hour."""
    for number, hour in enumerate((FROM, FROM + timedelta(hours=1))):
        folder = landing / "ad_impressions" / f"hour={hour:%Y-%m-%dT%H}"
        folder.mkdir(parents=True)
        rows = [
            {
                "ad_impression_id": 5_000_000 + i,
                "user_id": 6_100_000_000 + i + 40 * number,
                "ad_id": 7000,
                "session_id": 1000 + i,
                "surface": "reels",
                "clearing_cpm": 1.0,
                "spend_micros": 1000,
                "is_valid": True,
                "impression_ts": f"{FROM:%Y-%m-%dT%H}:59:59+00:00",
            }
            for i in range(40)
        ]
        (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
