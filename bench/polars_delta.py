"""The data-frame peer on one machine: Polars writes Delta, without gate, quarantine or ledger."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Literal

import polars as pl

from bench.generate import HOUR
from bench.statements import EVENTS, MEASURES
from etl.transforms.snowflake import EPOCH_MS

Frames = dict[str, pl.LazyFrame]
SEEN = [
    pl.len().alias("impressions"),
    pl.col("viewer_id").approx_n_unique().alias("reach"),
    pl.col("was_full_view").fill_null(False).sum().alias("full_views"),
    pl.col("dwell_ms").sum().alias("dwell_ms_sum"),
    pl.col("dwell_ms").count().alias("dwell_count"),
]
KIND = pl.col("event_type")
COUNTED = {
    "likes": pl.col("settled") & (KIND == "like"),
    "saves": pl.col("settled") & (KIND == "save"),
    "shares": pl.col("settled") & (KIND == "share"),
    "comments": pl.col("settled") & (KIND == "comment"),
    "follows": pl.col("settled") & (KIND == "follow_creator"),
    "negatives": pl.col("settled") & KIND.is_in(["hide", "report"]),
    "regrets": pl.col("regretted"),
}
REACTED = [when.sum().alias(name) for name, when in COUNTED.items()]


def id_hour() -> pl.Expr:
    """The hour encoded in a snowflake id."""
    served = pl.col("impression_id") // 2**22 + EPOCH_MS
    return pl.from_epoch(served, time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.truncate("1h")


def shares(f: Frames) -> pl.LazyFrame:
    """fct_shares."""
    return f["shares"].unique("share_id").with_columns(share_hour=pl.col("share_ts").dt.truncate("1h"))


def impressions(f: Frames) -> pl.LazyFrame:
    """fct_impressions."""
    return f["impressions"].unique("impression_id").with_columns(impression_hour=id_hour())


def engagements(f: Frames) -> pl.LazyFrame:
    """fct_engagements: an undo is a separate row, at the time of the action that it undoes."""
    undo = pl.col("action") == "undo"
    happened = pl.when(undo).then("original_ts").otherwise("event_ts")
    return f["engagements"].unique("engagement_id").select(
        "engagement_id", "impression_id", "viewer_id", "post_id", "event_type",
        happened.alias("event_ts"), undo.alias("is_undone"), pl.when(undo).then("event_ts").alias("undone_ts"),
        happened.dt.truncate("1h").alias("event_hour"),
    )  # fmt: skip


def dwell(f: Frames) -> pl.LazyFrame:
    """fct_dwell_per_impression."""
    folded = f["heartbeats"].group_by("impression_id").agg(
        pl.col("viewer_id").min(), (250 * pl.col("beat_seq").n_unique().cast(pl.Int64)).alias("dwell_ms"),
        pl.col("viewport_pct").max(), (pl.col("viewport_pct").max() >= 0.99).alias("was_full_view"),
    )  # fmt: skip
    return folded.with_columns(impression_hour=id_hour())


def settled(f: Frames) -> pl.LazyFrame:
    """Engagements that are not undos, with columns `settled` and `regretted`."""
    action = ["viewer_id", "post_id", "event_type", "event_ts"]
    kept = (
        f["fct_engagements"].with_columns(undone_at=pl.col("undone_ts").min().over(action)).filter(~pl.col("is_undone"))
    )
    rank = pl.int_range(pl.len())
    numbered = kept.sort("event_ts", "engagement_id").with_columns(
        undone=pl.col("undone_at").is_not_null(), copy_number=rank.over(action)
    )
    nth = rank.over("viewer_id", "post_id", "event_type", "event_hour", "undone")
    once = ~KIND.is_in(["like", "save", "follow_creator", "hide"])
    soon = (pl.col("undone_at") - pl.col("event_ts")) < pl.duration(minutes=5)
    return numbered.with_columns(
        settled=~pl.col("undone") & ((nth == 0) | once),
        regretted=((KIND == "like") & (pl.col("copy_number") == 0) & soon).fill_null(False),
    )


def _seen(f: Frames) -> pl.LazyFrame:
    facts = f["fct_dwell_per_impression"].select("impression_id", "dwell_ms", "was_full_view")
    return f["fct_impressions"].join(facts, on="impression_id", how="left")


def _both(seen: pl.LazyFrame, reacted: pl.LazyFrame, keys: list[str], how: Literal["full", "left"]) -> pl.LazyFrame:
    counts = ["impressions", "reach", "full_views", "dwell_ms_sum", "dwell_count", *MEASURES]
    joined = seen.join(reacted, on=keys, how=how, coalesce=True)
    return joined.with_columns(pl.col(counts).fill_null(0))


def agg_post(f: Frames) -> pl.LazyFrame:
    """agg_post_engagement_hourly."""
    seen = _seen(f).group_by("post_id", hour="impression_hour").agg(SEEN)
    return _both(seen, f["settled"].group_by("post_id", hour="event_hour").agg(REACTED), ["post_id", "hour"], "full")


def agg_ranker(f: Frames) -> pl.LazyFrame:
    """agg_ranker_hourly: actions within 24 hours of the impression."""
    keys = ["ranker_model_id", "surface", "hour"]
    seen = _seen(f).with_columns(hour="impression_hour").group_by(keys).agg(SEEN)
    shown = f["fct_impressions"].select(
        "impression_id", "ranker_model_id", "surface", "impression_ts", "impression_hour"
    )
    after = pl.col("event_ts") - pl.col("impression_ts")
    within = f["settled"].join(shown, on="impression_id").filter(after >= pl.duration(), after < pl.duration(hours=24))
    return _both(seen, within.with_columns(hour="impression_hour").group_by(keys).agg(REACTED), keys, "left")


def _average(frame: pl.LazyFrame) -> pl.LazyFrame:
    mean = (pl.col("dwell_ms_sum") / pl.col("dwell_count")).round()
    return frame.with_columns(avg_dwell_ms=pl.when(pl.col("dwell_count") > 0).then(mean).otherwise(0))


def mart_post(f: Frames) -> pl.LazyFrame:
    """mart_post_engagement_daily."""
    seen = _seen(f).group_by("post_id", day=pl.col("impression_hour").dt.date()).agg(SEEN)
    reacted = f["settled"].group_by("post_id", day=pl.col("event_hour").dt.date()).agg(REACTED)
    return _average(_both(seen, reacted, ["post_id", "day"], "left")).with_columns(
        like_rate=pl.col("likes") / pl.col("impressions")
    )


def mart_user(f: Frames) -> pl.LazyFrame:
    """mart_user_affinity_daily."""
    keys, shown, held = ["viewer_id", "day"], f["fct_impressions"], f["fct_dwell_per_impression"]
    day = pl.col("impression_hour").dt.date().alias("day")
    seen = shown.group_by("viewer_id", day).agg(impressions=pl.len())
    did = f["settled"].filter("settled").group_by("viewer_id", day=pl.col("event_hour").dt.date())
    watched = held.group_by("viewer_id", day).agg(dwell_ms_sum=pl.col("dwell_ms").sum(), dwell_count=pl.len())
    heard = held.join(shown.select("impression_id", "post_id", "impression_ts"), on="impression_id").join(
        f["posts"].select("post_id", "audio_id", "effective_ts"), on="post_id"
    )
    heard = heard.filter(pl.col("impression_ts") >= pl.col("effective_ts")).with_columns(day)
    by_audio = heard.group_by(*keys, "audio_id").agg(pl.col("dwell_ms").sum())
    top = by_audio.sort("dwell_ms", "audio_id", descending=[True, False]).group_by(keys).agg(
        top_audio_id=pl.col("audio_id").first()
    )  # fmt: skip
    joined = seen.join(did.agg(engagements=pl.len()), on=keys, how="full", coalesce=True)
    joined = joined.join(watched, on=keys, how="full", coalesce=True).join(top, on=keys, how="left")
    return _average(
        joined.with_columns(pl.col("impressions", "engagements", "dwell_ms_sum", "dwell_count").fill_null(0))
    )


TABLES: dict[str, Callable[[Frames], pl.LazyFrame]] = {
    "fct_shares": shares,
    "fct_impressions": impressions,
    "fct_engagements": engagements,
    "fct_dwell_per_impression": dwell,
    "agg_post_engagement_hourly": agg_post,
    "agg_ranker_hourly": agg_ranker,
    "mart_post_engagement_daily": mart_post,
    "mart_user_affinity_daily": mart_user,
}


def main(landing: str, lake: str) -> None:
    """Build every table from one landed hour. Prints one JSON line with the seconds."""
    started, seconds = time.monotonic(), {}
    frames: Frames = {e: pl.scan_parquet(f"{landing}/{e}/hour={HOUR:%Y-%m-%dT%H}/*.parquet") for e in EVENTS}
    for name, make in TABLES.items():
        before = time.monotonic()
        if name == "agg_post_engagement_hourly":
            frames["settled"] = settled(frames).collect(engine="streaming").lazy()
        made = make(frames).collect(engine="streaming")
        made.write_delta(f"{lake}/{name}")
        frames[name] = made.lazy()
        seconds[name] = time.monotonic() - before
    print(json.dumps({"session": 0.0, "seconds": time.monotonic() - started, "tables": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
