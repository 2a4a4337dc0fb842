"""dim_posts, and properties of every SCD2 dimension: order, batches and duplicates do not change the result."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.model.contract import Scd2
from etl.subjects.feed.columns import columns
from etl.subjects.feed.dims.dim_posts import TABLE, transform
from etl.subjects.feed.events import POSTS
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import counts, resolve, versions

OPEN = {"valid_to": None, "is_current": True, "is_deleted": False}
DELETED = {"is_current": False, "is_deleted": True}
REPLACED = {"is_current": False, "is_deleted": False}


def changes(spark: SparkSession, *given: Row) -> DataFrame:
    """A change log, by default of post 1."""
    return rows(spark, bronze_table(POSTS), [{"post_id": 1} | row for row in given])


def upsert(clock: str, audio: int, **fields: Any) -> Row:
    return {"effective_ts": at(clock), "audio_id": audio, "op": "upsert", **fields}


def delete(clock: str) -> Row:
    nothing = {"creator_id": None, "media_type": None, "audio_id": None}
    return {"effective_ts": at(clock), "op": "delete", **nothing}


def test_several_changes_in_one_batch_all_survive(spark: SparkSession) -> None:
    """A merge that keeps only the last change of a key would lose sound 71."""
    made = transform(changes(spark, upsert("08:00", 70), upsert("09:00", 71), upsert("10:00", 72)))

    assert_rows(made, TABLE, [
        {"audio_id": 70, "valid_from": at("08:00"), **REPLACED, "valid_to": at("09:00")},
        {"audio_id": 71, "valid_from": at("09:00"), **REPLACED, "valid_to": at("10:00")},
        {"audio_id": 72, "valid_from": at("10:00"), **OPEN},
    ])  # fmt: skip


def test_a_late_arriving_change_becomes_a_version_between_the_others(spark: SparkSession) -> None:
    """The change of nine o'clock lands last. The version before it ends earlier; the current version stays current."""
    made = transform(changes(
        spark,
        upsert("08:00", 70, landed_hour=at("08:00")),
        upsert("10:00", 72, landed_hour=at("10:00")),
        upsert("09:00", 71, landed_hour=at("23:00")),
    ))  # fmt: skip

    assert_rows(made, TABLE, [
        {"audio_id": 70, "valid_from": at("08:00"), "valid_to": at("09:00"), "is_current": False},
        {"audio_id": 71, "valid_from": at("09:00"), "valid_to": at("10:00"), "is_current": False},
        {"audio_id": 72, "valid_from": at("10:00"), "valid_to": None, "is_current": True},
    ])  # fmt: skip


def test_consecutive_equal_changes_are_one_version(spark: SparkSession) -> None:
    """70, 70, 71, 71, 70 are three versions. Sound 70 has two, because 71 is between them."""
    log = zip(("06:00", "07:00", "08:00", "09:00", "10:00"), (70, 70, 71, 71, 70), strict=True)

    made = transform(changes(spark, *(upsert(clock, audio) for clock, audio in log)))

    assert_rows(made, TABLE, [
        {"audio_id": 70, "valid_from": at("06:00"), "valid_to": at("08:00")},
        {"audio_id": 71, "valid_from": at("08:00"), "valid_to": at("10:00")},
        {"audio_id": 70, "valid_from": at("10:00"), "valid_to": None},
    ])  # fmt: skip


def test_a_late_arriving_change_splits_a_version(spark: SparkSession) -> None:
    """70 at eight and 70 at ten are one version. A late-arriving change to 71 at nine splits it."""
    made = transform(changes(spark, upsert("08:00", 70), upsert("10:00", 70), upsert("09:00", 71)))

    assert_rows(made, TABLE, [
        {"audio_id": 70, "valid_from": at("08:00")},
        {"audio_id": 71, "valid_from": at("09:00")},
        {"audio_id": 70, "valid_from": at("10:00")},
    ])  # fmt: skip


def test_a_delete_closes_a_version_and_a_later_upsert_opens_a_new_one(spark: SparkSession) -> None:
    """Equal payloads before and after a delete are two versions with a gap between them."""
    made = transform(changes(spark, upsert("08:00", 70), delete("09:00"), delete("09:30"), upsert("10:00", 70)))

    assert_rows(made, TABLE, [
        {"audio_id": 70, "valid_from": at("08:00"), "valid_to": at("09:00"), **DELETED},
        {"audio_id": 70, "valid_from": at("10:00"), **OPEN},
    ])  # fmt: skip


def test_a_deleted_post_keeps_its_history(spark: SparkSession) -> None:
    """is_deleted is true only for the version that the delete ends."""
    made = transform(changes(spark, upsert("08:00", 70), upsert("09:00", 71), delete("10:00")))

    assert_rows(made, TABLE, [
        {"audio_id": 70, "valid_to": at("09:00"), **REPLACED},
        {"audio_id": 71, "valid_to": at("10:00"), **DELETED},
    ])  # fmt: skip


def test_a_delete_may_land_before_its_upsert(spark: SparkSession) -> None:
    """A delete alone makes no version. Together with an upsert of an earlier time, it closes the version."""
    alone = transform(changes(spark, delete("10:00")))
    both = transform(changes(spark, delete("10:00"), upsert("08:00", 70)))

    assert alone.isEmpty()
    assert_rows(both, TABLE, [{"valid_from": at("08:00"), "valid_to": at("10:00"), **DELETED}])


def test_contradicting_payloads_are_resolved_independently_of_order_and_counted(spark: SparkSession) -> None:
    """Three payloads and a duplicate for one time, in two orders, give one version and one contradiction."""
    contradicting = [upsert("08:00", audio) for audio in (70, 71, 72, 71)]
    ordered, reverse = changes(spark, *contradicting), changes(spark, *reversed(contradicting))

    made = transform(ordered).select("audio_id", "post_sk").collect()

    assert len(made) == 1
    assert made == transform(reverse).select("audio_id", "post_sk").collect()
    assert counts(ordered, TABLE) == counts(reverse, TABLE) == (4, 1)


