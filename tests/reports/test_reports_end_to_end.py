"""With Spark: a gate rejects a batch, its mail, the command of the mail, and a passed gate after the repair."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession
from support.local_lake import END, START, local_settings

from etl import conf
from etl.engine.jobs import runner
from etl.engine.quality import suites
from etl.engine.sql import views
from etl.errors import LakeError
from etl.reports import quality_reports
from etl.reports.outbox import POLICY
from etl.reports.quality import FAILED

TABLE, NEEDED = "fct_shares", ["bronze_shares", "fct_shares"]
FAILS_EVERY_ROW = {
    "type": "unexpected_rows_expectation",
    "kwargs": {"label": "none at all", "unexpected_rows_query": "SELECT share_id FROM {batch}"},
    "severity": "critical",
    "reason": "A test.",
}


@pytest.fixture
def suite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The suite file of the fact in a temporary FEED_ETL_HOME."""
    for folder in ("conf", "expectations"):
        shutil.copytree(conf.home() / folder, tmp_path / "home" / folder)
    monkeypatch.setenv("FEED_ETL_HOME", str(tmp_path / "home"))
    suites.written.cache_clear()
    yield suites.path(TABLE)
    suites.written.cache_clear()


def test_a_rejected_batch_is_mailed_and_the_repaired_run_passes(
    spark: SparkSession, landed: Path, tmp_path: Path, suite_file: Path
) -> None:
    """The mail has the counts of the ledger, and its command shows the rows. After the repair the day has passed."""
    settings = local_settings(tmp_path).model_copy(update={"landing": str(landed)})
    good = suite_file.read_text()
    suite_file.write_text(yaml.safe_dump({"table": TABLE, "expectations": [FAILS_EVERY_ROW]}))
    summary = runner.run(spark, settings, START, END, tables=NEEDED)
    entries = quality_reports.ledger_rows(spark, settings)

    ((report, path),) = quality_reports.write(settings, quality_reports.of_run(entries, summary.run_id))

    (entry,) = [e for e in entries if e.verdict == FAILED]
    (failure,) = json.loads(entry.failures)
    assert path
    mail = message_from_bytes(path.read_bytes(), policy=POLICY)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    rows = int(entry.metrics["rows_refused"])
    assert (report.owner, rows) == ("content", failure["count"])
    assert f"{failure['count']:,} of {rows:,} rows (100.00 %)" in text
    query = text.partition("sql '")[2].partition("'")[0]
    assert views.query(spark, settings, query).count() == min(20, rows)

    suite_file.write_text(good)
    suites.written.cache_clear()
    assert not runner.run(spark, settings, START, END, tables=NEEDED).errors
    after = quality_reports.ledger_rows(spark, settings)
    (repaired,) = quality_reports.of_day(after, after[-1].started_at.date(), "content")
    assert repaired.verdict == "1 of 5 tables ran, all passed"


def test_a_lake_without_a_ledger_raises_an_error_and_stays_unchanged(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no lake"):
        quality_reports.ledger_rows(spark, local_settings(tmp_path))
    assert list(tmp_path.iterdir()) == []
