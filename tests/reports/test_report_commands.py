"""The commands as they are typed, over a ledger in which three tables of three owners were refused just now."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest
from support.airflow.sandbox import free_port
from support.report_stories import found, ran
from support.servers import smtp_server
from typer.testing import CliRunner, Result

from etl.cli import app
from etl.commands.cli_context import CliContext
from etl.errors import ConfigError, LakeError, LandingError, MailError
from etl.reports import quality_reports
from etl.reports.outbox import POLICY
from etl.reports.quality import owners

OWNERS = {"content": "fct_shares", "ranking": "dim_ranker_models", "ingest": "bronze_posts"}
NOW = datetime.now(UTC)
RUN = [ran(table, NOW, found("unexpected_rows_expectation(key)")) for table in OWNERS.values()]


@pytest.fixture(autouse=True)
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outbox of a lake of the test's own, no server, no Spark."""
    mail = {"sender": "feed-etl@example.org", "keep_days": 30}
    people = {o: [f"{o}@example.org"] for o in owners()}
    monkeypatch.setenv("FEED_ETL_MAIL", json.dumps(mail))
    monkeypatch.setenv("FEED_ETL_OWNERS", json.dumps(people))
    monkeypatch.delenv("FEED_ETL_SMTP_URL", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    monkeypatch.setattr(CliContext, "spark", lambda _self: None)
    monkeypatch.setattr("etl.operations.erasure.register.receipts", lambda *_: [])
    monkeypatch.setattr(quality_reports, "ledger_rows", lambda *_: RUN)
    monkeypatch.setattr("etl.reports.quality_mail.picture", lambda *_: b"PNG")
    monkeypatch.setenv("FEED_ETL_LAKE", str(tmp_path / "lake"))
    return tmp_path / "lake" / "_outbox"


def report(*words: str) -> Result:
    """`feed-etl report …` in this process; an error of ours comes out."""
    return CliRunner().invoke(app, ["report", *words])


@pytest.mark.parametrize("asked", [("--run", RUN[0].run_id), ()])
def test_each_of_three_owners_gets_one_mail_with_only_his_failed_table(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    """On-call hears of all of them in one mail, but not of a run that somebody asks for by name."""
    with smtp_server() as server:
        monkeypatch.setenv("FEED_ETL_SMTP_URL", server.url)
        assert report("failures", *asked, "--send").exit_code == 0

    assert len(server.arrived) == 3 + (not asked)
    if not asked:
        (mail,) = server.of("on-call@localhost")
        assert mail["Subject"] == "[feed-etl] on-call: problems: 3 new"
    for owner, table in OWNERS.items():
        (mail,) = server.of(f"{owner}@example.org")
        text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        assert f"{table} failed its gate" in mail["Subject"]
        assert not [other for other in OWNERS.values() if other != table and other in text]


def test_failures_are_told_once_however_often_they_are_asked_for(outbox: Path) -> None:
    """Without --run: whatever failed in the last day."""
    report("failures")
    again = report("failures", "--json")

    assert len(list(outbox.glob("*.eml"))) == 4
    assert {row["mail"] for row in json.loads(again.stdout)} == {"written before"}


def test_without_a_server_mails_wait_in_the_outbox_and_nothing_fails(outbox: Path) -> None:
    done = report("quality", "--day", f"{NOW:%Y-%m-%d}", "--send")

    assert done.exit_code == 0
    assert len(list(outbox.glob("*.eml"))) == 4  # owners of tables of the feed; no ads landed
    assert report("send").exit_code == 0


def test_a_server_that_is_down_fails_only_the_command_that_does_nothing_else(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("FEED_ETL_SMTP_URL", f"smtp://127.0.0.1:{port}/?disable_ssl=true&disable_tls=true")
    assert report("failures", "--send").exit_code == 0
    refused = report("send").exception
    assert isinstance(refused, MailError) and refused.exit_code == 8 and "4 mails wait" in str(refused)

    with smtp_server(port) as server:
        assert report("send").exit_code == 0
    assert len(server.arrived) == 4
    assert list(outbox.glob("*.eml")) == []


def test_one_owner_may_be_asked_for(outbox: Path) -> None:
    assert report("quality", "--owner", "content", "--day", f"{NOW:%Y-%m-%d}").exit_code == 0
    (mail,) = outbox.glob("*.eml")
    assert mail.name.startswith(f"quality-{NOW:%Y-%m-%d}-content-")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("quality", "--day", "yesterday"), "2026-06-01"),
        (("quality", "--owner", "nobody"), "ranking"),
        (("failures", "--run", "never"), "feed-etl ledger"),
    ],
)
def test_a_wrong_parameter_is_refused_and_nothing_written(outbox: Path, words: tuple[str, ...], told: str) -> None:
    refused = report(*words).exception
    assert isinstance(refused, ConfigError) and told in str(refused)
    assert not outbox.exists()


def test_a_command_that_fails_is_mailed_to_on_call_once_and_again_when_it_works(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maintenance cannot write; nothing of it is in the ledger. A crash of the session is told as well."""
    outbox.parent.mkdir()
    monkeypatch.setattr(quality_reports, "ledger_rows", lambda *_: [])
    monkeypatch.setattr(
        "etl.operations.maintenance.driver.maintain", lambda *_: fail(LakeError("No disk: of viewer 12"))
    )
    assert invoke("maintain").exit_code == 1
    for _ in range(2):
        report("failures")
        assert subjects(outbox) == ["on-call: feed-etl maintain failed: LakeError"]
    monkeypatch.setattr("etl.operations.maintenance.driver.maintain", lambda *_: [])
    assert invoke("maintain").exit_code == 0
    report("failures")
    assert subjects(outbox)[1:] == ["on-call: resolved: feed-etl maintain failed: LakeError"]

    monkeypatch.setattr("etl.operations.maintenance.driver.maintain", lambda *_: fail(KeyError("viewer 12")))
    invoke("maintain")
    report("failures")
    assert subjects(outbox)[2:] == ["on-call: feed-etl maintain failed: KeyError"]
    assert not [mail for mail in outbox.glob("*.eml") if "viewer 12" in mail.read_text()]


def test_a_run_without_a_landing_zone_is_mailed_though_there_is_no_lake_yet(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run of a place: exit code 3 came before there was any ledger."""
    monkeypatch.setattr("etl.engine.spark.files.exists", lambda *_: False)
    monkeypatch.setattr(quality_reports, "ledger_rows", lambda *_: [])
    assert isinstance(invoke("run", "--from", "2026-06-01T10", "--to", "2026-06-01T11").exception, LandingError)
    report("failures")
    assert subjects(outbox)[0] == "on-call: feed-etl run failed: LandingError"


def test_failures_of_no_lake_at_all_make_none(outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_reports, "ledger_rows", lambda *_: fail(LakeError("There is no lake")))
    assert isinstance(report("failures").exception, LakeError)
    assert not (outbox / "problems" / "mailed.json").exists()


def test_a_wrong_option_makes_no_lake(outbox: Path) -> None:
    assert isinstance(invoke("run", "--from", "today", "--to", "2026-06-01T11").exception, ConfigError)
    assert not outbox.parent.exists()


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def fail(error: Exception) -> None:
    raise error


def subjects(outbox: Path) -> list[str]:
    """Subjects of the mails to on-call, oldest first."""
    files = sorted(outbox.glob("problems-on-call-*.eml"), key=lambda path: path.stat().st_mtime_ns)
    mails = (message_from_bytes(file.read_bytes(), policy=POLICY) for file in files)
    return [str(mail["Subject"]).removeprefix("[feed-etl] ") for mail in mails]
