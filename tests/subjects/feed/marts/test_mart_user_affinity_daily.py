"""mart_user_affinity_daily: a row for any activity, and the sound with the most dwell."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from support.rows import Row, assert_rows, at, minted, rows

from etl.model.privacy import REPLACEMENT_IDS_BELOW
from etl.subjects.feed.dims import dim_posts
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.marts.mart_user_affinity_daily import TABLE, transform

DAY = at("00:00").date()
EIGHT, TEN, NOON = minted(at("08:00")), minted(at("10:00")), minted(at("12:00"))


def facts(
    spark: SparkSession,
    impressions: list[Row] | None = None,
    engagements: list[Row] | None = None,
    dwell: list[Row] | None = None,
    posts: list[Row] | None = None,
) -> tuple[DataFrame, DataFrame, DataFrame, DataFrame]:
    """The four inputs of transform, in its order."""
    return (
        rows(spark, fct_impressions.TABLE, impressions or []),
        rows(spark, fct_engagements.TABLE, engagements or []),
        rows(spark, fct_dwell_per_impression.TABLE, dwell or []),
        rows(spark, dim_posts.TABLE, posts or []),
    )


def test_several_reactions_to_one_impression_do_not_multiply_impressions_or_dwell(spark: SparkSession) -> None:
    given = facts(
        spark,
        [{"impression_id": TEN}],
        [{"impression_id": TEN, "event_type": kind} for kind in ("like", "save", "comment")],
        [{"impression_id": TEN, "dwell_ms": 4000}],
    )

    made = transform(*given)

    joined = given[0].join(given[1], "impression_id").join(given[2], "impression_id")
    assert joined.agg(F.count("*"), F.sum("dwell_ms")).collect() == [(3, 12_000)]
    assert_rows(made, TABLE, [{"impressions": 1, "engagements": 3, "dwell_ms_sum": 4000, "dwell_count": 1}])


def test_the_audio_is_the_one_the_post_had_when_it_was_shown(spark: SparkSession) -> None:
    """The sound changes at nine o'clock. Six seconds are with sound 70, four with 71, which is current."""
    posts = [
        {"post_id": 1, "audio_id": 70, "valid_to": at("09:00")},
        {"post_id": 1, "audio_id": 71, "valid_from": at("09:00")},
    ]
    impressions = [{"impression_id": EIGHT}, {"impression_id": TEN}]
    dwell = [{"impression_id": EIGHT, "dwell_ms": 6000}, {"impression_id": TEN, "dwell_ms": 4000}]
    given = facts(spark, impressions, dwell=dwell, posts=posts)

    made = transform(*given)

    current = given[3].where("is_current").select("post_id", "audio_id")
    naive = given[0].join(current, "post_id").select("audio_id").distinct().collect()
    assert naive == [(71,)]
    assert_rows(made, TABLE, [{"viewer_id": 1, "top_audio_id": 70, "impressions": 2, "dwell_ms_sum": 10_000}])


def test_a_version_holds_at_its_start_and_not_at_its_end(spark: SparkSession) -> None:
    """A post that is shown exactly when its sound changes has the new sound."""
    posts = [
        {"post_id": 1, "audio_id": 70, "valid_to": at("10:00")},
        {"post_id": 1, "audio_id": 71, "valid_from": at("10:00")},
    ]

    made = transform(*facts(spark, [{"impression_id": TEN}], dwell=[{"impression_id": TEN}], posts=posts))

    assert_rows(made, TABLE, [{"top_audio_id": 71, "dwell_count": 1}])


def test_the_top_audio_has_the_most_dwell_over_all_posts(spark: SparkSession) -> None:
    """Sound 71 is on two posts; its 3 + 3 seconds are more than the 5 seconds of sound 70."""
    posts = [{"post_id": p, "audio_id": a} for p, a in ((1, 70), (2, 71), (3, 71))]
    shown = [{"impression_id": i, "post_id": p} for p, i in enumerate((EIGHT, TEN, NOON), 1)]
    dwell = [{"impression_id": i, "dwell_ms": ms} for i, ms in ((EIGHT, 5000), (TEN, 3000), (NOON, 3000))]

    assert_rows(transform(*facts(spark, shown, dwell=dwell, posts=posts)), TABLE, [{"top_audio_id": 71}])


