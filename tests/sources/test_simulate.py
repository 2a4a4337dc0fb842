"""The simulated feed: what it must contain, and that its truth is what its files say.

The files are read back here by code of its own, line by line, which shares nothing with the generator.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from etl.errors import ConfigError, LandingError
from etl.sources.simulate import TruthSummary, simulate

START = datetime(2026, 6, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPOCH = datetime.fromtimestamp(1288834974.657, tz=UTC)
Row = dict[str, Any]

INTS = {
    "impressions": "impression_id viewer_id post_id feed_position ranker_model_id device_id?",
    "engagements": "engagement_id impression_id? viewer_id post_id comment_id? parent_comment_id?",
    "heartbeats": "impression_id viewer_id beat_seq",
    "shares": "share_id original_post_id shared_post_id viewer_id",
    "ranker_models": "ranker_model_id",
    "posts": "post_id creator_id audio_id?",
    "creators": "creator_id follower_count",
}
OTHERS = {
    "impressions": "surface predicted_score impression_ts",
    "engagements": "event_type action event_ts original_ts?",
    "heartbeats": "beat_ts viewport_pct",
    "shares": "share_ts",
    "ranker_models": "model_semver feature_set deployed_pct effective_ts op",
    "posts": "media_type effective_ts op",
    "creators": "handle effective_ts op",
}
SETS: dict[str, set[str]] = {
    "surface": {"feed", "reels", "stories", "explore"},
    "event_type": {"like", "save", "share", "comment", "follow_creator", "hide", "report"},
    "action": {"do", "undo"},
    "op": {"upsert", "delete", "retire"},
}
RANGES: dict[str, tuple[float, float]] = {
    "feed_position": (0, 32767), "predicted_score": (-99.999999, 99.999999), "viewport_pct": (0, 1),
    "beat_seq": (0, 345_599), "deployed_pct": (0, 100), "follower_count": (0, 2**63),
}  # fmt: skip
EVENT_TIME = {
    "impressions": "impression_ts",
    "engagements": "event_ts",
    "heartbeats": "beat_ts",
    "shares": "share_ts",
}


@dataclass
class Landed:
    """One record as a reader finds it."""

    event: str
    hour: datetime
    file: str
    row: Row | None
    reasons: set[str]


def minted(impression_id: int) -> datetime:
    """The moment in an id."""
    return EPOCH + timedelta(milliseconds=impression_id >> 22)


def floor(moment: datetime) -> datetime:
    """The hour of a moment."""
    return moment.replace(minute=0, second=0, microsecond=0)


def read_records(path: Path) -> Iterator[Any]:
    """The records of one landing file; None for a line that is not a JSON object."""
    if path.suffix == ".parquet":
        yield from pq.read_table(path).to_pylist()
        return
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    for line in data.decode().splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        yield row if isinstance(row, dict) else None


def moment(value: Any) -> datetime | None:
    """A timestamp with an offset, or None when it is not one."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    try:
        parsed = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else None


def read_field(row: Row, name: str, is_int: bool) -> tuple[Any, str | None]:
    """The value of a field, and what is wrong with it."""
    field, value = name.rstrip("?"), row.get(name.rstrip("?"))
    if value is None:
        return None, None if name.endswith("?") else f"missing:{field}"
    typed = moment(value) if field.endswith("_ts") else value
    is_right = isinstance(value, int) if is_int else typed is not None
    if field in ("predicted_score", "viewport_pct", "deployed_pct"):
        is_right = isinstance(value, int | float)
    return (typed, None) if is_right else (None, f"wrong_type:{field}")


def check(event: str, row: Row, hour: datetime) -> tuple[Row, set[str]]:
    """A record with its values typed, and every reason not to accept it."""
    names = [(name, True) for name in INTS[event].split()] + [(name, False) for name in OTHERS[event].split()]
    typed, reasons = dict(row), set()
    for name, is_int in names:
        typed[name.rstrip("?")], wrong = read_field(row, name, is_int)
        reasons |= {wrong} if wrong else set()
    present = {name: value for name, value in typed.items() if value is not None}
    reasons |= {f"out_of_set:{f}" for f, of in SETS.items() if f in present and present[f] not in of}
    reasons |= {f"out_of_range:{f}" for f, (a, b) in RANGES.items() if f in present and not a <= present[f] <= b}
    return typed, reasons | check_undo(present) | check_times(event, present, hour)


