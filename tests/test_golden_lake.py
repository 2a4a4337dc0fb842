"""A lake of an earlier release goes on: its ledger, its logs and its tables are read, continued and found sound.

`tests/golden/<release>.tar.xz` has the lake and the landing zone of two hours, of which the release processed the first
and rebuilt one table of it by a backfill.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support import evolved
from support.lakes import uri
from support.local_lake import local_settings
from support.rows import at

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.state.ledger import Ledger
from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.operations.backfill import driver as backfills
from etl.operations.backfill.request import Request
from etl.operations.check import driver as check
from etl.operations.check.finding import Finding
from etl.operations.erasure import driver as erasure
from etl.operations.migrate import driver
from etl.reports import news

RELEASES = sorted((Path(__file__).parent / "golden").glob("*.tar.xz"))
TABLES = ["bronze_shares", "bronze_posts", "dim_posts", "fct_shares", "fct_dwell_per_impression", "quarantine"]
TEN, ELEVEN, NOON = at("10:00"), at("11:00"), at("12:00")


@pytest.fixture(params=RELEASES, ids=lambda file: file.name.removesuffix(".tar.xz"))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The lake and the landing zone of a release, with the times of the files."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return local_settings(tmp_path)


def content(spark: SparkSession, settings: Settings, table: str) -> list[str]:
    """The rows of a table, without the path of the landing zone, which is another one for each test.

    Replacement ids of erased people, which each lake makes with its own key, are all the same.
    """
    rows = delta.read(spark, uri(settings, table)).drop("source_file")
    if "viewer_id" in rows.columns:
        rows = rows.withColumn("viewer_id", F.greatest("viewer_id", F.lit(REPLACEMENT_IDS_BELOW)))
    return sorted(map(str, rows.collect()))


def run(spark: SparkSession, settings: Settings) -> Summary:
    summary = runner.run(spark, settings, TEN, NOON, tables=[t for t in TABLES if t != "quarantine"])
    assert not summary.errors, summary.errors
    return summary


@pytest.mark.slow
def test_a_lake_of_an_earlier_release_follows_a_changed_contract(
    spark: SparkSession, old: Settings, tmp_path: Path
) -> None:
    """Migrated, run, backfilled, erased from = a lake made new. The fingerprints of the old hours are unchanged."""
    old = old.model_copy(update={"quarantine_share": 0.2})  # two of the few records are bad
    with evolved.shares():
        driver.migrate(spark, old)
        before = Ledger.existing(spark, Path(old.lake).as_uri()).state("fct_shares")
        land(old)
        run(spark, old)
        assert found_in(spark, old) == []
        assert before[TEN]["checksum"] == runner.open_context(spark, old).ledger.state("fct_shares")[TEN]["checksum"]
        backfill(spark, old)
        landing = shutil.copytree(old.landing, tmp_path / "copy", ignore=shutil.ignore_patterns("_owner.json"))
        new = old.model_copy(update={"lake": str(tmp_path / "new"), "landing": str(landing)})
        run(spark, new)
        for lake in (old, new):
            left = erasure.erase(spark, lake, [PERSON], "ticket 17")["incomplete"]
            assert not [why for why in left if "a run may be about to publish" not in why]  # staged by the backfill
        for table in TABLES:
            assert content(spark, old, table) == content(spark, new, table), table
        assert found_in(spark, old) == []
        seen = news.lines(evolved.EVENT, *[runner.open_context(spark, old).ledger.published("bronze_shares")] * 2)
    assert [line.split(",")[0] for line in seen] == [
        "new field seen: shares.mood", "new value seen: shares.app = fax"
    ]  # fmt: skip


PERSON = 3


def land(settings: Settings) -> None:
    """Land shares with the new field, one with an unknown field, and one with an unknown value."""
    share = {"original_post_id": 2, "viewer_id": 7, "share_ts": "2026-06-01T11:09:00Z", "channel": "dm"}
    later = [{"app": "chat"}, {"app": "chat", "mood": "good"}, {"app": "fax"}]
    lines = [share | {"share_id": n, "shared_post_id": n} | more for n, more in enumerate(later, 9001)]
    file = Path(settings.landing) / "shares" / "hour=2026-06-01T11" / "b.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def backfill(spark: SparkSession, settings: Settings) -> None:
    """Rebuild every hour of the shares."""
    request = Request(TEN, NOON, ("fct_shares",), "all")
    declared = backfills.declare(spark, settings, request, "tests", "a new column")
    assert declared
    assert backfills.execute(spark, settings, declared.id, accept=True).state == "done"


def found_in(spark: SparkSession, settings: Settings) -> list[Finding]:
    """What `feed-etl check --deep` finds in the tables of the archive."""
    return [found for found, _ in check.check(spark, settings, deep=True) if found.table in TABLES]


def test_a_lake_of_an_earlier_release_is_continued(spark: SparkSession, old: Settings, tmp_path: Path) -> None:
    """Only the hour that it lacks is processed. All tables are then as those of a lake made by this release."""
    ledger = Ledger.existing(spark, Path(old.lake).as_uri())
    assert {e.table_name for e in ledger.entries} == set(TABLES)
    assert any(e.run_id.startswith("backfill-") for e in ledger.published("fct_shares"))

    summary = run(spark, old)

    assert {hour for e in summary.entries for hour in e.processed_hours} == {ELEVEN}
    new = old.model_copy(update={"lake": str(tmp_path / "new")})
    run(spark, new)
    for table in TABLES:
        assert content(spark, old, table) == content(spark, new, table), table
    assert found_in(spark, old) == []
