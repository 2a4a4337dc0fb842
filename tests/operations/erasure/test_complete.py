"""An erasure reports what it could not search, and maintenance completes it. Numbers in texts are rarely ids."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from soak import shares
from support import traces
from support.lakes import uri
from support.local_lake import END, START
from typer.testing import CliRunner

from etl import catalog
from etl.cli import app
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.delta.transaction import Transaction
from etl.engine.jobs import runner
from etl.engine.jobs.run_context import RunContext, publish, record
from etl.engine.landing import reader as landing
from etl.engine.people import keyed, keys, suppression
from etl.engine.spark import files
from etl.errors import ConfigError
from etl.model.privacy import VIEWER as AS_VIEWER
from etl.operations.erasure import driver, landed, mails, register, rewrites, written_pages
from etl.operations.maintenance import driver as maintenance

VIEWER, OTHER = 4711000000017, 4711000000018
REASON = "ticket 17"


@pytest.fixture
def fed(spark: SparkSession, settings: Settings) -> Settings:
    """A lake with a share of each of two viewers."""
    folder = Path(settings.landing) / "shares" / "hour=2026-06-01T10"
    folder.mkdir(parents=True)
    for number, viewer in enumerate((VIEWER, OTHER), 1):  # no share id equals a viewer id
        share = {"share_id": number, "original_post_id": 1, "shared_post_id": 2, "viewer_id": viewer,
                 "share_ts": START.isoformat(), "channel": "dm"}  # fmt: skip
        (folder / f"{number}.jsonl").write_text(f"{json.dumps(share)}\n")
    assert not runner.run(spark, settings, START, END, tables=shares.TABLES).errors
    return settings


def test_maintenance_completes_an_erasure_without_a_landing_zone(spark: SparkSession, fed: Settings) -> None:
    """One receipt is for two people. A run under way publishes a row of one of them after the erasure."""
    lake, away = f"file://{fed.lake}", Path(fed.landing).with_name("away")
    Path(fed.landing).rename(away)
    receipt = driver.erase(spark, fed, [OTHER, VIEWER], REASON)
    assert not receipt["complete"] and "no landing zone" in receipt["incomplete"][0] and receipt["people"] == 2
    assert [receipt["tables"][name]["rows"] for name in shares.TABLES] == [2, 2]
    away.rename(fed.landing)
    context = runner.open_context(spark, fed)
    _publish_late(context)  # commits now and writes its ledger row after the sweep
    done = [action.what for action in maintenance.maintain(spark, fed, END, dry_run=False)]
    assert [what for what in done if receipt["id"] in what]
    context.ledger.flush()
    assert traces.of(VIEWER, fed.lake, fed.landing) == traces.of(OTHER, fed.lake, fed.landing) == []
    assert [r["complete"] for r in register.receipts(spark, lake)] == [False, True]
    assert register.open_receipts(spark, lake) == []
    _nobody_is_confirmed(spark, fed)


def _publish_late(context: RunContext) -> None:
    """Publish a row of the viewer, as a run that read its files before the erasure. Its ledger row is not written."""
    table = catalog.entry("bronze_shares").table
    txn = Transaction(context.spark, context.uri(table))
    rows = delta.read(context.spark, context.uri(table)).limit(1)
    txn.stage(rows.selectExpr(*[f"{VIEWER}L AS viewer_id" if c == "viewer_id" else c for c in table.column_names]))
    entry = context.begin(table)
    publish(context, table, txn, entry, {})
    record(context, entry)


def _nobody_is_confirmed(spark: SparkSession, fed: Settings) -> None:
    """Check that nobody can find an erased id with the lake alone.

    Every number and hexadecimal word in the lake is compared with what an id and the public parts of the lake give.
    """
    words: set[str] = set()
    for name in ("bronze_shares", "fct_shares"):
        words |= {str(row[0]) for row in delta.read(spark, uri(fed, name)).select("viewer_id").collect()}
    lake = f"file://{fed.lake}"
    for place in ("erased", "receipts", "sweeps"):
        words |= {str(value) for row in delta.read(spark, f"{lake}/_erasure/{place}").collect() for value in row}
    words |= {entry.reason for entry in runner.open_context(spark, fed).ledger.entries}
    numbers = set(re.findall(r"-?\d+", " ".join(words)))
    fingerprint = delta.properties(spark, suppression.list_uri(lake))[suppression.KEY]
    for person in (VIEWER, OTHER):
        assert str(person) not in numbers
        for secret in (b"", fingerprint.encode()):
            for namespace in ("", suppression.ERASED, suppression.REPLACEMENT, "sketch"):
                assert str(keyed.number(secret, namespace, person)) not in numbers
    secret = keys.read(keys.key_file(lake, "erasure"))
    assert str(keyed.number(secret, suppression.ERASED, VIEWER)) in numbers


def test_a_file_that_lands_while_its_hour_is_rewritten_is_read(
    spark: SparkSession, fed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite, folder = landed._rewrite, next(Path(fed.landing).glob("shares/*"))

    def meanwhile(*given: Any) -> Any:
        late = {"share_id": 99, "original_post_id": 1, "shared_post_id": 2, "viewer_id": OTHER,
                "share_ts": START.isoformat(), "channel": "late"}  # fmt: skip
        (folder / "late.jsonl").write_text(f"{json.dumps(late)}\n")
        return rewrite(*given)

    monkeypatch.setattr(landed, "_rewrite", meanwhile)
    driver.erase(spark, fed, [VIEWER], REASON)
    assert not runner.run(spark, fed, START, END, tables=["bronze_shares"]).errors
    assert not delta.read(spark, uri(fed, "bronze_shares")).where("share_id = 99").isEmpty()


def test_a_file_that_its_producer_changes_during_the_rewrite_stays(spark: SparkSession, fed: Settings) -> None:
    """No record of it is lost."""
    event = catalog.entry("bronze_shares").table.event
    assert event
    known = register.suppress(spark, f"file://{fed.lake}", [VIEWER])
    (part,) = landing.listing(spark, fed, event, [START.replace(hour=10)])
    old = files.LandedFile(part.files[0].uri, part.files[0].size - 1, part.files[0].modified)
    before = Path(old.uri.removeprefix("file:").replace("///", "/")).read_bytes()
    context = runner.open_context(spark, fed)
    note = rewrites.load(spark, old.uri.rsplit("/", 1)[0])
    assert landed._rewrite(context, event, old, suppression.ErasedIds(known, [VIEWER], []), note) is None
    assert Path(old.uri.removeprefix("file:").replace("///", "/")).read_bytes() == before


@pytest.mark.parametrize(
    ("text", "removed"),
    [
        ("12 of 1,000 rows", False),
        ("viewer_id: 12", True),
        ('{"viewer_id": 12}', True),
        ("<td>user_id</td><td>12</td>", True),
        ("viewer_id: 120, post_id: 12", False),
        ("viewer_id = -12", False),
        ("table agg_12, 12 viewers", False),
    ],
)
def test_a_number_in_a_mail_is_an_id_only_after_the_name_of_an_id(
    spark: SparkSession, text: str, removed: bool, settings: Settings
) -> None:
    mail = Path(settings.outbox) / "a.eml"
    mail.parent.mkdir(parents=True)
    mail.write_text(text)
    counts, elsewhere = mails.remove(spark, settings, AS_VIEWER, lambda numbers: numbers & {12}, set())
    assert counts["outbox"] == removed and mail.exists() is not removed and elsewhere == []


def test_a_remote_outbox_is_reported_when_it_has_files(
    spark: SparkSession, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = settings.model_copy(update={"lake": "s3a://bucket/lake"})
    for remote in ([], [files.LandedFile("s3a://bucket/lake/_outbox/a.eml", 1, 1)]):
        monkeypatch.setattr(files, "walk", lambda *_, found=remote: found)
        monkeypatch.setattr(written_pages, "visit", lambda *_: written_pages.Visit())
        assert len(mails.remove(spark, away, AS_VIEWER, lambda numbers: numbers, set())[1]) == 2 * len(remote)


@pytest.mark.parametrize("text", ["12a", "1\n\nviewer", "9" * 30, "1,2"])
def test_an_invalid_file_of_ids_is_refused_and_its_text_is_not_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(text)
    done = CliRunner().invoke(app, ["erase", "--ids", str(tmp_path / "ids"), "--reason", "x"])
    assert isinstance(done.exception, ConfigError) and "line" in str(done.exception)
    assert text not in str(done.exception)


def test_an_erasure_without_a_person_is_refused() -> None:
    done = CliRunner().invoke(app, ["erase", "--reason", "x"])
    assert isinstance(done.exception, ConfigError) and "--viewer" in str(done.exception)