def check_undo(row: Row) -> set[str]:
    """An undo names what it undoes, which cannot come later."""
    if row.get("action") != "undo":
        return set()
    if "original_ts" not in row:
        return {"undo_without_original_ts"}
    return {"out_of_range:original_ts"} if row["original_ts"] > row.get("event_ts", row["original_ts"]) else set()


def check_times(event: str, row: Row, hour: datetime) -> set[str]:
    """Facts are neither in the future of their landed hour nor older than the lateness limit."""
    if event not in EVENT_TIME:
        return set()
    times = [row[EVENT_TIME[event]]] if EVENT_TIME[event] in row else []
    if event == "heartbeats" and "impression_id" in row:
        times.append(minted(row["impression_id"]))
    reasons = {"in_future" for time in times if time > hour + HOUR + timedelta(minutes=5)}
    reasons |= {"too_late" for time in times if time < hour - timedelta(days=7)}
    if row.get("action") == "undo" and row.get("original_ts", hour) < hour - timedelta(days=30):
        reasons.add("too_late")
    if event == "impressions" and times and "impression_id" in row:
        apart = abs(minted(row["impression_id"]) - times[0])
        reasons |= {"id_time_mismatch"} if apart > timedelta(seconds=5) else set()
    return reasons


def read_landing(out: Path) -> list[Landed]:
    """Every record of a landing zone, checked."""
    records = []
    for path in sorted(out.glob("*/hour=*/*")):
        event, hour = path.parts[-3], datetime.fromisoformat(path.parts[-2][5:] + ":00+00:00")
        for row in read_records(path):
            typed, reasons = check(event, row, hour) if row is not None else ({}, {"unparseable"})
            records.append(Landed(event, hour, path.name, typed, reasons))
    return records


@dataclass
class Feed:
    """A simulated feed, its files read back."""

    out: Path
    summary: TruthSummary
    records: list[Landed]

    def truth(self, table: str) -> list[Row]:
        """One table of the truth."""
        return [json.loads(line) for line in (self.out / "_truth" / f"{table}.jsonl").read_text().splitlines()]

    def landed(self, event: str) -> list[Landed]:
        """The acceptable records of an event, repeated ones included."""
        return [record for record in self.records if record.event == event and not record.reasons]

    def rows(self, event: str) -> list[Row]:
        """The same, without where they landed."""
        return [record.row for record in self.landed(event) if record.row is not None]

    def distinct(self, event: str, key: str) -> dict[int, Row]:
        """The acceptable rows of an event by id."""
        return {row[key]: row for row in self.rows(event)}


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Feed:
    """Three hours of three thousand impressions."""
    out = tmp_path_factory.mktemp("landing")
    summary = simulate(out, START, START + 3 * HOUR, 3_000, seed=7)
    return Feed(out, summary, read_landing(out))


# ---------------------------------------------------------------- the files


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        simulate(tmp_path / name, START, START + 2 * HOUR, 300, seed=3)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert trees[0] == trees[1]


def test_another_seed_is_another_feed(tmp_path: Path) -> None:
    ids = []
    for seed in (1, 2):
        simulate(tmp_path / str(seed), START, START + HOUR, 100, seed)
        ids.append((tmp_path / str(seed) / "_truth" / "fct_impressions.jsonl").read_text())
    assert ids[0] != ids[1]


def test_a_folder_holds_one_scenario(tmp_path: Path) -> None:
    simulate(tmp_path, START, START + HOUR, 50, seed=1)
    with pytest.raises(LandingError, match="another scenario"):
        simulate(tmp_path, START, START + HOUR, 50, seed=2)


