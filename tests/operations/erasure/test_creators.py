"""A creator is erased: the id, handles and captions are in no file any more. The posts stay with a replacement id."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession
from support import traces
from support.lakes import land, uri
from support.local_lake import END, START, local_settings
from support.rows import Row
from typer.testing import CliRunner

from etl.cli import app
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.errors import ConfigError
from etl.model.privacy import CREATOR, REPLACEMENT_IDS_BELOW
from etl.operations.erasure import driver, mails, public, register
from etl.operations.maintenance import driver as maintenance

GONE, OTHER = 4711000000018, 4711000000019
HANDLE, CAPTION = "ana.of.the.sea", 'A "quoted" caption <of> hers, é'
TEXTS = (GONE, HANDLE, "ana.renamed", "A first caption", "quoted", "never.read")
TABLES = ["bronze_creators", "bronze_posts", "bronze_shares", "dim_creators", "dim_posts", "fct_shares"]
REASON = "ticket 18"
MAY = "2026-05-01T00:00:00Z"


def creator(creator_id: int, handle: str, **changes: Any) -> Row:
    """A record of the creators' change log."""
    of = {"creator_id": creator_id, "handle": handle, "follower_count": 5, "effective_ts": MAY, "op": "upsert"}
    return of | changes


def post(post_id: int, creator_id: int, **changes: Any) -> Row:
    """A record of the posts' change log."""
    of = {"post_id": post_id, "creator_id": creator_id, "media_type": "video", "caption": "Of another"}
    return of | {"effective_ts": MAY, "op": "upsert"} | changes


def landed(settings: Settings) -> None:
    """Land two creators and their posts, as JSON Lines, as Parquet and as records that cannot be parsed."""
    land(settings, "creators", 10, "a.jsonl", [
        creator(GONE, HANDLE), creator(OTHER, "bob"),
        creator(GONE, "ana.renamed", effective_ts="2026-05-02T00:00:00Z"),
        json.dumps(creator(GONE, "never.read"))[:-9], creator(GONE, "never.read", follower_count=-1),
    ])  # fmt: skip
    land(settings, "posts", 10, "a.jsonl", [
        post(1, GONE, caption="A first caption"), post(2, OTHER),
        post(1, GONE, caption=CAPTION, effective_ts="2026-05-02T00:00:00Z"),  # an edit and nothing else
        post(3, GONE, caption=CAPTION), post(3, OTHER, effective_ts="2026-05-03T00:00:00Z"),  # given to the other
        post(4, GONE, caption="never.read", media_type=7),
    ])  # fmt: skip
    folder = Path(settings.landing) / "posts" / "hour=2026-06-01T10"
    pl.DataFrame([post(5, GONE, caption=CAPTION), post(6, OTHER)]).write_parquet(folder / "b.parquet")
    folder = Path(settings.landing) / "creators" / "hour=2026-06-01T10"
    pl.DataFrame([creator(GONE, HANDLE, follower_count=6)]).write_parquet(folder / "b.parquet")
    share = {"share_id": 1, "original_post_id": 1, "shared_post_id": 2, "viewer_id": 5, "channel": "dm"}
    land(settings, "shares", 10, "a.jsonl", [share | {"share_ts": START.isoformat()}])


@dataclass(frozen=True)
class Erased:
    """A lake after an erasure, its content before, and the receipt."""

    settings: Settings
    before: dict[str, list[Row]]
    texts: set[str]
    receipt: dict[str, Any]


def content(spark: SparkSession, settings: Settings, *names: str) -> dict[str, list[Row]]:
    """Rows of tables, without the column `source_file`."""
    rows = {name: delta.read(spark, uri(settings, name)).drop("source_file").collect() for name in names or TABLES}
    return {name: sorted((row.asDict() for row in found), key=str) for name, found in rows.items()}


@pytest.fixture(scope="module")
def erased(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erased]:
    """A lake with a rejected batch, pages and a mail that name the creator, then the erasure."""
    settings = local_settings(tmp_path_factory.mktemp("creators")).model_copy(update={"quarantine_share": 1.0})
    landed(settings)
    assert not runner.run(spark, settings, START, END, tables=TABLES).errors
    before = content(spark, settings)
    spark.conf.set(delta.METADATA, "")
    delta.read(spark, uri(settings, "dim_posts")).write.format("delta").save(f"{settings.lake}/_rejected/dim_posts/run")
    for page in pages(settings):
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<td>{HANDLE}</td>")
    assert len(traces.of(GONE, settings.lake, settings.landing)) > 8
    texts = public.texts(runner.open_context(spark, settings), [GONE])
    yield Erased(settings, before, texts, driver.erase(spark, settings, [GONE], REASON, CREATOR))
    shutil.rmtree(settings.lake)


def pages(settings: Settings) -> list[Path]:
    """The default paths of pages of a lake."""
    lake = Path(settings.lake)
    return [lake.with_name(f"{lake.name}-dashboard.html"), lake / "page.html", Path(settings.outbox) / "page.html"]


@pytest.mark.parametrize("what", TEXTS)
def test_no_file_holds_the_id_or_a_text_of_the_creator(erased: Erased, what: int | str) -> None:
    found = traces.of(what, erased.settings.lake, erased.settings.landing, erased.settings.outbox)
    assert found == []
    assert not any(page.exists() for page in pages(erased.settings))