def test_a_duplicate_is_not_a_contradiction(spark: SparkSession) -> None:
    assert counts(changes(spark, upsert("08:00", 70), upsert("08:00", 70, landed_hour=at("12:00"))), TABLE) == (2, 0)


def test_a_null_in_another_column_is_another_payload(spark: SparkSession) -> None:
    """('x', NULL) and (NULL, 'x') differ, although a hash that skips NULLs is equal for both."""
    two = dataclasses.replace(
        TABLE, columns=columns("post_id", "country", "channel"), write=Scd2(("post_id",), ("country", "channel"))
    )
    log = spark.createDataFrame(
        [(1, "x", None, at("08:00"), "upsert"), (1, None, "x", at("09:00"), "upsert")],
        "post_id BIGINT, country STRING, channel STRING, effective_ts TIMESTAMP, op STRING",
    )

    assert versions(log, two).count() == 2


CHANGE = st.tuples(st.integers(0, 6), st.sampled_from([70, 71, None, "delete"]))
LOGS = st.lists(st.lists(CHANGE, max_size=8), min_size=100, max_size=100)


def drawn(post: int, change: tuple[int, Any]) -> Row:
    hour, what = change
    row = delete("00:00") if what == "delete" else upsert("00:00", what)
    return {"post_id": post, **row, "effective_ts": at("00:00") + timedelta(hours=hour)}


def reference(log: list[Row]) -> list[Row]:
    """The versions of one post, computed in plain Python from one change per time, in time order."""
    found: list[Row] = []
    for change in sorted(log, key=lambda r: r["effective_ts"]):
        live = found[-1] if found and found[-1]["valid_to"] is None else None
        closing = change["op"] == "delete"
        if live and not closing and live["audio_id"] == change["audio_id"]:
            continue
        if live:
            live |= {"valid_to": change["effective_ts"], "is_current": False, "is_deleted": closing}
        if not closing:
            found.append(
                {k: change[k] for k in ("post_id", "audio_id")} | {"valid_from": change["effective_ts"], **OPEN}
            )
    return found


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(logs=LOGS, seed=st.integers(0, 99))
def test_any_change_log_gives_the_versions_of_the_reference(
    spark: SparkSession, logs: list[list[tuple[int, Any]]], seed: int
) -> None:
    """Tests a hundred logs at once, shuffled, with counts; every change lands once or three times."""
    log = [drawn(post, change) for post, one in enumerate(logs) for change in one]
    landed = [{**row, "landed_hour": at(f"{10 + n}:00")} for row in log for n in range(1 + 2 * (seed % 2))]
    random.Random(seed).shuffle(landed)
    given = changes(spark, *landed)

    resolved = resolve(given, TABLE).select("post_id", "effective_ts", "op", "audio_id", "payloads").collect()
    made = transform(given).select("post_id", "audio_id", "valid_from", *OPEN, "post_sk").collect()

    instants: dict[Any, set[Any]] = defaultdict(set)
    for post, one in enumerate(logs):
        for hour, what in one:
            instants[post, hour].add(what)
    assert sorted(r.payloads for r in resolved) == sorted(len(payloads) for payloads in instants.values())
    by_post: dict[int, list[Row]] = defaultdict(list)
    for r in resolved:
        by_post[r.post_id].append({**r.asDict(), "effective_ts": r.effective_ts.astimezone(at("00:00").tzinfo)})
    wanted = {key: v for post, one in by_post.items() for v in reference(one) for key in [(post, v["valid_from"])]}
    found = [{k: aware(v) for k, v in r.asDict().items() if k != "post_sk"} for r in made]
    assert {(r["post_id"], r["valid_from"]): r for r in found} == wanted
    assert len(found) == len(wanted) == len({r.post_sk for r in made})
    assert_valid_timelines(found)


def aware(value: Any) -> Any:
    """A collected timestamp in UTC; any other value unchanged."""
    return value.astimezone(at("00:00").tzinfo) if hasattr(value, "astimezone") else value


def assert_valid_timelines(found: list[Row]) -> None:
    """Assert that versions do not overlap, have gaps only after deletes, and that only the last one can be current."""
    by_post: dict[int, list[Row]] = defaultdict(list)
    for row in sorted(found, key=lambda r: r["valid_from"]):
        by_post[row["post_id"]].append(row)
    for timeline in by_post.values():
        assert [r["is_current"] for r in timeline[:-1]] == [False] * (len(timeline) - 1)
        for before, after in pairwise(timeline):
            assert before["valid_from"] < before["valid_to"] <= after["valid_from"]
            assert before["valid_to"] == after["valid_from"] or before["is_deleted"]


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(logs=LOGS, seed=st.integers(0, 99))
def test_order_batches_and_duplicates_do_not_change_the_versions(
    spark: SparkSession, logs: list[list[tuple[int, Any]]], seed: int
) -> None:
    """A log that is shuffled, split over landed hours and partly duplicated gives equal rows and surrogate keys."""
    log = [drawn(post, change) for post, one in enumerate(logs) for change in one]
    other = log + [row for row in log if random.Random(seed).random() < 0.5]
    random.Random(seed).shuffle(other)
    other = [{**row, "landed_hour": at(f"{10 + i % 9}:00"), "source_file": f"f{i}"} for i, row in enumerate(other)]

    def content(given: list[Row]) -> list[Any]:
        return sorted(map(str, transform(changes(spark, *given).repartition(3)).collect()))

    assert content(other) == content(log)