@pytest.mark.parametrize(
    ("start", "knobs"),
    [(START.replace(tzinfo=None), {}), (START + timedelta(minutes=5), {}), (START, {"bad_share": 0.02})],
    ids=["no offset", "half an hour", "more bad records than a gate allows"],
)
def test_a_scenario_that_cannot_be_is_refused(tmp_path: Path, start: datetime, knobs: Row) -> None:
    with pytest.raises(ConfigError):
        simulate(tmp_path, start, start + 2 * HOUR, 10, 1, **knobs)


def test_every_format_is_exercised(feed: Feed) -> None:
    suffixes = {record.file.split(".", 1)[1] for record in feed.records}
    assert suffixes == {"jsonl", "jsonl.gz", "jsonl.zst", "parquet"}


def test_a_file_holds_the_viewers_whose_hash_its_name_says(feed: Feed) -> None:
    for record in feed.records:
        if record.event in EVENT_TIME and not record.reasons and record.row:
            digest = blake2b(f"v:{record.row['viewer_id']}".encode(), digest_size=8).digest()
            assert f"-p{int.from_bytes(digest, 'big') % 4:04d}" in record.file


# ---------------------------------------------------------------- quarantine and balance


def test_the_reasons_found_in_the_files_are_those_of_the_truth(feed: Feed) -> None:
    found = Counter((r.event, r.hour, reason) for r in feed.records for reason in r.reasons)
    told = {
        (row["event"], datetime.fromisoformat(row["landed_hour"]), row["reason"]): row["records"]
        for row in feed.truth("quarantine")
    }
    assert dict(found) == told


def test_accepted_and_quarantined_make_up_what_was_read(feed: Feed) -> None:
    read = Counter((record.event, record.hour) for record in feed.records)
    bad = Counter((record.event, record.hour) for record in feed.records if record.reasons)
    for row in feed.truth("landing"):
        cell = row["event"], datetime.fromisoformat(row["landed_hour"])
        assert (row["records"], row["quarantined"]) == (read.pop(cell), bad[cell])
        assert row["accepted"] + row["quarantined"] == row["records"]
        assert row["quarantined"] < 0.005 * row["records"]
    assert not read
    assert sum(feed.summary.records.values()) == len(feed.records)


def test_every_reason_occurs(feed: Feed) -> None:
    codes = {reason.split(":")[0] for record in feed.records for reason in record.reasons}
    assert codes == {
        "unparseable", "missing", "wrong_type", "out_of_set", "out_of_range", "undo_without_original_ts",
        "id_time_mismatch", "in_future", "too_late",
    }  # fmt: skip
    ranged = {reason for record in feed.records for reason in record.reasons if reason.startswith("out_of_")}
    # A ranker's percentage is never wrong here: an hour has too few ranker records for one bad one.
    assert ranged >= {f"out_of_range:{name}" for name in (RANGES.keys() - {"deployed_pct"}) | {"original_ts"}}
    assert ranged >= {f"out_of_set:{name}" for name in SETS}


def test_some_bad_records_have_two_reasons(feed: Feed) -> None:
    assert any(len(record.reasons) == 2 for record in feed.records)


# ---------------------------------------------------------------- what real life does


def late(record: Landed) -> bool:
    """Whether a fact landed in a later hour than it happened in."""
    assert record.row is not None
    return floor(record.row[EVENT_TIME[record.event]]) < record.hour


def test_a_few_viewers_and_posts_have_most_of_the_traffic(feed: Feed) -> None:
    rows = list(feed.distinct("impressions", "impression_id").values())
    posts, viewers = Counter(r["post_id"] for r in rows), Counter(r["viewer_id"] for r in rows)
    assert 0.03 < posts[7_000_000_000] / len(rows) < 0.07, "the celebrity's post has about 5 %"
    assert 0.013 < viewers[1_000_000_000] / len(rows) < 0.027, "the viewer who never stops has about 2 %"
    assert sum(n for _, n in viewers.most_common(200)) > 0.25 * len(rows), "a tenth of the viewers, over a quarter"


@pytest.mark.parametrize("event", EVENT_TIME)
def test_some_facts_are_late(feed: Feed, event: str) -> None:
    assert any(late(record) for record in feed.landed(event))