def test_posts_stay_and_each_post_has_its_own_replacement_id(spark: SparkSession, erased: Erased) -> None:
    rows = content(spark, erased.settings)["dim_posts"]
    replaced = {row["creator_id"] for row in rows if row["creator_id"] < REPLACEMENT_IDS_BELOW}
    assert len(replaced) == 3  # of posts 1, 3 and 5
    assert {(row["post_id"], row["creator_id"] in replaced, row["caption"], row["is_current"]) for row in rows} == {
        (1, True, None, True), (2, False, "Of another", True), (3, True, None, False), (3, False, "Of another", True),
        (5, True, None, True), (6, False, "Of another", True),
    }  # fmt: skip


def test_versions_that_differed_only_in_the_caption_become_one(spark: SparkSession, erased: Erased) -> None:
    versions = [row for row in content(spark, erased.settings)["dim_posts"] if row["post_id"] == 1]
    (first,) = [r for r in erased.before["dim_posts"] if r["post_id"] == 1 and not r["is_current"]]
    assert [(r["post_sk"], r["valid_from"], r["valid_to"], r["is_current"]) for r in versions] == [
        (first["post_sk"], first["valid_from"], None, True)
    ]


def test_rows_of_other_creators_and_of_viewers_are_unchanged(spark: SparkSession, erased: Erased) -> None:
    after = content(spark, erased.settings)
    for name in ("bronze_shares", "fct_shares"):
        assert after[name] == erased.before[name]
    for name in ("bronze_creators", "dim_creators"):
        assert after[name] == [row for row in erased.before[name] if row["creator_id"] == OTHER]


def test_the_receipt_has_the_role_and_what_was_done(spark: SparkSession, erased: Erased) -> None:
    receipt = erased.receipt
    assert receipt["complete"] and receipt["role"] == "creator" and receipt["people"] == 1
    rules = {name: found["rule"] for name, found in receipt["tables"].items()}
    assert rules == {
        "bronze_creators": "rows removed", "dim_creators": "rows removed", "bronze_posts": "replacement id",
        "dim_posts": "replacement id", "quarantine": "text removed",
    }  # fmt: skip
    assert receipt["tables"]["dim_creators"]["rows"] == 2 and receipt["tables"]["bronze_posts"]["rows"] == 4
    assert receipt["batches"] == ["_rejected/dim_posts/run"] and receipt["mails"]["pages"] == 2
    assert str(GONE) not in json.dumps(receipt) and HANDLE not in json.dumps(receipt)


@pytest.mark.slow
def test_records_of_the_creator_that_land_again_are_erased(spark: SparkSession, erased: Erased) -> None:
    """The original files land again, with a new post. Runs give replacement ids; maintenance cleans the files."""
    settings, before = erased.settings, content(spark, erased.settings)
    landed(settings)
    land(settings, "posts", 10, "late.jsonl", [post(7, GONE, caption=CAPTION)])
    land(settings, "creators", 10, "late.jsonl", [creator(GONE, HANDLE, effective_ts="2026-05-20T00:00:00Z")])
    assert not runner.run(spark, settings, START, END, tables=TABLES).errors
    after = content(spark, settings)
    (new,) = [row for row in after["dim_posts"] if row["post_id"] == 7]
    assert new["creator_id"] < REPLACEMENT_IDS_BELOW and new["caption"] is None
    assert [row for row in after["dim_posts"] if row["post_id"] != 7] == before["dim_posts"]
    assert after["dim_creators"] == before["dim_creators"]
    for what in TEXTS:
        assert traces.of(what, settings.lake) == []
    maintenance.maintain(spark, settings, END, dry_run=False)
    for what in TEXTS:
        assert traces.of(what, settings.lake, settings.landing) == []


def test_equal_ids_of_a_viewer_and_a_creator_are_two_people(spark: SparkSession, settings: Settings) -> None:
    lake = f"file://{settings.lake}"
    listed = register.suppress(spark, lake, [5], CREATOR)
    people = spark.createDataFrame([(5,), (6,)], "id BIGINT")
    assert listed.erased_among(people).ids == [5]
    assert register.suppress(spark, lake, [6]).erased_among(people).ids == [6]


@pytest.mark.parametrize(
    ("page", "removed"),
    [
        ("<td>rows</td>", True),
        ("<p> By rows, published 2026-06-01 10:00 </p>", True),
        ("<td>12 rows</td>", False),
        ("<p>rows of a table</p>", False),
        ("<td>A &#34;quoted&#34; one &lt;b&gt;</td>", True),
        (f"<td>{'long ' * 24}...</td>", True),
        (f"<td>{'long ' * 15}...</td>", False),
        ("rows", False),
    ],
)
@pytest.mark.parametrize("suffix", ["html", "eml"])
def test_a_page_is_removed_when_a_text_of_the_creator_is_a_whole_cell(
    spark: SparkSession, settings: Settings, page: str, removed: bool, suffix: str
) -> None:
    """The handle of a creator may be a common word such as `rows`. Mails are decoded first."""
    file = Path(settings.outbox) / f"a.{suffix}"
    file.parent.mkdir(parents=True)
    coded = base64.b64encode(page.encode()).decode()
    mail = f"Subject: x\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n{coded}\n"
    file.write_text(mail if suffix == "eml" else page)
    mails.remove(spark, settings, CREATOR, lambda numbers: set(), {"rows", 'A "quoted" one <b>', "long " * 50})
    assert file.exists() is not removed


def test_texts_of_creators_come_from_every_version(erased: Erased) -> None:
    assert erased.texts == {HANDLE, "ana.renamed", "A first caption", CAPTION}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--viewer", "1", "--creator", "2"], "two commands"), ([], "--creator ID")],
)
def test_an_erasure_without_exactly_one_role_is_refused(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["erase", *arguments, "--reason", "x"])
    assert isinstance(done.exception, ConfigError) and message in str(done.exception)
