"""Writes the truth as JSON Lines, one file per table, sorted by key.

Times and hours are ISO 8601 to the microsecond with +00:00. Days are `YYYY-MM-DD`. Decimals are text with the scale of
their column.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from etl.sources.landing_writer import Row
from etl.sources.stamps import hour_of, iso
from etl.sources.truth_versions import versions_by_key
from etl.subjects.feed.simulate import truth_rollups as rollups
from etl.subjects.feed.simulate.fields import FIELDS
from etl.subjects.feed.simulate.truth import Truth, done_ts, impression_hour

_HOURLY_SUMS = (*rollups.REACTIONS, "full_views", *rollups.DWELL_SUMS)
_DAILY_SUMS = (*rollups.REACTIONS, *rollups.DWELL_SUMS)
_RATES = {"like_rate": "likes", "save_rate": "saves", "share_rate": "shares", "negative_rate": "negatives"}


def write_truth(folder: Path, truth: Truth) -> None:
    """Write every table of the truth into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    hours, positions = rollups.post_hours(truth), rollups.position_hours(truth)
    tables: dict[str, Iterable[Row]] = {
        "fct_impressions": (_impression(truth.impressions[key]) for key in sorted(truth.impressions)),
        "fct_engagements": (_engagement(truth.engagements[key]) for key in sorted(truth.engagements)),
        "fct_dwell_per_impression": _dwell_rows(truth),
        "fct_shares": (_share(truth.shares[key]) for key in sorted(truth.shares)),
        "dim_ranker_models": _dimension(truth, "ranker_models"),
        "dim_posts": _dimension(truth, "posts"),
        "dim_creators": _dimension(truth, "creators"),
        "agg_post_engagement_hourly": _post_hours(hours),
        "agg_ranker_hourly": _ranker_hours(truth),
        "agg_ranker_position_hourly": _positions(positions, "hour"),
        "agg_ranker_position_daily": _positions(rollups.position_days(positions), "day"),
        "mart_post_engagement_daily": _post_days(rollups.post_days(hours)),
        "mart_user_affinity_daily": _viewer_days(truth),
        "mart_ranker_viewer_daily": _ranker_viewer_days(truth),
        "quarantine": _quarantine(truth),
        "landing": _landing(truth),
    }
    for name, rows in tables.items():
        text = "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)


def _moment(us: int | None) -> str | None:
    return None if us is None else iso(us)


def decimal_text(value: float, places: int) -> str:
    """The decimal text of a number, rounded half up to so many places."""
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _impression(row: Row) -> Row:
    return {
        **{name: row.get(name) for name in FIELDS["impressions"]},
        "predicted_score": decimal_text(row["predicted_score"], 6),
        "impression_ts": iso(row["impression_ts"]),
        "impression_hour": iso(impression_hour(row["impression_id"])),
    }


def _engagement(row: Row) -> Row:
    """A row of fct_engagements. An undo has the time of the undone action as event_ts and its own as undone_ts."""
    undone, impression_id = row["action"] == "undo", row.get("impression_id")
    names = (
        "engagement_id",
        "impression_id",
        "viewer_id",
        "post_id",
        "event_type",
        "comment_id",
        "parent_comment_id",
    )
    return {
        **{name: row.get(name) for name in names},
        "event_ts": iso(done_ts(row)),
        "is_undone": undone,
        "undone_ts": iso(row["event_ts"]) if undone else None,
        "event_hour": iso(hour_of(done_ts(row))),
        "impression_hour": None if impression_id is None else iso(impression_hour(impression_id)),
    }


def _dwell_rows(truth: Truth) -> Iterator[Row]:
    for impression_id, dwell in sorted(truth.dwell.items()):
        yield {
            "impression_id": impression_id,
            "viewer_id": dwell.viewer_id,
            "dwell_ms": dwell.dwell_ms,
            "viewport_pct": decimal_text(dwell.viewport, 2),
            "was_full_view": dwell.is_full_view,
            "impression_hour": iso(impression_hour(impression_id)),
        }


def _share(row: Row) -> Row:
    fields = {name: row.get(name) for name in FIELDS["shares"]}
    return {**fields, "share_ts": iso(row["share_ts"]), "share_hour": iso(hour_of(row["share_ts"]))}


