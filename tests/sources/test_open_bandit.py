"""Tests of the Open Bandit importer, with a made-up log in the same layout and, when available, the real one."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.errors import LandingError
from etl.sources.open_bandit import ImportSummary, import_open_bandit
from etl.sources.stamps import iso, minted_us

Row = dict[str, Any]

HEADER = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3"
)
SHOWN = """\
0,2019-11-24 00:00:17.004101+00:00,1,2,0,0.087125,a,b,c,d
1,2019-11-24 00:00:17.004900+00:00,0,1,1,0.029411764705882353,a,b,c,d
2,2019-11-24 02:59:59.999999+00:00,1,3,0,0.5,a,b,c,x
"""
ITEMS = """\
,item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3
0,0,-0.67,brand,y,z
1,1,0.25,brand,y,z
"""


def write_log(folder: Path, header: str = HEADER) -> Path:
    """Write a log with two policies and one campaign; each policy has three rows."""
    for policy in ("random", "bts"):
        campaign = folder / "obp-0.5.7" / "obp" / "dataset" / "obd" / policy / "men"
        campaign.mkdir(parents=True)
        (campaign / "men.csv").write_text(f"{header}\n{SHOWN}")
        (campaign / "item_context.csv").write_text(ITEMS)
    return folder


def read(out: Path, event: str) -> list[Row]:
    """All landed records of an event."""
    lines = [
        line
        for path in sorted((out / event).glob("hour=*/*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()
    ]
    return [json.loads(line) for line in lines]


def files(out: Path) -> dict[Path, bytes]:
    """The bytes of every landing file."""
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def imported(tmp_path: Path) -> tuple[Path, ImportSummary]:
    """The made-up log, imported."""
    out = tmp_path / "landing"
    return out, import_open_bandit(write_log(tmp_path / "source"), out)


def test_the_summary_has_record_counts_and_the_interval_to_run(imported: tuple[Path, ImportSummary]) -> None:
    _out, summary = imported
    assert summary.records == {
        "impressions": 6,
        "engagements": 2,
        "ranker_models": 2,
        "posts": 2,
        "creators": 1,
    }
    assert summary.first_hour == datetime(2019, 11, 24, 0, tzinfo=UTC)
    assert summary.end_hour == datetime(2019, 11, 24, 3, tzinfo=UTC)


def test_a_shown_item_becomes_an_impression(imported: tuple[Path, ImportSummary]) -> None:
    first = min(read(imported[0], "impressions"), key=lambda row: row["impression_id"])
    assert first["feed_position"] == 2
    assert first["surface"] == "reels"
    assert first["predicted_score"] == 0.087125
    assert first["impression_ts"] == "2019-11-24T00:00:17.004101+00:00"


def test_an_impression_lands_in_the_hour_it_happened_in(imported: tuple[Path, ImportSummary]) -> None:
    hours = {path.name for path in (imported[0] / "impressions").iterdir()}
    assert hours == {"hour=2019-11-24T00", "hour=2019-11-24T02"}


def test_ids_of_one_millisecond_are_unique_and_contain_the_time(
    imported: tuple[Path, ImportSummary],
) -> None:
    rows = read(imported[0], "impressions")
    assert len({row["impression_id"] for row in rows}) == len(rows) == 6
    assert all(iso(minted_us(row["impression_id"]))[:23] == row["impression_ts"][:23] for row in rows)


def test_people_who_share_all_features_are_one_viewer(imported: tuple[Path, ImportSummary]) -> None:
    assert sorted(Counter(row["viewer_id"] for row in read(imported[0], "impressions")).values()) == [2, 4]


def test_a_click_becomes_a_like_of_its_impression(imported: tuple[Path, ImportSummary]) -> None:
    impressions = {row["impression_id"]: row for row in read(imported[0], "impressions")}
    for like in read(imported[0], "engagements"):
        impression = impressions[like["impression_id"]]
        assert (like["event_type"], like["action"]) == ("like", "do")
        assert like["event_ts"] == impression["impression_ts"]
        assert like["post_id"] == impression["post_id"]


def test_policies_posts_and_creators_are_known_from_the_first_hour(
    imported: tuple[Path, ImportSummary],
) -> None:
    out, _summary = imported
    rankers = {row["ranker_model_id"]: row["model_semver"] for row in read(out, "ranker_models")}
    posts = {row["post_id"]: row["creator_id"] for row in read(out, "posts")}
    assert set(rankers.values()) == {"random", "bts"}
    assert {row["ranker_model_id"] for row in read(out, "impressions")} == rankers.keys()
    assert {row["post_id"] for row in read(out, "impressions")} == posts.keys()
    assert {row["creator_id"] for row in read(out, "creators")} == set(posts.values())
    changes = (row for event in ("ranker_models", "posts", "creators") for row in read(out, event))
    assert {row["effective_ts"] for row in changes} == {"2019-11-24T00:00:00.000000+00:00"}


def test_an_archive_its_folder_and_the_extracted_files_give_the_same_bytes(tmp_path: Path) -> None:
    source = write_log(tmp_path / "source")
    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "obp-0.5.7.tar.gz", "w:gz") as tar:
        tar.add(source / "obp-0.5.7", arcname="obp-0.5.7")
    trees = []
    for name, place in (("a", source), ("b", packed), ("c", packed / "obp-0.5.7.tar.gz")):
        import_open_bandit(place, tmp_path / name)
        trees.append(files(tmp_path / name))
    assert trees[0] == trees[1] == trees[2]


def test_the_error_for_a_missing_source_names_the_log(tmp_path: Path) -> None:
    with pytest.raises(LandingError, match="no Open Bandit log here"):
        import_open_bandit(tmp_path / "nowhere", tmp_path / "out")


def test_the_error_for_a_broken_archive_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "obp-0.5.7.tar.gz").write_text("not found")
    with pytest.raises(LandingError, match=r"obp-0.5.7.tar.gz: not a readable"):
        import_open_bandit(tmp_path, tmp_path / "out")


def test_the_error_for_a_missing_column_names_the_column(tmp_path: Path) -> None:
    source = write_log(tmp_path / "source", HEADER.replace("propensity_score", "pscore"))
    with pytest.raises(LandingError, match=r"random/men/men.csv lacks propensity_score"):
        import_open_bandit(source, tmp_path / "out")


# The real log is 20 MB of CSV in the source distribution of another project. This repository does not contain it, and
# no test downloads it. To run the test, set FEED_ETL_OBP_SDIST=/path/to/obp-0.5.7.tar.gz.
@pytest.mark.skipif("FEED_ETL_OBP_SDIST" not in os.environ, reason="FEED_ETL_OBP_SDIST does not name the log")
def test_the_real_log_is_a_week_of_sixty_thousand_impressions(tmp_path: Path) -> None:
    summary = import_open_bandit(Path(os.environ["FEED_ETL_OBP_SDIST"]), tmp_path)
    assert summary.records["impressions"] == 60_000
    assert summary.records["engagements"] == 287
    assert summary.records["posts"] == 160
    assert summary.end_hour - summary.first_hour == timedelta(days=7)
    rows = read(tmp_path, "impressions")
    assert len({row["impression_id"] for row in rows}) == 60_000
    assert {row["feed_position"] for row in rows} == {1, 2, 3}
