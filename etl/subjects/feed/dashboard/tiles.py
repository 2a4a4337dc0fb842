"""The dashboard's tiles: one number each, what it is, its interval where it has one, and whether it is as it should be.

A tile warns only by a limit somebody stated: the specification's (skew, quarantine, brand safety), or an interval that
lies on the wrong side of no change. What has no stated limit is shown without a judgement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etl.reports.charts import Format, number, percent
from etl.reports.health import FLOOR, MIN_IMPRESSIONS, RISE, Health, Ingest, Ranker, Safety
from etl.reports.intervals import Estimate, difference, lift

SKEW_LIMIT = 1.4  # no task of a fact gets more than 1.4 x the mean
USUAL = (0.5, 1.5)  # of the median hour; outside it somebody should know why


@dataclass(frozen=True)
class Tile:
    """`value` is what the tile shows, `raw` the number behind it; state is ok, watch, alarm, none or plain."""

    name: str
    title: str
    value: str
    raw: float | None
    state: str
    detail: str


def no_data(name: str, title: str, why: str) -> Tile:
    """A tile without a number."""
    return Tile(name, title, "no data", None, "none", why)


def _signed(text: str) -> str:
    return text.replace("-", "\u2212") if text.startswith("-") else f"+{text}"


def interval(estimate: Estimate, form: Format) -> str:
    """The interval of an estimate in words."""
    if estimate.low is None or estimate.high is None:
        return "no interval: fewer than 3 hours"
    return f"95 % interval {form(estimate.low)} to {form(estimate.high)}"


def _against(estimate: Estimate, good_is_up: bool) -> str:
    """ok when the interval is on the good side of 0, alarm on the bad side, watch when it holds 0 and leans bad."""
    low, high, value = estimate.low or 0.0, estimate.high or 0.0, estimate.value
    low, high, value = (low, high, value) if good_is_up else (-high, -low, -value)
    if low > 0:
        return "ok"
    return "alarm" if high < 0 else "watch" if value < 0 else "plain"


def ranker(health: Ranker) -> Iterator[Tile]:
    """The newest version over its baseline."""
    newest, base = health.newest, health.baseline
    if not newest:
        yield no_data("like-lift", "Like-rate lift", "nothing was served in the range")
        return
    name, size = newest["model_semver"], min(newest["impressions"], newest["viewers"])
    found = base and lift(newest["like"], base["like"], size, min(base["impressions"], base["viewers"]))
    if base and found:
        detail = f"{name} over {base['model_semver']}; {interval(found, lambda v: _signed(percent(v)))}"
        yield Tile(
            "like-lift", "Like-rate lift", _signed(percent(found.value)), found.value, _against(found, True), detail
        )
    else:
        yield no_data("like-lift", "Like-rate lift", "there is no second version with likes to compare with")
    yield _regret(name, newest["regret"], base["regret"] if base else None)
    worse = difference(newest["negative"], base["negative"]) if base else None
    if base and worse:
        detail = f"points, {name} over {base['model_semver']}; {interval(worse, _points)}"
        yield Tile(
            "negative-delta", "Negative-rate change", _points(worse.value), worse.value, _against(worse, False), detail
        )
    else:
        yield no_data("negative-delta", "Negative-rate change", "there is no second version to compare with")
    dwell = newest["dwell"]
    if dwell:
        yield Tile(
            "dwell",
            "Average dwell",
            _seconds(dwell.value),
            dwell.value,
            "plain",
            f"{name}; {interval(dwell, _seconds)}",
        )


def _regret(name: str, newest: Estimate | None, base: Estimate | None) -> Tile:
    title = "5-minute regret rate"
    if not newest:
        return no_data("regret", title, f"no likes on {name}")
    change = difference(newest, base)
    state = _against(change, False) if change else "plain"
    return Tile(
        "regret", title, percent(newest.value), newest.value, state, f"of likes, {name}; {interval(newest, percent)}"
    )


def _points(value: float) -> str:
    return _signed(f"{100 * value:.2f}")


def _seconds(value: float) -> str:
    return f"{value / 1000:.1f} s"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"


def ingest(health: Ingest, allowed: float) -> Iterator[Tile]:
    """What landed, how evenly, how late."""
    yield _impressions(health)
    worst = max(health.skews, key=lambda s: (s.is_telling, s.ratio), default=None)
    if worst:
        state = "alarm" if worst.is_telling and worst.ratio > SKEW_LIMIT else "ok"
        few = "" if worst.is_telling else f", too few rows ({worst.rows:,}) to tell"
        detail = f"{worst.table.name}, {worst.tasks} tasks; largest over mean, limit {SKEW_LIMIT} \u00d7{few}"
        yield Tile("skew", "Partition skew", f"{worst.ratio:.2f} \u00d7", worst.ratio, state, detail)
    else:
        yield no_data("skew", "Partition skew", "no publish in the range has recorded it")
    beats = health.heartbeats
    if beats.collapse:
        detail = f"{beats.accepted:,} heartbeats to {beats.rows:,} rows"
        yield Tile("collapse", "Heartbeat collapse", f"{beats.collapse:.1f} \u00d7", beats.collapse, "plain", detail)
    else:
        yield no_data("collapse", "Heartbeat collapse", "no heartbeats in the range")
    total = health.total
    if not total:
        yield no_data("lag", "Lag P50", "nothing landed in the range")
        return
    if total["lag_p50"] is not None:
        detail = f"P90 {_minutes(total['lag_p90'])}, P99 {_minutes(total['lag_p99'])}; to the end of the landed hour"
        yield Tile("lag", "Lag P50", _minutes(total["lag_p50"]), total["lag_p50"], "plain", detail)
    late = total["late"] / total["facts"] if total["facts"] else 0.0
    yield Tile("late", "Late share", percent(late), late, "plain", f"{total['late']:,} of {total['facts']:,} facts")
    read = total["accepted"] + total["quarantined"]
    bad = total["quarantined"] / read if read else 0.0
    detail = f"{total['quarantined']:,} of {read:,} records; at most {percent(allowed)} of an hour"
    yield Tile("quarantine", "Quarantine share", percent(bad), bad, "alarm" if bad > allowed else "ok", detail)


def _impressions(health: Ingest) -> Tile:
    title = "Impressions, newest hour"
    if not health.hours:
        return no_data("impressions", title, "nothing landed in the range")
    newest, usual = health.hours[-1]["impressions"], health.expected
    if not usual:
        return Tile("impressions", title, number(newest), newest, "plain", "no hour before it to compare with")
    state = "ok" if USUAL[0] <= newest / usual <= USUAL[1] else "watch"
    return Tile(
        "impressions",
        title,
        number(newest),
        newest,
        state,
        f"{newest / usual:.0%} of the median hour ({number(usual)})",
    )


def safety(health: Safety) -> Iterator[Tile]:
    """Posts that turn."""
    newest = health.hours[-1] if health.hours else None
    many = f"with more than {MIN_IMPRESSIONS:,} impressions"
    if newest:
        over = newest["over_floor"]
        detail = f"of {newest['judged']} posts {many}, {newest['hour']:%d %b %H:00}; floor {percent(FLOOR)}"
        yield Tile("over-floor", "Posts over the floor", str(over), over, "watch" if over else "ok", detail)
    else:
        yield no_data("over-floor", "Posts over the floor", f"no post {many} in an hour")
    waiting = len(health.queue)
    detail = f"post-hours over {percent(FLOOR)} that rose more than {100 * RISE:.1f} points in an hour"
    yield Tile("review-queue", "Review queue", str(waiting), waiting, "watch" if waiting else "ok", detail)
    first = health.fastest
    if first:
        detail = f"points in an hour: post {first['post_id']}, {first['hour']:%d %b %H:00}"
        yield Tile("fastest", "Fastest riser", _points(first["rise"]), first["rise"], "plain", detail)
    else:
        yield no_data("fastest", "Fastest riser", f"no post {many} in two hours that follow each other")
    if newest:
        detail = f"of {newest['judged']} posts {many}, newest hour"
        yield Tile(
            "negative-p99",
            "Negative rate P99",
            percent(newest["negative_p99"]),
            newest["negative_p99"],
            "plain",
            detail,
        )


def operations(health: Health) -> Iterator[Tile]:
    """Gates and freshness."""
    closed = [g.table.name for g in health.gates if g.state == "failed"]
    raised = [g.table.name for g in health.gates if g.error]
    warnings = sum(g.warnings for g in health.gates)
    detail = ", ".join(closed) or f"all {len(health.gates)} tables passed or wait; {warnings} warnings"
    yield Tile("gates", "Gates closed", str(len(closed)), len(closed), "alarm" if closed else "ok", detail)
    said = ", ".join(raised) or "no run raised an error that is not made good"
    yield Tile("errors", "Tables with an error", str(len(raised)), len(raised), "alarm" if raised else "ok", said)
    behind = [f for f in health.freshness if f.behind_hours]
    worst = max((f.behind_hours or 0 for f in health.freshness), default=0)
    landed = f"newest landed hour {health.landed:%d %b %H:00}" if health.landed else "nothing landed"
    detail = (
        f"{landed}; behind: {', '.join(f.table.name for f in behind)}" if behind else f"{landed}; every table has it"
    )
    yield Tile("freshness", "Hours behind", str(worst), worst, "watch" if worst else "ok", detail)
