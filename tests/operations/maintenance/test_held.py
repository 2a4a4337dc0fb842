"""What maintenance refuses or holds: a time in the future, a large share of a table, files of another lake."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support.aged import HOUR
from support.local_lake import END, local_settings

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.landing import owner
from etl.engine.sql import views
from etl.errors import ConfigError, ConflictError
from etl.operations.maintenance import driver, vacuum
from etl.operations.retention import hours as retention
from etl.operations.retention import landing, window
from etl.operations.retention.action import Action

LATE = END + 31 * 24 * HOUR  # every hour of the lake is past its deadline


@pytest.fixture(scope="module")
def one_share(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with one share. Its first run made it the owner of its landing zone."""
    return shares.lake_with_share(spark, local_settings(tmp_path_factory.mktemp("one-share")))


@pytest.fixture
def lake(one_share: Settings, tmp_path: Path) -> Settings:
    """A copy that the test may change."""
    settings = local_settings(tmp_path)
    shutil.copytree(one_share.lake, settings.lake)
    shutil.copytree(one_share.landing, settings.landing)
    return settings


def look(spark: SparkSession, settings: Settings, yes: bool = False, now: datetime = LATE) -> window.Window:
    return window.look(runner.open_context(spark, settings), [], now, yes)


def do(actions: Iterator[Action]) -> list[Action]:
    planned = list(actions)
    for action in planned:
        if action.do:
            action.do()
    return planned


def landed(settings: Settings) -> list[str]:
    """The files in the landing zone, without the owner's marker."""
    root = Path(settings.landing)
    found = (str(f.relative_to(root)) for f in root.rglob("*") if f.is_file() and not f.name.endswith(".crc"))
    return sorted(name for name in found if name != owner.OWNER)


def test_a_time_in_the_future_is_refused(spark: SparkSession, settings: Settings) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(ConfigError, match="later than the clock of this machine"):
        driver.maintain(spark, settings, later, dry_run=False, yes=True)


def test_a_large_share_of_a_table_or_of_landed_files_is_removed_only_with_yes(
    spark: SparkSession, lake: Settings
) -> None:
    """Without yes the actions are held and give the reason."""
    for plan in (retention.plan, landing.plan):
        found = do(plan(look(spark, lake)))
        assert found and all(a.do is None and "max_removed_share" in a.what for a in found)
    assert not delta.read(spark, views.uri(lake, shares.FACTS)).isEmpty() and landed(lake)
    context = look(spark, lake, yes=True).context
    do(retention.plan(window.look(context, [], LATE, yes=True)))
    context.ledger.flush()
    do(landing.plan(window.look(context, [], LATE, yes=True)))
    assert delta.read(spark, views.uri(lake, shares.FACTS)).isEmpty() and not landed(lake)


def test_only_the_owner_of_a_landing_zone_removes_files(spark: SparkSession, lake: Settings, tmp_path: Path) -> None:
    """When the second lake becomes the owner, the first lake may not remove files any more."""
    second = lake.model_copy(update={"lake": str(tmp_path / "second")})
    shutil.copytree(lake.lake, second.lake)
    (Path(second.lake) / owner.LAKE).unlink()  # so that it gets an id of its own
    owner.claim(spark, second)
    held = do(landing.plan(look(spark, second, yes=True)))
    assert [a.do for a in held] == [None] and "belongs to another lake" in held[0].what and landed(lake)
    planned = list(landing.plan(look(spark, lake, yes=True)))
    owner.take(spark, second)
    assert owner.refusal(spark, second) is None and owner.refusal(spark, lake)
    with pytest.raises(ConflictError, match="belongs to another lake"):
        do(iter(planned))  # planned when the first lake was the owner
    assert landed(lake)


def test_one_of_several_lakes_that_start_at_the_same_time_owns_the_landing_zone(
    spark: SparkSession, tmp_path: Path
) -> None:
    lakes = [local_settings(tmp_path).model_copy(update={"lake": str(tmp_path / f"lake{n}")}) for n in range(8)]
    Path(lakes[0].landing).mkdir()
    assert "no lake owns" in (owner.refusal(spark, lakes[0]) or "")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda lake: owner.claim(spark, lake), lakes * 2))
    assert sum(owner.refusal(spark, lake) is None for lake in lakes) == 1
    assert [f.name for f in Path(lakes[0].landing).iterdir()] == [owner.OWNER]


def test_orphan_files_stay_when_the_log_ends_before_the_version_in_the_ledger(
    spark: SparkSession, lake: Settings
) -> None:
    """The table was created again, or its log lost commits. Then files of the true table look like orphan files."""
    hour = next((Path(lake.lake) / "facts" / "fct_shares").glob("share_hour=*"))
    stray = hour / "part-00000-stray.c000.snappy.parquet"
    shutil.copy(next(hour.glob("*.parquet")), stray)
    os.utime(stray, (0, 0))
    context = runner.open_context(spark, lake)
    entry = context.begin(shares.FACTS)
    entry.output_version = delta.current_version(spark, context.uri(shares.FACTS)) + 1
    context.ledger.append(entry)
    (held,) = do(a for a in vacuum.plan(window.look(context, [], END)) if a.place == shares.FACTS.name)
    assert held.do is None and "the ledger knows version" in held.what and stray.exists()


def test_a_lake_that_is_moved_with_its_files_stays_the_owner(spark: SparkSession, lake: Settings) -> None:
    """The lake's id identifies the owner, not its path: this lake is a copy at another path."""
    marker = json.loads((Path(lake.landing) / owner.OWNER).read_text())
    assert not marker["lake"].endswith(lake.lake)
    assert owner.refusal(spark, lake) is None


def test_files_below_an_hour_are_removed_with_it_and_others_by_when_they_were_written(
    spark: SparkSession, lake: Settings
) -> None:
    """Files are nested, half written, or outside of hour folders. Files of unknown events are only reported."""
    root = Path(lake.landing)
    old, new = (datetime.now(UTC) - timedelta(days=days) for days in (40, 1))
    below = ["shares/hour=2026-06-01T10/_temporary/0/part.jsonl", "shares/hour=2026-06-01T10/a.parquet/part-0.parquet"]
    for name, written in [
        *((name, new) for name in below),
        ("shares/_temporary/0/old.jsonl", old),
        ("shares/2026-06-01/new.jsonl", new),
        ("poems/hour=2026-06-01T10/old.jsonl", old),
        ("loose.jsonl", new),
    ]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}\n")
        os.utime(root / name, (written.timestamp(), written.timestamp()))
    done = do(landing.plan(look(spark, lake, yes=True)))
    assert landed(lake) == ["loose.jsonl", "poems/hour=2026-06-01T10/old.jsonl", "shares/2026-06-01/new.jsonl"]
    assert not (root / "shares" / "_temporary").exists() and not (root / "shares" / "hour=2026-06-01T10").exists()
    held = {a.place: a.what for a in done if a.do is None}
    assert "no event of this name is known" in held["poems"] and "1 of them older" in held["poems"]
    assert set(held) == {"poems", "loose.jsonl", "shares"} and "2026-06-01/new.jsonl" in held["shares"]
