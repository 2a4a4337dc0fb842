"""The tiles of the feed: rankers, ingest and safety.

Limits that make a tile warn come from the feed specification: skew, quarantine share, brand safety. A change of a rate
warns when its interval lies on the wrong side of zero.
"""

from __future__ import annotations

from collections.abc import Iterator

from etl.reports.axes import number, percent
from etl.reports.intervals import difference, lift
from etl.reports.page_queries import Row
from etl.reports.tile import Tile, interval_text, no_data, points, signed, state_of_change
from etl.subjects.feed.dashboard.health import FLOOR, MIN_IMPRESSIONS, RISE, Ingest, Ranker, Safety

SKEW_LIMIT = 1.4
"""The largest task of a fact may get at most this many times the mean (feed specification)."""
USUAL = (0.5, 1.5)
"""Impressions of an hour over those of the median hour; outside of this range the tile warns."""
_UNKNOWN = "reports are not known for this hour"
_JUDGED = f"with more than {MIN_IMPRESSIONS:,} impressions"


def ranker(ranker: Ranker) -> Iterator[Tile]:
    """The newest model version compared with its baseline."""
    newest, base = ranker.newest, ranker.baseline
    if not newest:
        yield no_data("like-lift", "Like-rate lift", "nothing was served in the range")
        return
    yield _like_lift(newest, base)
    yield _regret(newest, base)
    yield _negative_change(newest, base)
    if dwell := newest["dwell"]:
        detail = f"{newest['model_semver']}; {interval_text(dwell, _seconds)}"
        yield Tile("dwell", "Dwell per impression", _seconds(dwell.value), dwell.value, "plain", detail)


def _like_lift(newest: Row, base: Row | None) -> Tile:
    name, title = "like-lift", "Like-rate lift"
    size, base_size = (min(r["impressions"], r["viewers"]) if r else 0 for r in (newest, base))
    found = lift(newest["like"], base["like"], size, base_size) if base else None
    if not base or not found:
        return no_data(name, title, "there is no second version with likes to compare with")
    detail = f"{_names(newest, base)}; {interval_text(found, lambda v: signed(percent(v)))}"
    state = state_of_change(found, good_is_up=True)
    return Tile(name, title, signed(percent(found.value)), found.value, state, detail)


def _regret(newest: Row, base: Row | None) -> Tile:
    name, title, semver, rate = "regret", "5-minute regret rate", newest["model_semver"], newest["regret"]
    if not rate:
        why = f"no likes on {semver}" if newest["likes_given"] == 0 else "likes given are not known for all hours"
        return no_data(name, title, why)
    change = difference(rate, base["regret"] if base else None)
    state = state_of_change(change, good_is_up=False) if change else "plain"
    return Tile(
        name, title, percent(rate.value), rate.value, state, f"of likes given, {semver}; {interval_text(rate, percent)}"
    )


def _negative_change(newest: Row, base: Row | None) -> Tile:
    name, title = "negative-delta", "Negative-rate change"
    change = difference(newest["negative"], base["negative"]) if base else None
    if not base or not change:
        return no_data(name, title, "there is no second version to compare with")
    detail = f"points, {_names(newest, base)}; {interval_text(change, points)}"
    return Tile(name, title, points(change.value), change.value, state_of_change(change, good_is_up=False), detail)


def _names(newest: Row, base: Row) -> str:
    return f"{newest['model_semver']} over {base['model_semver']}"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"


def ingest(ingest: Ingest) -> Iterator[Tile]:
    """What landed, how evenly tasks shared it, how late it was, and what was quarantined."""
    yield _impressions(ingest)
    yield _skew(ingest)
    yield _collapse(ingest)
    total = ingest.total
    if not total:
        yield no_data("lag", "Lag P50", "nothing landed in the range")
        return
    if total["lag_p50"] is not None:
        detail = f"P90 {_minutes(total['lag_p90'])}, P99 {_minutes(total['lag_p99'])}; to the end of the landed hour"
        yield Tile("lag", "Lag P50", _minutes(total["lag_p50"]), total["lag_p50"], "plain", detail)
    late = total["late"] / total["facts"] if total["facts"] else 0.0
    yield Tile("late", "Late share", percent(late), late, "plain", f"{total['late']:,} of {total['facts']:,} facts")
    yield _quarantine(total, ingest.allowed_quarantine)