def test_a_tie_goes_to_the_smallest_audio_id(spark: SparkSession) -> None:
    posts = [{"post_id": p, "audio_id": a} for p, a in ((1, 72), (2, 71), (3, 73))]
    shown = [{"impression_id": i, "post_id": p} for p, i in enumerate((EIGHT, TEN, NOON), 1)]
    dwell = [{"impression_id": i, "dwell_ms": 5000} for i in (EIGHT, TEN, NOON)]

    assert_rows(transform(*facts(spark, shown, dwell=dwell, posts=posts)), TABLE, [{"top_audio_id": 71}])


def test_posts_that_are_unknown_or_have_no_sound_give_no_audio(spark: SparkSession) -> None:
    """A post without sound and an unknown post have dwell. Neither gives an audio, but the dwell of both counts."""
    shown = [{"impression_id": EIGHT, "post_id": 1}, {"impression_id": TEN, "post_id": 2}]
    dwell = [{"impression_id": EIGHT, "dwell_ms": 9000}, {"impression_id": TEN, "dwell_ms": 1000}]

    made = transform(*facts(spark, shown, dwell=dwell, posts=[{"post_id": 1, "audio_id": None}]))

    assert_rows(made, TABLE, [{"top_audio_id": None, "dwell_ms_sum": 10_000, "avg_dwell_ms": 5000}])


def test_a_viewer_has_a_row_for_any_activity(spark: SparkSession) -> None:
    """One viewer has an impression, one a reaction (deep link), and one dwell (the impression is late-arriving)."""
    given = facts(
        spark,
        [{"viewer_id": 1}],
        [{"viewer_id": 2, "impression_id": None}],
        [{"viewer_id": 3, "dwell_ms": 750}],
    )

    none = {"impressions": 0, "engagements": 0, "dwell_count": 0, "avg_dwell_ms": 0, "day": DAY}
    assert_rows(transform(*given), TABLE, [
        {"viewer_id": 1, **none, "impressions": 1},
        {"viewer_id": 2, **none, "engagements": 1},
        {"viewer_id": 3, **none, "dwell_count": 1, "avg_dwell_ms": 750},
    ])  # fmt: skip


def test_only_settled_engagements_count(spark: SparkSession) -> None:
    """An undone like, two saves in an hour and two comments are 0 + 1 + 2 engagements. NOT is_undone would give 5."""
    like: Row = {"event_type": "like"}
    save: Row = {"event_type": "save"}
    acts = [like, {**like, "undone_ts": at("12:00")}, save, {**save, "event_ts": at("10:30")}]
    comments = [{"event_type": "comment"}] * 2
    given = facts(spark, engagements=[*acts, *comments])

    assert given[1].where("NOT is_undone").count() == 5
    assert_rows(transform(*given), TABLE, [{"engagements": 3}])


def test_a_viewer_whose_actions_are_all_undone_has_no_row(spark: SparkSession) -> None:
    assert transform(*facts(spark, engagements=[{}, {"undone_ts": at("12:00")}])).isEmpty()


def test_the_day_of_an_impression_is_the_day_in_its_id(spark: SparkSession) -> None:
    """The id is created just before midnight, and the post is served just after it."""
    straddling = minted(at("23:59:59.900"))
    shown = [{"impression_id": straddling, "impression_ts": at("00:00:00.100", day=2)}]

    made = transform(*facts(spark, shown, dwell=[{"impression_id": straddling}]))

    assert_rows(made, TABLE, [{"day": DAY, "impressions": 1, "dwell_count": 1}])


def test_a_replacement_id_has_no_row(spark: SparkSession) -> None:
    """A row with the replacement id of an erased person would still describe what the person did."""
    replacement_id = REPLACEMENT_IDS_BELOW - 5
    impressions = [{"impression_id": TEN, "viewer_id": replacement_id}, {"impression_id": EIGHT, "viewer_id": 2}]
    assert [row["viewer_id"] for row in transform(*facts(spark, impressions)).collect()] == [2]
