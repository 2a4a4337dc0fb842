"""A simulated feed has the difficulties of a real one: skew, lateness, duplicates, undos and changing dimensions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from support.read_back import EVENT_TIME, HOUR, START, Feed, Landed, Row, did, floor, moment


def late(record: Landed) -> bool:
    """Whether a fact landed in a later hour than it happened in."""
    assert record.row is not None
    return floor(record.row[EVENT_TIME[record.event]]) < record.hour


def test_a_few_viewers_and_posts_have_most_of_the_traffic(feed: Feed) -> None:
    rows = list(feed.distinct("impressions", "impression_id").values())
    posts, viewers = Counter(r["post_id"] for r in rows), Counter(r["viewer_id"] for r in rows)
    assert 0.03 < posts[7_000_000_000] / len(rows) < 0.07, "the post of the celebrity has about 5 %"
    assert 0.013 < viewers[1_000_000_000] / len(rows) < 0.027, "the most active viewer has about 2 %"
    assert sum(n for _, n in viewers.most_common(200)) > 0.25 * len(rows), (
        "a tenth of the viewers has over a quarter of the impressions"
    )


@pytest.mark.parametrize("event", EVENT_TIME)
def test_some_facts_are_late_arriving(feed: Feed, event: str) -> None:
    assert any(late(record) for record in feed.landed(event))


def test_some_facts_land_in_the_hour_before_they_happen(feed: Feed) -> None:
    assert any(r.row and r.row["impression_ts"] >= r.hour + HOUR for r in feed.landed("impressions"))


def test_duplicates_are_in_the_same_file_in_another_file_and_in_another_hour(feed: Feed) -> None:
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
    """Pairs of an action and its undo."""
    rows = list(feed.distinct("engagements", "engagement_id").values())
    done = {did(row): row for row in rows if row["action"] == "do"}
    yield from ((done[did(row)], row) for row in rows if row["action"] == "undo" and did(row) in done)


def within(low: timedelta, high: timedelta) -> Callable[[Row, Row], bool]:
    """A condition: the time from the action to its undo is at least `low` and less than `high`."""
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
def test_likes_are_undone(feed: Feed, happens: Callable[[Row, Row], bool]) -> None:
    assert any(happens(do, undo) for do, undo in undo_pairs(feed) if do["event_type"] == "like")


def test_some_undos_land_before_the_action_they_undo(feed: Feed) -> None:
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


def test_comments_form_threads_and_deep_links_give_engagements_without_an_impression(feed: Feed) -> None:
    rows = feed.rows("engagements")
    comments = {row["comment_id"]: row.get("parent_comment_id") for row in rows if row["event_type"] == "comment"}
    assert any(comments.get(comments.get(parent)) for parent in comments.values() if parent), "three deep"
    assert any(row.get("impression_id") is None and row["event_type"] != "share" for row in rows)


def test_shares_create_posts_and_form_trees(feed: Feed) -> None:
    shares, posts = feed.rows("shares"), {row["post_id"] for row in feed.rows("posts")}
    made = {row["shared_post_id"] for row in shares}
    assert made <= posts
    assert any(row["original_post_id"] in made for row in shares), "a share of a share"


def test_a_post_turns_toxic_after_the_first_hour(feed: Feed) -> None:
    hours = {r["hour"]: r for r in feed.truth("agg_post_engagement_hourly") if r["post_id"] == 7_000_000_001}
    first, *later = [hours[key] for key in sorted(hours)]
    later_rate = sum(hour["negatives"] for hour in later) / sum(hour["impressions"] for hour in later)
    assert later_rate > first["negatives"] / first["impressions"] + 0.01


def test_the_ranker_of_an_impression_is_live_and_has_landed_already(feed: Feed) -> None:
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
    assert len({row["ranker_model_id"] for row in feed.rows("impressions")}) > 4, "rankers get new versions"


def test_every_served_or_shared_post_has_landed_already(feed: Feed) -> None:
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


def test_changes_of_posts_and_creators_are_late_duplicate_and_sometimes_without_effect(feed: Feed) -> None:
    posts = feed.landed("posts")
    rows = [record.row for record in posts if record.row]
    assert any(floor(record.row["effective_ts"]) < record.hour > START for record in posts if record.row), "late"
    assert {row["op"] for row in rows} == {"upsert", "delete"}
    changes = {(row["post_id"], row["effective_ts"]) for row in rows}
    assert len(changes) < len(rows), "duplicates"
    versions = feed.truth("dim_posts")
    deletes = {(row["post_id"], row["effective_ts"]) for row in rows if row["op"] == "delete"}
    assert len(versions) < len(changes) - len(deletes), "a change without effect makes no version"
    audios: dict[int, set[int | None]] = defaultdict(set)
    for row in versions:
        audios[row["post_id"]].add(row["audio_id"])
    assert any(len(of_post) > 1 for of_post in audios.values()), "audio changed"
    gone = {post for post, _ in deletes}
    assert any(row["post_id"] in gone and row["is_current"] for row in versions), "a post was restored"
    assert len(feed.truth("dim_creators")) > 400, "follower counts changed"


def test_heartbeats_have_gaps_replays_late_records_and_long_views(feed: Feed) -> None:
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
