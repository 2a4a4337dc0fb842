"""Actions that maintenance holds until somebody gives --yes are mailed to their owner and to on-call."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.report_stories import DAY, NOON
from typer.testing import CliRunner

from etl import conf
from etl.cli import app
from etl.commands.cli_context import CliContext
from etl.conf import Settings
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.errors import LakeError
from etl.operations.maintenance import driver
from etl.operations.retention.action import Action
from etl.reports import held_log, notify, problems, quality_reports
from etl.reports.outbox import Outbox

HOURS = Action("retention", "fct_shares", "700 hours before 2026-05-01T00: 97% of all, add --yes", needs_yes=True)
FILES = Action("landing", "shares", "900 files of 700 hours: 97% of all, add --yes", needs_yes=True)
WAITING = Action("retention", "fct_reactions", "hours are past 30 days, but due or in a backfill")


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    return conf.load("local", lake=str(tmp_path / "lake"), landing=str(tmp_path / "landing"))


def subjects(settings: Settings) -> set[str]:
    """The subjects of all mails in the outbox, unfolded."""
    lines = [line for path in Outbox(settings).waiting() for line in path.read_text(encoding="utf-8").split("\n")]
    return {line.removeprefix("Subject: [feed-etl] ") for line in lines if line.startswith("Subject: ")}


def test_only_actions_that_need_yes_are_problems_with_their_owner(here: Settings) -> None:
    """An event's files belong to the owner of the table that is made from them. The first time counts."""
    assert not held_log.write(here, [WAITING], now=NOON)
    assert held_log.write(here, [HOURS, WAITING, FILES], now=NOON)
    assert held_log.write(here, [HOURS, FILES], now=NOON + DAY)
    found = list(problems.of_held(held_log.read(here)))
    assert [(p.subject, p.what, p.owner, p.since) for p in found] == [
        ("fct_shares", "retention", "content", NOON),
        ("shares", "landing", "ingest", NOON),
    ]
    assert all(p.is_warning and "maintain --yes" in p.step and "97% of all" in p.detail for p in found)


def test_an_error_of_maintenance_resolves_nothing(here: Settings) -> None:
    held_log.write(here, [HOURS], now=NOON)
    held_log.write(here, [FILES], complete=False, now=NOON + DAY)
    assert [(each.place, each.since) for each in held_log.read(here)] == [("fct_shares", NOON), ("shares", NOON + DAY)]
    assert held_log.write(here, [])
    assert held_log.read(here) == []


def test_a_held_action_is_mailed_and_its_end_as_well(here: Settings) -> None:
    def report() -> None:
        found = list(problems.of_held(held_log.read(here)))
        notify.write(here, lambda: ([], found, NOON))

    held_log.write(here, [HOURS], now=NOON)
    report()
    title = "maintain holds the retention step of fct_shares: it needs --yes"
    assert subjects(here) == {f"on-call: {title}", f"content: {title}"}
    held_log.write(here, [])
    report()
    assert f"content: resolved: {title}" in subjects(here)


@pytest.mark.parametrize("fails", [False, True])
def test_the_command_mails_what_it_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: bool) -> None:
    """Also when another action of the same maintenance fails. A dry run mails nothing."""

    def maintain(*given: object) -> list[Action]:
        given[4](HOURS)  # type: ignore[operator]
        if fails:
            raise LakeError("another action failed")
        return [HOURS]

    monkeypatch.setattr(driver, "maintain", maintain)
    monkeypatch.setattr(CliContext, "spark", lambda _self: SimpleNamespace())
    monkeypatch.setattr(quality_reports, "ledger", lambda *_: InMemoryLedger())
    monkeypatch.setattr("etl.operations.erasure.register.receipts", lambda *_: [])
    monkeypatch.delenv("FEED_ETL_SMTP_URL", raising=False)
    lake = tmp_path / "lake"
    CliRunner().invoke(app, ["--lake", str(lake), "maintain", "--dry-run"])
    assert not list(lake.rglob("*.eml"))
    result = CliRunner().invoke(app, ["--lake", str(lake), "maintain"])
    assert isinstance(result.exception, LakeError) == fails
    assert len(list(lake.rglob("*.eml"))) >= 2
    (held,) = json.loads((lake / "_outbox" / "problems" / "held.json").read_text())
    assert held["place"] == "fct_shares"
