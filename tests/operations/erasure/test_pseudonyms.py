"""With a key, tables per viewer hold pseudonyms: on disk, in every named query, and when the viewer is erased."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from support import traces
from support.lakes import copy, uri
from support.local_lake import END, START, Simulated

from etl import catalog, queries
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.people import keyed, keys, pseudonyms
from etl.errors import ConfigError
from etl.model.contract import Table
from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.erasure import driver

KEY = "4f6d1c5e0b7a4f6d1c5e0b7a4f6d1c5e"
PER_VIEWER = [t for t in catalog.tables() if t.per_viewer]
NAMES = [t.name for t in PER_VIEWER]


def pseudonym(viewer: int) -> int:
    return keyed.number(KEY.encode(), "", viewer)


@pytest.fixture(scope="module")
def keyed_lake(
    spark: SparkSession, simulated: Simulated, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A lake whose tables per viewer were removed and rebuilt with a key, as docs/retention.md says."""
    settings = copy(simulated, tmp_path_factory.mktemp("keyed"))
    for table in PER_VIEWER:
        shutil.rmtree(uri(settings, table.name).removeprefix("file:"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(keys.SECRET, KEY)
        made = backfills.declare(spark, settings, request.make((START, END), NAMES, "missing", None), "tests", "a key")
        assert made
        backfills.execute(spark, settings, made.id, accept=True)
        yield settings


def test_any_tool_can_compute_a_pseudonym_from_key_and_id() -> None:
    """`printf 4711 | openssl dgst -sha256 -hmac KEY`: 62 bits, below every id and above every replacement id."""
    digest = hmac.new(KEY.encode(), b"4711", hashlib.sha256).hexdigest()
    assert pseudonym(4711) == -1 - (int(digest[:16], 16) >> 2)
    assert all(REPLACEMENT_IDS_BELOW <= pseudonym(viewer) < 0 for viewer in range(1000))


def test_no_table_reads_a_table_that_holds_pseudonyms() -> None:
    """It would join pseudonyms with ids in columns of the same name."""
    assert [t.name for t in catalog.tables() for i in t.inputs if i.table.per_viewer] == []


def test_a_short_key_is_refused_and_is_not_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keys.SECRET, "hunter2")
    with pytest.raises(ConfigError, match="32 characters") as refused:
        keys.pseudonym_key()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("table", PER_VIEWER, ids=lambda t: t.name)
def test_rows_equal_those_of_a_lake_of_ids_except_for_the_pseudonym(
    spark: SparkSession, keyed_lake: Settings, simulated: Simulated, table: Table
) -> None:
    ids, found = (delta.read(spark, uri(s, table.name)) for s in (simulated.settings, keyed_lake))
    place = table.column_names.index("viewer_id")
    expected = [(*row[:place], pseudonym(row[place]), *row[place + 1 :]) for row in ids.collect()]
    assert sorted(map(str, expected)) == sorted(str(tuple(row)) for row in found.collect())


def test_a_table_property_says_what_a_table_holds_without_the_key(
    spark: SparkSession, keyed_lake: Settings, simulated: Simulated
) -> None:
    """The property is `ids`, or `pseudonyms` with the fingerprint of the key."""
    for name in NAMES:
        assert delta.properties(spark, uri(simulated.settings, name))[pseudonyms.PROPERTY] == "ids"
        kind = delta.properties(spark, uri(keyed_lake, name))[pseudonyms.PROPERTY]
        assert kind == pseudonyms.viewer_id_kind() and kind.startswith("pseudonyms ") and KEY not in kind


def test_the_key_is_in_no_query_plan(spark: SparkSession) -> None:
    ids = spark.range(9).select(F.col("id").alias("viewer_id"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(keys.SECRET, KEY)
        rows = pseudonyms.pseudonymize(PER_VIEWER[0], lambda: ids, "")()
    assert [row[0] for row in rows.collect()] == [pseudonym(viewer) for viewer in range(9)]
    plan = rows._jdf.queryExecution().toString()
    assert "sha2" in plan and KEY not in plan and KEY.encode().hex() not in plan.lower()


def test_the_key_is_in_no_file_of_the_lake(keyed_lake: Settings) -> None:
    assert traces.of(KEY, keyed_lake.lake) == []


def test_a_named_query_over_pseudonyms_has_the_same_result(
    spark: SparkSession, keyed_lake: Settings, simulated: Simulated
) -> None:
    parameters = {"control": "v3.1.0", "treatment": "v3.2.0", "start": START.date().isoformat(), "end": "2026-06-02"}
    ids, found = (
        queries.run(spark, s, "ranker_lift", **parameters).collect() for s in (simulated.settings, keyed_lake)
    )
    for wanted, row in zip(ids, found, strict=True):
        assert row.asDict() == {k: close(v) for k, v in wanted.asDict().items()}


def close(value: Any) -> Any:
    """Compare floats approximately: their sums depend on the order of rows."""
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


@pytest.mark.slow
def test_a_run_makes_the_same_pseudonyms_as_the_backfill(spark: SparkSession, keyed_lake: Settings) -> None:
    """A late-arriving impression of a known viewer rebuilds the whole day."""
    names = ["fct_impressions", "mart_user_affinity_daily"]
    one = delta.read(spark, uri(keyed_lake, "fct_impressions")).orderBy("impression_id").limit(1).collect()[0]
    before = dict(impressions_by_viewer(spark, keyed_lake))
    folder = Path(keyed_lake.landing) / "impressions" / "hour=2026-06-01T10"
    record = {k: v for k, v in one.asDict().items() if k not in ("impression_hour", "device_id")}
    late = record | {"impression_id": one["impression_id"] ^ 1, "impression_ts": one["impression_ts"].isoformat() + "Z",
                     "predicted_score": float(one["predicted_score"])}  # fmt: skip
    folder.joinpath("late.jsonl").write_text(json.dumps(late) + "\n")
    assert not runner.run(spark, keyed_lake, START, END, tables=["bronze_impressions", *names]).errors
    after = dict(impressions_by_viewer(spark, keyed_lake))
    assert after == before | {pseudonym(one["viewer_id"]): before[pseudonym(one["viewer_id"])] + 1}


def impressions_by_viewer(spark: SparkSession, settings: Settings) -> list[tuple[int, int]]:
    rows = delta.read(spark, uri(settings, "mart_user_affinity_daily")).select("viewer_id", "impressions").collect()
    return [(row[0], row[1]) for row in rows]


@pytest.mark.parametrize("key", ["", "x" * 32])
def test_a_lake_of_pseudonyms_refuses_another_key_or_none(
    spark: SparkSession, keyed_lake: Settings, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Two kinds of pseudonyms in one table could not be distinguished, so every command refuses."""
    monkeypatch.setenv(keys.SECRET, key)
    for attempt in (
        lambda: runner.run(spark, keyed_lake, START, END, tables=["bronze_shares"]),
        lambda: driver.erase(spark, keyed_lake, [4711], "ticket 17"),
    ):
        with pytest.raises(ConfigError, match="pseudonyms of another FEED_ETL"):
            attempt()


def test_a_lake_of_ids_refuses_a_key(
    spark: SparkSession, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(keys.SECRET, KEY)
    with pytest.raises(ConfigError, match="holds ids of viewers"):
        runner.run(spark, simulated.settings, START, END)


@pytest.mark.slow
def test_an_erasure_finds_rows_by_the_pseudonym(spark: SparkSession, keyed_lake: Settings) -> None:
    """No file of lake and landing zone has the id or the pseudonym. Rows of other viewers stay."""
    known = dict(impressions_by_viewer(spark, keyed_lake))
    viewers = {
        r[0] for r in delta.read(spark, uri(keyed_lake, "fct_engagements")).select("viewer_id").distinct().collect()
    }
    gone = max(v for v in viewers if pseudonym(v) in known)
    receipt = driver.erase(spark, keyed_lake, [gone], "ticket 17")
    assert all(receipt["tables"][name]["rows"] for name in NAMES)
    for number in (gone, pseudonym(gone)):
        assert traces.of(number, keyed_lake.lake, keyed_lake.landing) == []
    assert dict(impressions_by_viewer(spark, keyed_lake)) == {v: n for v, n in known.items() if v != pseudonym(gone)}
