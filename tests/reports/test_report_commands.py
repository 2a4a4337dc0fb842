"""From a gate that fails to the mail in three mailboxes, and back to green: the commands as they are typed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from places import END, START, place
from pyspark.sql import SparkSession
from reports.servers import free_port, postman
from typer.testing import CliRunner, Result

from etl import conf
from etl.cli import app
from etl.commands.place import Place
from etl.conf import Settings
from etl.engine import runner, suites, views
from etl.errors import ConfigError, LakeError, MailError
from etl.reports import quality_reports

FAILING = {"fct_shares": "share_id", "dim_ranker_models": "ranker_model_id", "bronze_posts": "post_id"}
NEEDED = ["bronze_shares", "bronze_ranker_models", *FAILING]
OWNERS = {"content": "fct_shares", "ranking": "dim_ranker_models", "ingest": "bronze_posts"}


@dataclass
class Lake:
    """A lake with three refused tables of three owners, and where its suites are."""

    settings: Settings
    run_id: str
    home: Path
    good: dict[str, str]

    def mend(self) -> None:
        for table, text in self.good.items():
            (self.home / "expectations" / f"{table}.yaml").write_text(text)
        suites.written.cache_clear()


@pytest.fixture(scope="module")
def lake(spark: SparkSession, landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    folder = tmp_path_factory.mktemp("reports")
    for each in ("conf", "expectations"):
        shutil.copytree(conf.home() / each, folder / "home" / each)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEED_ETL_HOME", str(folder / "home"))
        suites.written.cache_clear()
        settings = place(folder).model_copy(update={"landing": str(landed)})
        good = {t: suites.path(t).read_text() for t in FAILING}
        for table, column in FAILING.items():
            kwargs = {"label": "none at all", "unexpected_rows_query": f"SELECT {column} FROM {{batch}}"}
            rule = {
                "type": "unexpected_rows_expectation",
                "kwargs": kwargs,
                "severity": "critical",
                "reason": "A test.",
            }
            suites.path(table).write_text(yaml.safe_dump({"table": table, "expectations": [rule]}))
        summary = runner.run(spark, settings, START, END, tables=NEEDED)
        assert set(summary.errors) == set(FAILING)
        yield Lake(settings, summary.run_id, folder / "home", good)
    suites.written.cache_clear()


@pytest.fixture(autouse=True)
def outbox(lake: Lake, tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An outbox of the test's own, no server, and the session that is there."""
    mail = {"sender": "feed-etl@example.org", "outbox": str(tmp_path / "outbox"), "keep_days": 30}
    people = {o: [f"{o}@example.org"] for o in lake.settings.owners}
    monkeypatch.setenv("FEED_ETL_MAIL", json.dumps(mail))
    monkeypatch.setenv("FEED_ETL_OWNERS", json.dumps(people))
    monkeypatch.delenv("FEED_ETL_SMTP_URL", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    monkeypatch.setattr(Place, "spark", lambda _self: spark)
    return tmp_path / "outbox"


def report(lake: Lake, *words: str) -> Result:
    """`feed-etl report …` in this process; an error of ours comes out."""
    there = ["--lake", lake.settings.lake, "--landing", lake.settings.landing]
    return CliRunner().invoke(app, [*there, "report", *words], catch_exceptions=True)


def test_each_of_three_owners_gets_one_mail_with_only_his_failed_table(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postman() as server:
        monkeypatch.setenv("FEED_ETL_SMTP_URL", server.url)
        assert report(lake, "failures", "--run", lake.run_id, "--send").exit_code == 0

    assert len(server.arrived) == 3
    for owner, table in OWNERS.items():
        (mail,) = server.of(f"{owner}@example.org")
        text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert f"{table} failed its gate" in mail["Subject"]
        assert not [other for other in FAILING if other != table and other in text]


def test_the_numbers_and_the_command_of_the_mail_are_true(lake: Lake, spark: SparkSession, outbox: Path) -> None:
    """How many of how many is what the ledger has, and the command shows as many rows as it may."""
    assert report(lake, "failures", "--run", lake.run_id).exit_code == 0
    entries = quality_reports.ledger_rows(spark, lake.settings)
    (entry,) = [e for e in entries if e.table_name == "fct_shares"]
    (failure,) = json.loads(entry.failures)
    (path,) = outbox.glob("*-content-*.eml")
    text = re.sub("=\r\n", "", path.read_text(newline="")).replace("=3D", "=")

    rows = int(entry.metrics["rows_refused"])
    assert f"{failure['count']:,} of {rows:,} rows (100.00 %)" in text
    (query,) = re.findall(r"sql '(SELECT share_id FROM .*? LIMIT 20)'", text)
    assert views.query(spark, lake.settings, query).count() == min(20, rows)


def test_failures_are_told_once_however_often_they_are_asked_for(lake: Lake, outbox: Path) -> None:
    """Without --run: whatever failed in the last day."""
    report(lake, "failures")
    again = report(lake, "failures", "--json")

    assert len(list(outbox.glob("*.eml"))) == 3
    assert {row["mail"] for row in json.loads(again.stdout)} == {"written before"}


def test_without_a_server_mails_wait_in_the_outbox_and_nothing_fails(lake: Lake, outbox: Path) -> None:
    done = report(lake, "quality", "--send")

    assert done.exit_code == 0
    assert len(list(outbox.glob("*.eml"))) == len(lake.settings.owners)
    assert report(lake, "send").exit_code == 0


def test_a_server_that_is_down_fails_only_the_command_that_does_nothing_else(
    lake: Lake, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("FEED_ETL_SMTP_URL", f"smtp://127.0.0.1:{port}/?disable_ssl=true&disable_tls=true")
    assert report(lake, "failures", "--send").exit_code == 0
    refused = report(lake, "send").exception
    assert isinstance(refused, MailError) and refused.exit_code == 8 and "3 mails wait" in str(refused)

    with postman(port) as server:
        assert report(lake, "send").exit_code == 0
    assert len(server.arrived) == 3
    assert list(outbox.glob("*.eml")) == []


def test_one_owner_may_be_asked_for(lake: Lake, outbox: Path) -> None:
    assert report(lake, "quality", "--owner", "content").exit_code == 0
    assert [p.name.split("-")[4] for p in outbox.glob("*.eml")] == ["content"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("quality", "--day", "yesterday"), "2026-06-01"),
        (("quality", "--owner", "nobody"), "ranking"),
        (("failures", "--run", "never"), "feed-etl ledger"),
    ],
)
def test_a_wrong_parameter_is_refused_and_nothing_written(
    lake: Lake, outbox: Path, words: tuple[str, ...], told: str
) -> None:
    refused = report(lake, *words).exception
    assert isinstance(refused, ConfigError) and told in str(refused)
    assert not outbox.exists()


def test_a_lake_without_ledger_is_refused_and_left_alone(lake: Lake, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--lake", str(tmp_path / "none"), "report", "quality"])
    assert isinstance(done.exception, LakeError)
    assert not (tmp_path / "none").exists()


def test_data_docs_are_written_into_the_lake(lake: Lake) -> None:
    assert report(lake, "data-docs").exit_code == 0
    index = Path(lake.settings.lake, "_data_docs", "index.html").read_text()
    assert all(table in index for table in FAILING)


def test_mended_and_run_again_the_report_is_green(lake: Lake, spark: SparkSession) -> None:
    """The last test of this lake: it does not fail any more."""
    lake.mend()
    assert not runner.run(spark, lake.settings, START, END, tables=NEEDED).errors

    made = json.loads(report(lake, "quality", "--owner", "content", "--json").stdout)

    assert made[0]["verdict"] == "1 of 5 tables ran, all passed"
