"""The report commands over a ledger in which the gates of three tables of three owners just failed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest
from support.ports import free_port
from support.report_stories import found, ran
from support.servers import smtp_server
from typer.testing import CliRunner, Result

from etl.cli import app
from etl.commands.cli_context import CliContext
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.errors import ConfigError, LakeError, LandingError, MailError
from etl.reports import quality_reports
from etl.reports.outbox import POLICY
from etl.reports.quality import owners

OWNERS = {"content": "fct_shares", "ranking": "dim_ranker_models", "ingest": "bronze_posts"}
NOW = datetime.now(UTC)
RUN = [ran(table, NOW, found("unexpected_rows_expectation(key)")) for table in OWNERS.values()]


@pytest.fixture(autouse=True)
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outbox of a new lake, without a mail server and without Spark."""
    mail = {"sender": "feed-etl@example.org", "keep_days": 30}
    people = {o: [f"{o}@example.org"] for o in owners()}
    monkeypatch.setenv("FEED_ETL_MAIL", json.dumps(mail))
    monkeypatch.setenv("FEED_ETL_OWNERS", json.dumps(people))
    monkeypatch.delenv("FEED_ETL_SMTP_URL", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT", raising=False)
    monkeypatch.setattr(CliContext, "spark", lambda _self: None)
    monkeypatch.setattr("etl.operations.erasure.register.receipts", lambda *_: [])
    monkeypatch.setattr(quality_reports, "ledger", lambda *_: InMemoryLedger(*RUN))
    monkeypatch.setattr("etl.engine.landing.arrivals.unread", lambda *_: {})
    monkeypatch.setattr("etl.reports.quality_mail.picture", lambda *_: b"PNG")
    monkeypatch.setenv("FEED_ETL_LAKE", str(tmp_path / "lake"))
    return tmp_path / "lake" / "_outbox"


def report(*words: str) -> Result:
    """Run `feed-etl report …` in this process; the result has the exception."""
    return CliRunner().invoke(app, ["report", *words])


@pytest.mark.parametrize("options", [("--run", RUN[0].run_id), ()])
def test_each_of_three_owners_gets_one_mail_with_only_their_failed_table(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """On-call gets one mail about all of them, but none with --run."""
    with smtp_server() as server:
        monkeypatch.setenv("FEED_ETL_SMTP_URL", server.url)
        assert report("failures", *options, "--send").exit_code == 0

    assert len(server.arrived) == 3 + (not options)
    if not options:
        (mail,) = server.of("on-call@localhost")
        assert mail["Subject"] == "[feed-etl] on-call: problems: 3 new"
    for owner, table in OWNERS.items():
        (mail,) = server.of(f"{owner}@example.org")
        body = mail.get_body(("plain",))
        assert body is not None
        text = body.get_content()
        assert f"{table} failed its gate" in mail["Subject"]
        assert not [other for other in OWNERS.values() if other != table and other in text]


def test_a_repeated_report_of_failures_writes_no_second_mail(outbox: Path) -> None:
    """Without --run the report covers the failures of the last day."""
    report("failures")
    again = report("failures", "--json")

    assert len(list(outbox.glob("*.eml"))) == 4
    assert {row["mail"] for row in json.loads(again.stdout)} == {"written before"}


def test_without_a_server_mails_wait_and_the_commands_succeed(outbox: Path) -> None:
    done = report("quality", "--day", f"{NOW:%Y-%m-%d}", "--send")

    assert done.exit_code == 0
    assert len(list(outbox.glob("*.eml"))) == 4  # owners of feed tables; no ads landed
    assert report("send").exit_code == 0


def test_a_server_that_is_down_fails_only_the_command_send(outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("FEED_ETL_SMTP_URL", f"smtp://127.0.0.1:{port}/?disable_ssl=true&disable_tls=true")
    assert report("failures", "--send").exit_code == 0
    error = report("send").exception
    assert isinstance(error, MailError) and error.exit_code == 8 and "4 mails wait" in str(error)

    with smtp_server(port) as server:
        assert report("send").exit_code == 0
    assert len(server.arrived) == 4
    assert list(outbox.glob("*.eml")) == []


def test_the_option_owner_limits_the_report(outbox: Path) -> None:
    assert report("quality", "--owner", "content", "--day", f"{NOW:%Y-%m-%d}").exit_code == 0
    (mail,) = outbox.glob("*.eml")
    assert mail.name.startswith(f"quality-{NOW:%Y-%m-%d}-content-")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("quality", "--owner", "nobody"), "ranking"),
        (("failures", "--run", "never"), "feed-etl ledger"),
        (("failures", "--failed-command", "run --table 'fct_shares"), "No closing quotation"),
    ],
)
def test_a_wrong_parameter_raises_an_error_and_writes_nothing(outbox: Path, words: tuple[str, ...], text: str) -> None:
    error = report(*words).exception
    assert isinstance(error, ConfigError) and text in str(error)
    assert not outbox.exists()


def test_a_wrong_day_is_refused_and_writes_nothing(outbox: Path) -> None:
    done = report("quality", "--day", "yesterday")
    assert done.exit_code == 2 and "yesterday" in done.stderr and "%Y-%m-%d" in done.stderr
    assert not outbox.exists()


def test_a_failed_command_is_mailed_to_on_call_once_and_again_when_it_succeeds(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maintenance cannot write, so the ledger has no row of it. An unexpected exception is mailed, too."""
    outbox.parent.mkdir()
    monkeypatch.setattr(quality_reports, "ledger", lambda *_: InMemoryLedger())
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


def test_a_run_without_a_landing_zone_is_mailed_even_without_a_lake(
    outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first run ends with exit code 3 before a ledger exists."""
    monkeypatch.setattr("etl.engine.spark.files.exists", lambda *_: False)
    monkeypatch.setattr(quality_reports, "ledger", lambda *_: InMemoryLedger())
    assert isinstance(invoke("run", "--from", "2026-06-01T10", "--to", "2026-06-01T11").exception, LandingError)
    report("failures")
    assert subjects(outbox)[0] == "on-call: feed-etl run failed: LandingError"


def test_a_report_of_failures_without_a_lake_creates_no_lake(outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality_reports, "ledger", lambda *_: fail(LakeError("There is no lake")))
    assert isinstance(report("failures").exception, LakeError)
    assert not (outbox / "problems" / "mailed.json").exists()


def test_a_wrong_option_creates_no_lake(outbox: Path) -> None:
    assert invoke("run", "--from", "today", "--to", "2026-06-01T11").exit_code == 2
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
