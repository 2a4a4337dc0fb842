"""fct_dwell_per_impression: distinct beats count once, also when they are duplicate, late-arriving or replayed."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, assert_rows, at, minted, records, rows

from etl.subjects.feed.events import HEARTBEATS
from etl.subjects.feed.facts.fct_dwell_per_impression import TABLE, combine, transform

IMPRESSION = minted(at("09:50"))


def beats(spark: SparkSession, *numbers: int, **fields: object) -> DataFrame:
    """Parsed heartbeats of one impression."""
    return records(spark, HEARTBEATS, [{"impression_id": IMPRESSION, "beat_seq": n, **fields} for n in numbers])


def dwell(made: DataFrame) -> dict[int, int]:
    """impression_id -> dwell_ms. Fails when an impression has two rows."""
    found = made.select("impression_id", "dwell_ms").collect()
    assert len(found) == len({r.impression_id for r in found})
    return {r.impression_id: r.dwell_ms for r in found}


def test_a_duplicate_beat_counts_once(spark: SparkSession) -> None:
    landed = beats(spark, 0, 1, 2, 2, 1, 2)

    made = transform(landed)

    naive = landed.count() * 250
    assert naive == 1500
    assert_rows(made, TABLE, [{"impression_id": IMPRESSION, "dwell_ms": 750, "beat_words": [0b111]}])


def test_a_missing_beat_is_not_filled_in(spark: SparkSession) -> None:
    """Only beats 0 and 9 landed. The largest number would give 2.5 s, but two beats are 0.5 s."""
    landed = beats(spark, 0, 9)

    made = transform(landed)

    naive = landed.select((F.max("beat_seq") + 1) * 250).collect()[0][0]
    assert naive == 2500
    assert dwell(made) == {IMPRESSION: 500}


def test_beats_are_stored_in_several_words(spark: SparkSession) -> None:
    """Beats 63 and 64 are in neighboring words. Beat 200 leaves one word without beats."""
    made = transform(beats(spark, 0, 63, 64, 127, 200, 64))

    words = [1 - (1 << 63), 1 - (1 << 63), 0, 1 << 8]
    assert_rows(made, TABLE, [{"dwell_ms": 1250, "beat_words": words}])


def test_beats_that_land_in_different_hours_are_merged_into_one_impression(spark: SparkSession) -> None:
    """The beats of one impression land in two hours. The second hour has a duplicate of a beat of the first."""
    early = transform(beats(spark, 0, 1, 2))
    late = transform(beats(spark, 2, 3, 70))

    made = combine(early, late)

    naive = early.union(late).agg(F.sum("dwell_ms")).collect()[0][0]
    assert naive == 1500
    assert_rows(made, TABLE, [{"impression_id": IMPRESSION, "dwell_ms": 1250, "impression_hour": at("09:00")}])


def test_a_replay_after_the_raw_beats_are_gone_changes_nothing(spark: SparkSession) -> None:
    """Only the row is left, but its bit words still say which beats it contains."""
    first = rows(spark, TABLE, [{"impression_id": IMPRESSION, "dwell_ms": 100 * 250}])
    replayed = transform(beats(spark, *range(40, 90)))

    assert dwell(combine(first, replayed)) == {IMPRESSION: 25_000}


def test_a_full_view_is_decided_before_rounding(spark: SparkSession) -> None:
    """0.985 and 0.9899 are stored as 0.99 but are not full views."""
    viewports = [
        (0.3, "0.30", False),
        (0.985, "0.99", False),
        (0.9899, "0.99", False),
        (0.99, "0.99", True),
        (1, "1.00", True),
    ]
    seen = [{"impression_id": IMPRESSION + i, "viewport_pct": v[0]} for i, v in enumerate(viewports)]

    made = transform(records(spark, HEARTBEATS, seen))

    assert made.where("viewport_pct >= 0.99").count() == 4
    assert_rows(made, TABLE, [
        {"impression_id": IMPRESSION + i, "viewport_pct": Decimal(shown), "was_full_view": full}
        for i, (_, shown, full) in enumerate(viewports)
    ])  # fmt: skip


def test_a_full_view_needs_one_full_beat_and_not_a_full_average(spark: SparkSession) -> None:
    seen = [{"impression_id": IMPRESSION, "beat_seq": n, "viewport_pct": v} for n, v in enumerate((0.1, 0.992, 0.2))]

    made = transform(records(spark, HEARTBEATS, seen))

    assert_rows(made, TABLE, [{"viewport_pct": Decimal("0.99"), "was_full_view": True}])


def test_a_merge_does_not_turn_a_rounded_viewport_into_a_full_view(spark: SparkSession) -> None:
    """0.985 is stored as 0.99, but combine uses was_full_view and not the rounded value."""
    rounded = transform(beats(spark, 0, viewport_pct=0.985))
    less = transform(beats(spark, 1, viewport_pct=0.5))

    made = combine(rounded, less)

    assert_rows(made, TABLE, [{"viewport_pct": Decimal("0.99"), "was_full_view": False, "dwell_ms": 500}])


def test_the_largest_beat_number_fits(spark: SparkSession) -> None:
    """beat_seq is limited to a day of beats. The last beat alone needs 5,400 words and is 250 ms of dwell."""
    made = transform(beats(spark, 345_599))

    assert made.select("dwell_ms", F.size("beat_words")).collect() == [(250, 5400)]


seen_beats = st.lists(st.integers(0, 200), min_size=1, max_size=12)
three_batches = st.tuples(seen_beats, seen_beats, seen_beats)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases=st.lists(three_batches, min_size=30, max_size=30))
def test_combine_gives_the_same_rows_in_any_order_grouping_and_number_of_times(
    spark: SparkSession, cases: list[tuple[list[int], list[int], list[int]]]
) -> None:
    """combine is commutative, associative and idempotent, and equals one transform of all beats."""

    def batch(number: int) -> list[Row]:
        return [
            {"impression_id": IMPRESSION + i, "beat_seq": n, "viewport_pct": n / 200}
            for i, case in enumerate(cases)
            for n in case[number]
        ]

    a, b, c = (transform(records(spark, HEARTBEATS, batch(i))).localCheckpoint() for i in range(3))
    wanted = {IMPRESSION + i: 250 * len({n for part in case for n in part}) for i, case in enumerate(cases)}

    def content(made: DataFrame) -> list[str]:
        return sorted(str(r) for r in made.select(*TABLE.column_names).collect())

    ways = {
        "left to right": combine(combine(a, b), c),
        "right to left": combine(c, combine(b, a)),
        "replayed": combine(combine(combine(a, c), b), combine(b, c)),
        "in one batch": transform(records(spark, HEARTBEATS, batch(0) + batch(1) + batch(2))),
    }
    first = content(ways["left to right"])
    assert dwell(ways["left to right"]) == wanted
    assert {name: content(made) == first for name, made in ways.items()} == dict.fromkeys(ways, True)
    assert content(combine(a, a)) == content(a)