def test_some_facts_land_in_the_hour_before_they_happen(feed: Feed) -> None:
    assert any(r.row and r.row["impression_ts"] >= r.hour + HOUR for r in feed.landed("impressions"))


def test_records_are_repeated_in_a_file_in_another_and_in_another_hour(feed: Feed) -> None:
    for event, key in (("impressions", "impression_id"), ("engagements", "engagement_id")):
        copies: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
        for record in feed.landed(event):
            assert record.row is not None
            copies[record.row[key]].append((record.hour, record.file))
        again = [places for places in copies.values() if len(places) > 1]
        assert any(len(set(places)) == 1 for places in again), "the same file"
        assert any(len({h for h, _ in p}) == 1 and len({f for _, f in p}) == 2 for p in again), "another file"
        assert any(len({h for h, _ in places}) > 1 for places in again), "another hour"


def test_files_are_out_of_order(feed: Feed) -> None:
    times = [r.row["impression_ts"] for r in feed.landed("impressions") if r.row]
    assert sum(later < earlier for earlier, later in pairwise(times)) > len(times) / 10


def undo_pairs(feed: Feed) -> Iterator[tuple[Row, Row]]:
    """Every action with each undo of it."""
    rows = list(feed.distinct("engagements", "engagement_id").values())
    done = {did(row): row for row in rows if row["action"] == "do"}
    yield from ((done[did(row)], row) for row in rows if row["action"] == "undo" and did(row) in done)


def did(row: Row) -> tuple[Any, ...]:
    """What an action and its undo have in common."""
    time = row["original_ts"] if row["action"] == "undo" else row["event_ts"]
    return row["viewer_id"], row["post_id"], row["event_type"], time


def within(low: timedelta, high: timedelta) -> Callable[[Row, Row], bool]:
    """Whether an undo came so long after the action."""
    return lambda do, undo: low <= undo["event_ts"] - do["event_ts"] < high


FIVE = timedelta(minutes=5)


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(within(timedelta(0), FIVE), id="within five minutes"),
        pytest.param(within(FIVE, timedelta(hours=2)), id="after five minutes"),
        pytest.param(lambda do, undo: floor(do["event_ts"]) < floor(undo["event_ts"]), id="in another hour"),
    ],
)
def test_likes_are_taken_back(feed: Feed, happens: Callable[[Row, Row], bool]) -> None:
    assert any(happens(do, undo) for do, undo in undo_pairs(feed) if do["event_type"] == "like")


def test_some_undos_land_before_what_they_undo(feed: Feed) -> None:
    first: dict[int, datetime] = {}
    for record in feed.landed("engagements"):
        assert record.row is not None
        first.setdefault(record.row["engagement_id"], record.hour)
        first[record.row["engagement_id"]] = min(first[record.row["engagement_id"]], record.hour)
    assert any(first[undo["engagement_id"]] < first[do["engagement_id"]] for do, undo in undo_pairs(feed))


def test_likes_are_repeated_and_done_again_after_an_undo(feed: Feed) -> None:
    undone = {did(do) for do, _ in undo_pairs(feed)}
    likes: dict[tuple[int, int, datetime], list[bool]] = defaultdict(list)
    for row in feed.distinct("engagements", "engagement_id").values():
        if row["event_type"] == "like" and row["action"] == "do":
            likes[row["viewer_id"], row["post_id"], floor(row["event_ts"])].append(did(row) in undone)
    assert any(group.count(False) > 1 for group in likes.values()), "repeated without an undo"
    assert any(set(group) == {True, False} for group in likes.values()), "done again after an undo"


def test_comments_make_threads_and_links_make_engagements_without_impression(feed: Feed) -> None:
    rows = feed.rows("engagements")
    comments = {row["comment_id"]: row.get("parent_comment_id") for row in rows if row["event_type"] == "comment"}
    assert any(comments.get(comments.get(parent)) for parent in comments.values() if parent), "three deep"
    assert any(row.get("impression_id") is None and row["event_type"] != "share" for row in rows)