def _impressions(ingest: Ingest) -> Tile:
    name, title = "impressions", "Impressions, newest hour"
    if not ingest.hours:
        return no_data(name, title, "nothing landed in the range")
    newest, usual = ingest.hours[-1]["impressions"], ingest.usual_impressions
    if not usual:
        return Tile(name, title, number(newest), newest, "plain", "no hour before it to compare with")
    state = "ok" if USUAL[0] <= newest / usual <= USUAL[1] else "watch"
    detail = f"{newest / usual:.0%} of the median hour ({number(usual)})"
    return Tile(name, title, number(newest), newest, state, detail)


def _skew(ingest: Ingest) -> Tile:
    """The worst table. A table with too few rows to be divided evenly never warns."""
    worst = max(ingest.skews, key=lambda s: (s.has_enough_rows, s.ratio), default=None)
    if not worst:
        return no_data("skew", "Partition skew", "no publish in the range has recorded it")
    state = "alarm" if worst.has_enough_rows and worst.ratio > SKEW_LIMIT else "ok"
    few = "" if worst.has_enough_rows else f", too few rows ({worst.rows:,}) to tell"
    detail = f"{worst.table.name}, {worst.tasks} tasks; largest over mean, limit {SKEW_LIMIT} \u00d7{few}"
    return Tile("skew", "Partition skew", f"{worst.ratio:.2f} \u00d7", worst.ratio, state, detail)


def _collapse(ingest: Ingest) -> Tile:
    beats, title = ingest.heartbeats, "Heartbeat collapse"
    if not beats.collapse:
        return no_data("collapse", title, "no heartbeats in the range")
    detail = f"{beats.accepted:,} heartbeats to {beats.rows:,} rows"
    return Tile("collapse", title, f"{beats.collapse:.1f} \u00d7", beats.collapse, "plain", detail)


def _quarantine(total: Row, allowed: float) -> Tile:
    read = total["accepted"] + total["quarantined"]
    share = total["quarantined"] / read if read else 0.0
    detail = f"{total['quarantined']:,} of {read:,} records; at most {percent(allowed)} of an hour"
    state = "alarm" if share > allowed else "ok"
    return Tile("quarantine", "Quarantine share", percent(share), share, state, detail)


def safety(safety: Safety) -> Iterator[Tile]:
    """Posts with a high negative rate, the review queue, and the post that rose most."""
    newest = safety.hours[-1] if safety.hours else None
    yield _over_floor(newest)
    waiting = len(safety.queue)
    detail = f"post-hours over {percent(FLOOR)} that rose more than {100 * RISE:.1f} points in an hour"
    yield Tile("review-queue", "Review queue", str(waiting), waiting, "watch" if waiting else "ok", detail)
    yield _fastest(safety.fastest)
    if newest:
        detail = f"of {newest['judged']} posts {_JUDGED}, newest hour"
        for kind in ("negative", "report"):
            name, title, rate = f"{kind}-p99", f"{kind.capitalize()} rate P99", newest[f"{kind}_p99"]
            known = rate is not None
            yield Tile(name, title, percent(rate), rate, "plain", detail) if known else no_data(name, title, _UNKNOWN)


def _over_floor(newest: Row | None) -> Tile:
    name, title = "over-floor", "Posts over the floor"
    if not newest:
        return no_data(name, title, f"no post {_JUDGED} in an hour")
    over = newest["over_floor"]
    detail = f"of {newest['judged']} posts {_JUDGED}, {newest['hour']:%d %b %H:00}; floor {percent(FLOOR)}"
    return Tile(name, title, str(over), over, "watch" if over else "ok", detail)


def _fastest(row: Row | None) -> Tile:
    if not row:
        return no_data("fastest", "Fastest riser", f"no post {_JUDGED} in two hours that follow each other")
    detail = f"points in an hour: post {row['post_id']}, {row['hour']:%d %b %H:00}"
    return Tile("fastest", "Fastest riser", points(row["rise"]), row["rise"], "plain", detail)
