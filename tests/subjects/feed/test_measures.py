"""Measures of the feed: settled, given and regretted engagements, and rates, compared with plain Python."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, at, rows

from etl.subjects.feed.columns import EVENT_TYPES
from etl.subjects.feed.facts import fct_engagements
from etl.subjects.feed.measures import ONCE_PER_HOUR, average_dwell, engagement_measures, settle
from etl.transforms.ratios import half_up_ratio
from etl.transforms.sketches import empty_sketch

UNDONE = {"undone_ts": at("10:20")}


def acts(spark: SparkSession, *given: Row) -> DataFrame:
    return rows(spark, fct_engagements.TABLE, given)


def flagged(engagements: DataFrame, flag: str) -> set[int]:
    """The engagement_ids whose flag is set."""
    return {r.engagement_id for r in settle(engagements).where(flag).select("engagement_id").collect()}


def by_type(engagements: DataFrame) -> dict[str, int]:
    return {r["event_type"]: r["count"] for r in engagements.groupBy("event_type").count().collect()}


def test_an_undone_like_is_not_settled(spark: SparkSession) -> None:
    """The filter `NOT is_undone` removes only the undo row, so the undone like would still count."""
    engagements = acts(spark, {"engagement_id": 1}, {"engagement_id": 2, **UNDONE}, {"engagement_id": 3, "post_id": 2})

    naive = {r.engagement_id for r in engagements.where("NOT is_undone").collect()}
    assert naive == {1, 3}
    assert flagged(engagements, "settled") == {3}


def test_an_undo_undoes_only_the_same_action(spark: SparkSession) -> None:
    """An action with another viewer, post, type or time is another action."""
    undo = {"engagement_id": 9, **UNDONE}
    others: list[Row] = [
        {"viewer_id": 2},
        {"post_id": 2},
        {"event_type": "save"},
        {"post_id": 3, "event_ts": at("10:00:00.000001")},
    ]

    assert flagged(acts(spark, undo, *others), "settled") == {2, 3, 4, 5}


def test_of_undos_without_their_action_only_a_like_counts_and_only_as_given(spark: SparkSession) -> None:
    made = settle(acts(spark, UNDONE, {"event_type": "save", **UNDONE})).collect()

    assert [(r.engagement_id, r.settled, r.given, r.regretted) for r in made] == [(1, False, True, False)]


def test_an_undo_does_not_change_how_many_likes_were_given(spark: SparkSession) -> None:
    """One is kept, one is undone after six minutes, one is undone at once, one is repeated within the hour."""
    like_times = {1: "10:00", 2: "10:10", 3: "10:20", 4: "10:30"}
    likes = [{"engagement_id": n, "event_ts": at(clock)} for n, clock in like_times.items()]
    undos = [likes[1] | {"engagement_id": 5, "undone_ts": at("10:16")},
             likes[2] | {"engagement_id": 6, "undone_ts": at("10:21")}]  # fmt: skip
    engagements = acts(spark, *likes, *undos)

    regrets = flagged(engagements, "regretted")

    naive = len(regrets) / len(flagged(engagements, "settled") | regrets)
    assert (flagged(engagements, "settled"), regrets, naive) == ({1}, {3}, 0.5)
    assert flagged(engagements, "given") == {1, 2, 3, 4}  # so the regret rate is 0.25


def test_a_like_that_is_undone_after_six_minutes_is_given_and_no_regret(spark: SparkSession) -> None:
    engagements = acts(spark, {}, {"undone_ts": at("10:06")})

    assert (flagged(engagements, "given"), flagged(engagements, "regretted")) == ({1}, set())


def test_a_like_and_its_regret_belong_to_the_impression_of_the_action(spark: SparkSession) -> None:
    """The undo comes from another impression. Without the action, it belongs to the impression of the first undo."""
    undo = {"engagement_id": 2, "impression_id": 8, "undone_ts": at("10:01")}
    later = {"engagement_id": 3, "impression_id": 9, "undone_ts": at("10:02")}
    like = {"engagement_id": 4, "impression_id": 7}

    def credited(*given: Row) -> list[int]:
        return [r.impression_id for r in settle(acts(spark, *given)).where("given AND regretted").collect()]

    assert credited(later, undo, like) == [7]
    assert credited(later, undo) == [8]


def test_repeated_likes_within_an_hour_count_once_but_comments_count_every_time(spark: SparkSession) -> None:
    """One viewer does two actions of each type on one post, twenty minutes apart."""
    twice = [
        {"engagement_id": 10 * i + n, "event_type": kind, "event_ts": at(f"10:{20 * n}")}
        for i, kind in enumerate(EVENT_TYPES, 1)
        for n in (1, 2)
    ]
    engagements = acts(spark, *twice)

    counted = by_type(settle(engagements).where("settled"))

    naive = by_type(engagements.where("NOT is_undone"))
    assert naive == dict.fromkeys(EVENT_TYPES, 2)
    assert counted == {kind: 1 if kind in ONCE_PER_HOUR else 2 for kind in EVENT_TYPES}
    assert {kind for kind, n in counted.items() if n == 2} == {"share", "comment", "report"}


def test_repeated_likes_in_two_hours_count_twice(spark: SparkSession) -> None:
    """An hour is a clock hour, so two seconds apart can be in two hours."""
    assert flagged(acts(spark, {"event_ts": at("10:59:59")}, {"event_ts": at("11:00:01")}), "settled") == {
        1,
        2,
    }


def test_the_earliest_of_repeated_likes_is_settled(spark: SparkSession) -> None:
    """Ties go to the smallest id, so a replay in any order settles the same row."""
    tied = [{"engagement_id": n, "event_ts": at("10:01")} for n in (8, 7)]

    assert flagged(acts(spark, {"engagement_id": 1, "event_ts": at("10:02")}, *tied), "settled") == {7}


def test_a_second_like_after_an_undo_counts(spark: SparkSession) -> None:
    """A like, its undo and another like are one like: the second."""
    again = {"engagement_id": 3, "event_ts": at("10:30")}

    assert flagged(acts(spark, {"engagement_id": 1}, {"engagement_id": 2, **UNDONE}, again), "settled") == {3}


def test_a_regret_is_a_like_that_is_undone_in_less_than_five_minutes(spark: SparkSession) -> None:
    """4:59.999999 is a regret and 5:00 is not. An undone save is never a regret."""
    delays = {1: "10:04:59.999999", 2: "10:05", 3: "10:00"}
    given = [{"post_id": p, "undone_ts": u} for p, clock in delays.items() for u in (None, at(clock))]
    saves = [{"post_id": 4, "event_type": "save", "undone_ts": u} for u in (None, at("10:01"))]

    regrets = settle(acts(spark, *given, *saves)).where("regretted").select("post_id").collect()

    assert {r.post_id for r in regrets} == {1, 3}


def test_the_first_of_two_undos_decides_a_regret(spark: SparkSession) -> None:
    """A second undo with another id and a later time neither removes the regret nor adds one."""
    engagements = acts(spark, {}, {"undone_ts": at("10:20")}, {"undone_ts": at("10:01")})

    assert flagged(engagements, "regretted") == {1}


def test_measures_count_each_type_under_its_name(spark: SparkSession) -> None:
    """Hides and reports are both negatives. The like is undone."""
    one_each = [{"event_type": kind} for kind in EVENT_TYPES]

    counted = settle(acts(spark, *one_each, {"undone_ts": at("10:01")})).agg(*engagement_measures()).collect()[0]

    assert counted.asDict() == {
        "likes": 0, "saves": 1, "shares": 1, "comments": 1, "follows": 1, "hides": 1, "reports": 1, "negatives": 2,
        "likes_given": 1, "regrets": 1,
    }  # fmt: skip


MINUTES = st.sampled_from([0, 4, 30, 59, 60, 61])
DELAYS = st.sampled_from([None, None, 0, 299_999_999, 300_000_000, 3_600_000_000])
ACT = st.tuples(st.integers(1, 2), st.sampled_from(["like", "comment", "hide"]), MINUTES, DELAYS)


def act(case: int, drawn: tuple[int, str, int, int | None]) -> Row:
    viewer, kind, minute, delay = drawn
    event_ts = at("10:00") + timedelta(minutes=minute)
    undone_ts = None if delay is None else event_ts + timedelta(microseconds=delay)
    return {
        "post_id": case,
        "viewer_id": viewer,
        "event_type": kind,
        "event_ts": event_ts,
        "undone_ts": undone_ts,
    }


def reference(given: list[Row]) -> tuple[set[int], set[int], set[int]]:
    """The oracle: settled, given and regretted engagement_ids as in the feed specification, section 4."""
    undos: dict[Any, datetime] = {}
    for r in given:
        if r["undone_ts"]:
            undos[_same(r)] = min(r["undone_ts"], undos.get(_same(r), r["undone_ts"]))
    settled, counted, acts = set(), set(), dict[Any, int]()
    for r in sorted(
        given, key=lambda r: (r["event_ts"], bool(r["undone_ts"]), r["undone_ts"] or 0, r["engagement_id"])
    ):
        if r["event_type"] == "like":
            acts.setdefault(_same(r), r["engagement_id"])
        hour = (*_same(r)[:3], r["event_ts"].hour)
        if r["undone_ts"]:
            continue
        if _same(r) not in undos:
            if r["event_type"] == "comment" or hour not in counted:
                settled.add(r["engagement_id"])
            counted.add(hour)
    quick = {same for same, undone in undos.items() if undone - same[-1] < timedelta(minutes=5)}
    return settled, set(acts.values()), {first for same, first in acts.items() if same in quick}


def _same(r: Row) -> tuple[Any, ...]:
    return r["viewer_id"], r["post_id"], r["event_type"], r["event_ts"]


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases=st.lists(st.lists(ACT, min_size=1, max_size=10), min_size=60, max_size=60))
def test_any_history_settles_like_the_oracle(spark: SparkSession, cases: list[list[Any]]) -> None:
    """Tests sixty histories at once, each with its own post."""
    drawn = [act(case, one) for case, history in enumerate(cases) for one in history]
    given = [{"engagement_id": i, **row} for i, row in enumerate(drawn, 1)]

    made = settle(acts(spark, *given)).select("engagement_id", "settled", "given", "regretted").collect()

    assert tuple({r[0] for r in made if r[flag]} for flag in ("settled", "given", "regretted")) == reference(given)


def rates(spark: SparkSession, pairs: list[tuple[int, int]]) -> list[Decimal]:
    counts = spark.createDataFrame([(i, *p) for i, p in enumerate(pairs)], "i INT, n BIGINT, d BIGINT").orderBy("i")
    return [r[0] for r in counts.select(half_up_ratio("n", "d", 5, "DECIMAL(7,5)", "99.99999")).collect()]


@pytest.mark.parametrize(
    ("count", "impressions", "rate"),
    [(2, 3, "0.66667"), (1, 200_000, "0.00001"), (3, 200_000, "0.00002"), (1, 200_001, "0.00000")],
)  # fmt: skip
def test_a_rate_is_rounded_half_up_to_five_places(count: int, impressions: int, rate: str) -> None:
    """Shows the rule in plain Python. Rounded half to even, the two half-way cases would be 0.00000 and 0.00002."""
    exact = Decimal(count) / Decimal(impressions)
    assert exact.quantize(Decimal("0.00001"), ROUND_HALF_UP) == Decimal(rate)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs=st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**9)), min_size=200, max_size=200))
def test_rates_are_exact_and_capped_at_the_limit_of_their_type(
    spark: SparkSession, pairs: list[tuple[int, int]]
) -> None:
    """Compares with decimal arithmetic. The cases always include half-way values and the limit of the type."""
    edges = [
        (1, 200_000),
        (3, 200_000),
        (1, 200_001),
        (9_999_999, 100_000),
        (19_999_999, 200_000),
        (10**18 - 1, 1),
    ]
    cases = [*edges, *pairs]

    def wanted(n: int, d: int) -> Decimal:
        exact = (Decimal(n) / Decimal(d)).quantize(Decimal("0.00001"), ROUND_HALF_UP)
        return min(exact, Decimal("99.99999"))

    assert rates(spark, cases) == [wanted(n, d) for n, d in cases]


def test_average_dwell_is_rounded_half_up_and_0_without_dwell(spark: SparkSession) -> None:
    """2.5 -> 3 (half to even gives 2), 1250/3 = 416.67 -> 417, 1000/3 = 333.33 -> 333, 0/0 -> 0."""
    sums = [(5, 2), (1250, 3), (1000, 3), (0, 0), (9_000_000_000_000_250, 9_000_000_000)]
    given = spark.createDataFrame(
        [(i, *s) for i, s in enumerate(sums)], "i INT, dwell_ms_sum BIGINT, dwell_count BIGINT"
    )

    made = given.orderBy("i").select(average_dwell(), F.expr("bround(dwell_ms_sum / nullif(dwell_count, 0))")).collect()

    assert made[0][1] == 2
    assert [r[0] for r in made] == [3, 417, 333, 0, 1_000_000]


def test_the_empty_sketch_estimates_0_and_can_be_merged(spark: SparkSession) -> None:
    made = spark.range(1).select(
        F.hll_sketch_estimate(empty_sketch()).alias("empty"),
        F.hll_sketch_estimate(F.hll_union(empty_sketch(), empty_sketch())).alias("merged"),
    )

    assert made.collect() == [(0, 0)]