def test_shares_make_posts_and_trees(feed: Feed) -> None:
    shares, posts = feed.rows("shares"), {row["post_id"] for row in feed.rows("posts")}
    made = {row["shared_post_id"] for row in shares}
    assert made <= posts
    assert any(row["original_post_id"] in made for row in shares), "a share of a share"


def test_a_post_turns_toxic_after_the_first_hour(feed: Feed) -> None:
    hours = {r["hour"]: r for r in feed.truth("agg_post_engagement_hourly") if r["post_id"] == 7_000_000_001}
    first, *later = [hours[key] for key in sorted(hours)]
    later_rate = sum(hour["negatives"] for hour in later) / sum(hour["impressions"] for hour in later)
    assert later_rate > first["negatives"] / first["impressions"] + 0.01


def test_a_stamp_names_a_ranker_version_live_at_that_moment_and_already_announced(feed: Feed) -> None:
    live = {
        row["ranker_model_id"]: (moment(row["valid_from"]), moment(row["valid_to"]))
        for row in feed.truth("dim_ranker_models")
    }
    announced: dict[int, datetime] = {}
    for record in feed.landed("ranker_models"):
        assert record.row is not None
        announced[record.row["ranker_model_id"]] = min(
            record.hour, announced.get(record.row["ranker_model_id"], record.hour)
        )
    for record in feed.landed("impressions"):
        assert record.row is not None
        start, end = live[record.row["ranker_model_id"]]
        assert start is not None
        assert start <= record.row["impression_ts"] < (end or datetime.max.replace(tzinfo=UTC))
        assert announced[record.row["ranker_model_id"]] <= record.hour
    assert len({row["ranker_model_id"] for row in feed.rows("impressions")}) > 4, "ramps give new versions"


def test_whatever_is_served_or_shared_is_a_known_post(feed: Feed) -> None:
    known: dict[int, datetime] = {}
    for record in feed.landed("posts"):
        assert record.row is not None
        known[record.row["post_id"]] = min(record.hour, known.get(record.row["post_id"], record.hour))
    for event, field in (
        ("impressions", "post_id"),
        ("engagements", "post_id"),
        ("shares", "original_post_id"),
    ):
        assert all(known[record.row[field]] <= record.hour for record in feed.landed(event) if record.row)


def test_posts_and_creators_change_late_repeatedly_and_for_nothing(feed: Feed) -> None:
    posts = feed.landed("posts")
    rows = [record.row for record in posts if record.row]
    assert any(floor(record.row["effective_ts"]) < record.hour > START for record in posts if record.row), "late"
    assert {row["op"] for row in rows} == {"upsert", "delete"}
    changes = {(row["post_id"], row["effective_ts"]) for row in rows}
    assert len(changes) < len(rows), "repeated"
    versions = feed.truth("dim_posts")
    deletes = {(row["post_id"], row["effective_ts"]) for row in rows if row["op"] == "delete"}
    assert len(versions) < len(changes) - len(deletes), "news that changed nothing made no version"
    audios: dict[int, set[int | None]] = defaultdict(set)
    for row in versions:
        audios[row["post_id"]].add(row["audio_id"])
    assert any(len(of_post) > 1 for of_post in audios.values()), "audio swapped"
    gone = {post for post, _ in deletes}
    assert any(row["post_id"] in gone and row["is_current"] for row in versions), "a post came back"
    assert len(feed.truth("dim_creators")) > 400, "follower counts moved"


def test_beats_have_gaps_replays_late_tails_and_long_watches(feed: Feed) -> None:
    beats: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    for record in feed.landed("heartbeats"):
        assert record.row is not None
        beats[record.row["impression_id"]].append((record.hour, record.row["beat_seq"]))
    sequences = [sorted(seq for _, seq in of) for of in beats.values()]
    assert 3.5 < sum(len(set(of)) for of in sequences) / len(sequences) < 6
    assert any(of[-1] >= 64 for of in sequences), "longer than 16 seconds"
    assert any(of[-1] > len(set(of)) for of in sequences), "gaps"
    assert any(len(of) > 1.5 * len(set(of)) and len(set(of)) > 3 for of in sequences), "replays"
    assert any(len({hour for hour, _ in of}) > 1 for of in beats.values()), "two landed hours"


