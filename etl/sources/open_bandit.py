"""Imports the Open Bandit log, a week of a shop's recommendations under two policies, as landing files.

To write the next importer, do what this module does, top to bottom:

1. read the source; raise LandingError when a file or a column is missing (`OpenBanditLog`);
2. derive every id from the source alone (`_hashed`); an impression gets a `snowflake`;
3. make rows with the fields of `the contracts`, times in microseconds (`to_us`);
4. write each row to the hour it happened in (`_land`), and return the interval to run in the summary.

This module decides how to fill in what the log lacks:

- It has no user id, only four hashed user features. People who share all four are one viewer, so there are few viewers
  and each sees a post often.
- It has no time of the click. A like happens at the time of its impression.
- A campaign becomes a surface. An item becomes a post. Items of a campaign with an equal second feature belong to one
  creator.

The log: Saito et al., "Open Bandit Dataset and Pipeline", 2020; PyPI's obp carries a sample of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from etl.sources.landing_writer import Row, fields, hour_folder, time_fields, write_landing_file
from etl.sources.open_bandit_log import USER_FEATURES, OpenBanditLog, Record
from etl.sources.stamps import hour_of, snowflake, to_datetime, to_us

RANKERS = {"random": 1, "bts": 2}
"""The logged policies and their ranker_model_id: uniform choice, and Bernoulli Thompson sampling."""
SURFACES = {"all": "feed", "men": "reels", "women": "explore"}
"""The shop's campaigns and the surface each is shown as."""

_POST_BASE = {"all": 1_000, "men": 2_000, "women": 3_000}


@dataclass(frozen=True)
class ImportSummary:
    """What was written: the number of records by event, and the interval of landed hours [first_hour, end_hour)."""

    records: Mapping[str, int]
    first_hour: datetime
    last_hour: datetime
    """The last hour with a record."""

    @property
    def end_hour(self) -> datetime:
        """The exclusive end of the interval to run: the hour after the last."""
        return self.last_hour + timedelta(hours=1)


def import_open_bandit(source: Path, out: Path) -> ImportSummary:
    """Write the log in `source` as landing files under `out`. Equal logs give equal bytes.

    `source` is the source distribution of obp (.tar.gz), a folder that holds it, or the extracted folder.
    Raises LandingError when the log or one of its columns is missing.
    """
    log = OpenBanditLog(source)
    impressions, likes = _facts(log.shown())
    start = hour_of(impressions[0]["impression_ts"])
    changes = _changes(log, start)
    rows = {"impressions": impressions, "engagements": likes, **changes}
    hours = {hour for event, of_event in rows.items() for hour in _land(out, event, of_event, start)}
    counts = {event: len(of_event) for event, of_event in rows.items()}
    return ImportSummary(counts, to_datetime(min(hours)), to_datetime(max(hours)))


def _facts(logged: Iterable[tuple[str, str, Record]]) -> tuple[list[Row], list[Row]]:
    """Impressions in time order, and one like per click."""
    shown = [(_impression(policy, campaign, row), row["click"] == "1") for policy, campaign, row in logged]
    shown.sort(key=lambda pair: pair[0]["impression_ts"])
    minted_in: dict[int, int] = defaultdict(int)
    for impression, _clicked in shown:
        ms = impression["impression_ts"] // 1000
        impression["impression_id"] = snowflake(ms, minted_in[ms])
        minted_in[ms] += 1
    return [row for row, _clicked in shown], [_like(row) for row, clicked in shown if clicked]


def _impression(policy: str, campaign: str, row: Record) -> Row:
    """An impression without its id. The score is the probability with which the policy chose the item."""
    return {
        "viewer_id": _hashed("viewer", *(row[feature] for feature in USER_FEATURES)),
        "post_id": _POST_BASE[campaign] + int(row["item_id"]),
        "feed_position": int(row["position"]),
        "surface": SURFACES[campaign],
        "ranker_model_id": RANKERS[policy],
        "predicted_score": round(float(row["propensity_score"]), 6),
        "impression_ts": to_us(datetime.fromisoformat(row["timestamp"])),
    }


def _like(impression: Row) -> Row:
    """The like for a click. It has the id of its impression, since an impression has at most one click."""
    return {
        "engagement_id": impression["impression_id"],
        **{name: impression[name] for name in ("impression_id", "viewer_id", "post_id")},
        "event_type": "like",
        "action": "do",
        "event_ts": impression["impression_ts"],
    }


def _changes(log: OpenBanditLog, start_us: int) -> dict[str, list[Row]]:
    """Changes of rankers, posts and creators, all effective from the first hour of the log."""
    rankers = [_ranker(policy, model_id) for policy, model_id in RANKERS.items()]
    posts = [_post(campaign, item) for campaign in SURFACES for item in log.items(campaign)]
    creators = [_creator(creator_id) for creator_id in sorted({post["creator_id"] for post in posts})]
    rows = {"ranker_models": rankers, "posts": posts, "creators": creators}
    since = {"effective_ts": start_us, "op": "upsert"}
    return {event: [row | since for row in of_event] for event, of_event in rows.items()}


def _ranker(policy: str, model_id: int) -> Row:
    return {
        "ranker_model_id": model_id,
        "model_semver": policy,
        "feature_set": "open-bandit",
        "deployed_pct": 50.0,
        "model_card_url": "https://arxiv.org/abs/2008.07146",
    }


def _post(campaign: str, item: Record) -> Row:
    return {
        "post_id": _POST_BASE[campaign] + int(item["item_id"]),
        "creator_id": _hashed("creator", campaign, item["item_feature_1"]),
        "media_type": "photo",
        "caption": f"{campaign} item {item['item_id']} ({float(item['item_feature_0']):.3f})",
    }


def _creator(creator_id: int) -> Row:
    return {"creator_id": creator_id, "handle": f"brand-{creator_id:x}", "follower_count": 0}


def _hashed(*parts: str) -> int:
    """A positive 63-bit id that depends only on the parts."""
    return int.from_bytes(blake2b("|".join(parts).encode(), digest_size=8).digest(), "big") >> 1


def _land(out: Path, event: str, rows: Iterable[Row], start_us: int) -> set[int]:
    """Write each row to the hour it happened in, and changes to the first hour. Returns these hours."""
    by_hour: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        record = {name: row[name] for name in fields(event) if name in row}
        by_hour[max(start_us, hour_of(row[time_fields(event)[0]]))].append(record)
    for hour, of_hour in by_hour.items():
        write_landing_file(hour_folder(out, event, hour) / f"{event}.jsonl.gz", event, of_hour)
    return set(by_hour)