def _dimension(truth: Truth, event: str) -> Iterator[Row]:
    by_key = versions_by_key(truth.changes[event])
    names = [name for name in FIELDS[event] if name not in ("effective_ts", "op")]
    for _key, versions in sorted(by_key.items(), key=lambda item: str(item[0])):
        for version in versions:
            payload = {name: version.payload.get(name) for name in names}
            if event == "ranker_models":
                payload["deployed_pct"] = decimal_text(version.payload["deployed_pct"], 2)
            yield {
                **payload,
                "valid_from": iso(version.valid_from),
                "valid_to": _moment(version.valid_to),
                "is_current": version.valid_to is None,
            }


def _sorted(cells: rollups.Cells) -> Iterator[tuple[tuple[Any, ...], rollups.Cell]]:
    yield from sorted(cells.items(), key=lambda item: item[0])


def _post_hours(cells: rollups.Cells) -> Iterator[Row]:
    for (post_id, hour), cell in _sorted(cells):
        yield {"post_id": post_id, "hour": iso(hour), **_measures(cell, _HOURLY_SUMS)}


def _ranker_hours(truth: Truth) -> Iterator[Row]:
    for (model_id, surface, hour), cell in _sorted(rollups.ranker_hours(truth)):
        yield {
            "ranker_model_id": model_id,
            "surface": surface,
            "hour": iso(hour),
            **_measures(cell, _HOURLY_SUMS),
        }


def _positions(cells: rollups.Cells, at: str) -> Iterator[Row]:
    for (model_id, surface, position, tenths, when), cell in _sorted(cells):
        yield {
            "ranker_model_id": model_id, "surface": surface, "position_bucket": position,
            "score_bucket": f"0.{tenths}", at: iso(when)[:10] if at == "day" else iso(when),
            **cell.pick(*rollups.POSITION_SUMS),
            "predicted_score_sum": str(Decimal(cell.sums["scores"]).scaleb(-6)),
        }  # fmt: skip


def _measures(cell: rollups.Cell, sums: tuple[str, ...]) -> Row:
    return {"impressions": cell.sums["impressions"], "reach": len(cell.viewers), **cell.pick(*sums)}


def _post_days(cells: rollups.Cells) -> Iterator[Row]:
    for (post_id, day), cell in _sorted(cells):
        yield {
            "post_id": post_id,
            "day": iso(day)[:10],
            **_measures(cell, _DAILY_SUMS),
            **{name: rollups.rate(cell, measure) for name, measure in _RATES.items()},
            "avg_dwell_ms": rollups.average_dwell(cell),
        }


def _viewer_days(truth: Truth) -> Iterator[Row]:
    for (viewer_id, day), cell in _sorted(rollups.viewer_days(truth)):
        yield {
            "viewer_id": viewer_id,
            "day": iso(day)[:10],
            **cell.pick("impressions", "engagements", *rollups.DWELL_SUMS),
            "avg_dwell_ms": rollups.average_dwell(cell),
            "top_audio_id": rollups.top_audio(cell),
        }


def _ranker_viewer_days(truth: Truth) -> Iterator[Row]:
    first = rollups.first_impressions(truth)
    for (viewer_id, model_id, day), cell in _sorted(rollups.ranker_viewer_days(truth)):
        yield {
            "viewer_id": viewer_id,
            "ranker_model_id": model_id,
            "day": iso(day)[:10],
            **cell.pick("impressions", "likes", "saves", "negatives", "likes_given", "regrets", *rollups.DWELL_SUMS),
            "first_impression_ts": iso(first[viewer_id, model_id, day]),
        }


def _quarantine(truth: Truth) -> Iterator[Row]:
    for (event, landed, reason), records in sorted(truth.reasons.items()):
        yield {"event": event, "landed_hour": iso(landed), "reason": reason, "records": records}


def _landing(truth: Truth) -> Iterator[Row]:
    for (event, landed), counts in sorted(truth.landing.items()):
        accepted, quarantined = counts["accepted"], counts["quarantined"]
        total = accepted + quarantined
        yield {
            "event": event, "landed_hour": iso(landed),
            "records": total, "accepted": accepted, "quarantined": quarantined,
        }  # fmt: skip