def test_viewport_shares_lie_on_both_sides_of_a_full_view(feed: Feed) -> None:
    edges = {0.985, 0.989, 0.99, 0.995}
    assert edges <= {row["viewport_pct"] for row in feed.rows("heartbeats")}


# ---------------------------------------------------------------- the truth


def test_the_impressions_of_the_truth_are_the_acceptable_ids_of_the_files(feed: Feed) -> None:
    truth = {row["impression_id"]: row for row in feed.truth("fct_impressions")}
    found = feed.distinct("impressions", "impression_id")
    assert truth.keys() == found.keys()
    for key, row in found.items():
        assert moment(truth[key]["impression_hour"]) == floor(minted(key))
        assert float(truth[key]["predicted_score"]) == row["predicted_score"]


def test_the_truth_of_engagements_and_shares_is_in_the_files(feed: Feed) -> None:
    engagements = feed.distinct("engagements", "engagement_id")
    truth = {row["engagement_id"]: row for row in feed.truth("fct_engagements")}
    assert truth.keys() == engagements.keys()
    for key, row in engagements.items():
        assert truth[key]["is_undone"] == (row["action"] == "undo")
        assert moment(truth[key]["event_ts"]) == did(row)[-1]
    assert {row["share_id"] for row in feed.truth("fct_shares")} == feed.distinct("shares", "share_id").keys()


def test_dwell_is_a_quarter_second_per_distinct_beat(feed: Feed) -> None:
    beats: dict[int, set[int]] = defaultdict(set)
    peak: dict[int, float] = defaultdict(float)
    for row in feed.rows("heartbeats"):
        beats[row["impression_id"]].add(row["beat_seq"])
        peak[row["impression_id"]] = max(peak[row["impression_id"]], row["viewport_pct"])
    truth = feed.truth("fct_dwell_per_impression")
    assert {row["impression_id"]: row["dwell_ms"] for row in truth} == {k: 250 * len(v) for k, v in beats.items()}
    assert all(row["was_full_view"] == (peak[row["impression_id"]] >= 0.99) for row in truth)


def test_settled_likes_of_a_day_are_those_left_standing_once_an_hour(feed: Feed) -> None:
    rows = feed.distinct("engagements", "engagement_id").values()
    undone = {did(row) for row in rows if row["action"] == "undo"}
    standing = {
        (row["viewer_id"], row["post_id"], floor(row["event_ts"]))
        for row in rows
        if row["event_type"] == "like" and row["action"] == "do" and did(row) not in undone
    }
    per_post = Counter(post for _viewer, post, _hour in standing)
    hourly: Counter[int] = Counter()
    for row in feed.truth("agg_post_engagement_hourly"):
        hourly[row["post_id"]] += row["likes"]
    assert +hourly == per_post
    assert all(row["likes"] == per_post[row["post_id"]] for row in feed.truth("mart_post_engagement_daily"))


def test_rollups_and_marts_count_every_impression_once(feed: Feed) -> None:
    total = len(feed.truth("fct_impressions"))
    for table in ("agg_post_engagement_hourly", "agg_ranker_hourly", "mart_post_engagement_daily"):
        assert sum(row["impressions"] for row in feed.truth(table)) == total
    assert sum(row["impressions"] for row in feed.truth("mart_user_affinity_daily")) == total


def test_versions_neither_overlap_nor_repeat_and_one_at_most_is_current(feed: Feed) -> None:
    for table, key in (
        ("dim_posts", "post_id"),
        ("dim_creators", "creator_id"),
        ("dim_ranker_models", "model_semver"),
    ):
        by_key: dict[Any, list[Row]] = defaultdict(list)
        for row in feed.truth(table):
            by_key[row[key]].append(row)
        for versions in by_key.values():
            for one, after in pairwise(versions):
                assert one["valid_from"] < one["valid_to"] <= after["valid_from"]
            assert sum(row["is_current"] for row in versions) <= 1
