"""Every kind of failure becomes one problem: mailed when it begins, daily while it is open, and when it is resolved."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest
from support.report_stories import DAY, HOUR, NOON, found, ran

from etl import conf
from etl.conf import Settings
from etl.engine.jobs import run_errors
from etl.engine.quality import completeness
from etl.engine.quality.completeness import NO_FILES, LandedHour
from etl.engine.state.entry import ERROR, RECOVERED, Entry
from etl.errors import GateFailed, LakeError, LandingError, lasting
from etl.reports import failure_log, notify, problem_search, problems, quality_reports
from etl.reports.outbox import POLICY, Outbox
from etl.reports.problems import Problem
from etl.reports.quality import FAILED, LATE, PASSED, states

KEY = found("unexpected_rows_expectation(key)")
ON_CALL, OWNER = "on-call@localhost", "content@localhost"
NO_LANDING = failure_log.of_words(["run", "--from", "2026-06-01T10", "--to", "2026-06-01T11"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A new lake. Pictures take a second each and have their own tests, so they are replaced here."""
    monkeypatch.setattr("etl.reports.quality_mail.picture", lambda *_: b"PNG")
    return conf.load("local", lake=str(tmp_path / "lake"), landing=str(tmp_path / "landing"))


def raised(when: datetime, reason: str = "LakeError: fct_shares cannot be read", **given: object) -> Entry:
    """The ledger row of a table that raised an error."""
    return ran("fct_shares", when, verdict=ERROR, reason=reason, hours=[], output_version=None, **given)


def late(when: datetime, late: str = NO_FILES) -> Entry:
    """A run of bronze that found no files in its hour."""
    hour = LandedHour(when - HOUR, 0, 0, 120, late)
    return ran("bronze_shares", when, landed=completeness.as_rows([hour]))


def search(settings: Settings, entries: list[Entry], now: datetime = NOON + 2 * HOUR) -> list[Problem]:
    """All open problems, except those of the outbox."""
    return [*problems.of_commands(failure_log.failures(settings)), *problems.of_ledger(settings, entries, now)]


def report(settings: Settings, entries: list[Entry], now: datetime) -> dict[str, list[str]]:
    """Run `report failures` at an instant, and return reader -> subjects of the mails that it wrote."""
    before = set(Outbox(settings).waiting())
    notify.write(settings, lambda: (entries, search(settings, entries, now), now))
    written: dict[str, list[str]] = {}
    for path in Outbox(settings).waiting():
        if path not in before:
            mail = read(path)
            written.setdefault(str(mail["To"]), []).append(str(mail["Subject"]).removeprefix("[feed-etl] "))
    return written


def read(path: Path) -> EmailMessage:
    return message_from_bytes(path.read_bytes(), policy=POLICY)


def test_an_error_of_a_table_is_open_until_a_run_over_its_hours_succeeds() -> None:
    """A run of another hour, or of another table, does not resolve it."""
    assert run_errors.open_errors([raised(NOON)]) == [raised(NOON)]
    assert run_errors.open_errors([raised(NOON), ran("fct_shares", NOON + HOUR)]) == [raised(NOON)]
    assert run_errors.open_errors([raised(NOON), ran("fct_impressions", NOON)]) == [raised(NOON)]
    assert run_errors.open_errors([raised(NOON), ran("fct_shares", NOON)]) == []
    assert run_errors.open_errors([raised(NOON), ran("fct_shares", NOON, verdict=RECOVERED)]) == []
    whole = raised(NOON, range_from=NOON - 2 * HOUR)
    assert run_errors.open_errors([whole, ran("fct_shares", NOON)]) == [whole]
    assert run_errors.open_errors([whole, ran("fct_shares", NOON), ran("fct_shares", NOON - HOUR)]) == []


def test_an_error_is_no_verdict_of_a_gate() -> None:
    """An error neither publishes nor rejects a batch, and does not close a rejection."""
    day = NOON.replace(hour=0)
    story = [ran("fct_shares", NOON, KEY), raised(NOON + HOUR, processed_hours=[NOON - HOUR])]

    state = states(story, day, day + DAY)["fct_shares"]

    assert (state.verdict, state.gates_failed, len(state.entries)) == (FAILED, 1, 1)
    assert states([raised(NOON)], day, day + DAY)["fct_shares"].entries == []


def test_a_problem_is_mailed_once_then_daily_then_when_it_is_resolved(here: Settings) -> None:
    """A table that fails every hour gives one mail to its owner and one to on-call, not one per run."""
    story = [raised(NOON)]
    title = "fct_shares could not be made: LakeError"
    assert report(here, story, NOON + HOUR / 2) == {ON_CALL: [f"on-call: {title}"], OWNER: [f"content: {title}"]}
    story.append(raised(NOON + HOUR))
    assert report(here, story, NOON + 2 * HOUR) == {}
    again = report(here, story, NOON + HOUR / 2 + DAY)
    assert again == {ON_CALL: [f"on-call: still: {title}"], OWNER: [f"content: still: {title}"]}
    assert report(here, story, NOON + HOUR + DAY) == {}
    story += [ran("fct_shares", NOON), ran("fct_shares", NOON + HOUR)]
    resolved = report(here, story, NOON + 2 * HOUR + DAY)
    assert resolved == {ON_CALL: [f"on-call: resolved: {title}"], OWNER: [f"content: resolved: {title}"]}
    assert report(here, story, NOON + 3 * DAY) == {}


def test_a_gate_that_stays_closed_gives_one_mail_to_its_owner_and_one_to_on_call(here: Settings) -> None:
    """One rule rejects four hours, then another rule fails as well, then all hours are repaired."""
    story = [ran("fct_shares", NOON + n * HOUR, KEY) for n in range(3)]
    first = report(here, story, NOON + 3 * HOUR)
    assert first[OWNER] == ["content: fct_shares failed its gate (2026-06-01)"]
    assert first[ON_CALL] == [f"on-call: fct_shares failed its gate: {KEY['rule']}"]
    story.append(ran("fct_shares", NOON + 3 * HOUR, KEY))
    assert report(here, story, NOON + 4 * HOUR) == {}
    other = found("expect_column_values_to_not_be_null(post_id)")
    story.append(ran("fct_shares", NOON + 4 * HOUR, KEY, other))
    assert len(report(here, story, NOON + 5 * HOUR)) == 2
    story += [ran("fct_shares", NOON + 6 * HOUR, hours=[NOON + n * HOUR for n in range(-1, 4)])]
    assert report(here, story, NOON + 7 * HOUR) == {
        ON_CALL: ["on-call: problems: 2 resolved"],
        OWNER: ["content: problems: 2 resolved"],
    }
    assert report(here, story, NOON + 8 * HOUR) == {}


def test_late_hours_of_an_event_are_one_warning_until_their_files_land(here: Settings) -> None:
    story = [late(NOON), late(NOON + HOUR)]
    mails = report(here, story, NOON + 2 * HOUR)
    assert mails[ON_CALL] == ["on-call: shares: 2 landed hours late"]
    assert mails["ingest@localhost"] == ["ingest: shares: 2 landed hours late"]
    (problem,) = search(here, story)
    assert problem.is_warning and problem.hours == (NOON - HOUR, NOON)
    assert problem.detail == "Hour 2026-06-01T12 is late: its folder holds no file; about 120 records are usual."

    story += [late(NOON, ""), late(NOON + HOUR, "")]
    assert report(here, story, NOON + 3 * HOUR)[ON_CALL] == ["on-call: resolved: shares: 2 landed hours late"]


def test_a_late_table_is_late_and_not_failed_in_the_mail_of_the_day() -> None:
    day = NOON.replace(hour=0)
    assert states([late(NOON)], day, day + DAY)["bronze_shares"].verdict == LATE
    assert states([late(NOON), late(NOON, "")], day, day + DAY)["bronze_shares"].verdict == PASSED
    (made,) = quality_reports.of_day([late(NOON)], day.date(), "ingest")
    assert made.verdict == "1 of 8 tables passed with late hours, none failed"


def test_a_command_without_a_ledger_row_is_a_problem_until_all_its_hours_succeed(here: Settings) -> None:
    """There is no landing zone at 10 and at 11. Then the run of 10 succeeds, and later the run of 11."""
    eleven = failure_log.of_words(["run", "--from", "2026-06-01T11", "--to", "2026-06-01T12"])
    for command in (NO_LANDING, eleven):
        failure_log.note(here, command, 3, lasting(LandingError("There is no landing zone at file:///x.")), NOON)
    mails = report(here, [], NOON + HOUR)
    assert mails == {ON_CALL: ["on-call: feed-etl run failed: LandingError"]}
    (problem,) = search(here, [])
    assert "exit code 3, LandingError: There is no landing zone at file:///x.; 2 times" in problem.detail

    failure_log.clear(here, NO_LANDING)
    assert [p.hours for p in search(here, [])] == [(NOON - HOUR,)]
    failure_log.clear(here, eleven)
    assert report(here, [], NOON + 2 * HOUR) == {ON_CALL: ["on-call: resolved: feed-etl run failed: LandingError"]}


@pytest.mark.parametrize(
    ("failed", "done", "is_resolved"),
    [
        ("run --from 2026-06-01T10 --to 2026-06-01T11 --table fct_shares", NO_LANDING, True),
        ("run --from 2026-06-01T10 --to 2026-06-01T11",
         "run --from 2026-06-01T10 --to 2026-06-01T11 --subject ads", False),
        ("run --from 2026-06-01T10 --to 2026-06-01T11 --table fct_shares",
         "run --from 2026-05-31T10 --to 2026-06-01T11 --subject feed --hour-by-hour", True),
        ("maintain", "report quality --day 2026-06-01", False),
        ("report dashboard", "report dashboard --from 2026-06-01T10 --to 2026-06-01T11", True),
        ("backfill run --from 2026-06-01T10 --to 2026-06-01T11", "backfill run --resume backfill-1", True),
        ("backfill run --resume backfill-1", "backfill cancel backfill-1", True),
    ],
)  # fmt: skip
def test_a_success_resolves_failures_of_the_same_or_a_narrower_command(
    here: Settings, failed: str, done: str | failure_log.Command, is_resolved: bool
) -> None:
    failure_log.note(here, failure_log.of_words(failed.split()), 1, "ValueError")
    failure_log.clear(here, failure_log.of_words(done.split()) if isinstance(done, str) else done)
    assert (failure_log.failures(here) == []) is is_resolved


@pytest.mark.parametrize(
    ("code", "is_noted"), [(137, True), (None, True), (1, True), (3, False), (4, False), (8, False)]
)
def test_a_scheduler_records_only_failures_that_the_command_could_not_record(
    here: Settings, code: int | None, is_noted: bool
) -> None:
    """A killed process records nothing. A process that ended with an exit code of feed-etl has recorded its failure."""
    problem_search.note(here, "maintain", code)
    assert bool(failure_log.failures(here)) is is_noted


def test_an_incomplete_erasure_is_a_problem_until_a_receipt_is_complete() -> None:
    """The reason of an erasure is free text, so no mail repeats it."""
    receipt = {"id": "erasure-1", "reason": "Anna asked", "complete": False, "unread": ["a"], "at": NOON.isoformat()}
    (problem,) = problems.of_erasures([receipt])
    assert problem.title == "erasure-1 is not complete" and "1 place could not" in problem.detail
    assert "Anna" not in repr(problem)
    assert list(problems.of_erasures([receipt, receipt | {"complete": True}])) == []
    first, again = (
        {"id": n, "mark": "m", "complete": False, "incomplete": ["a", "b"], "at": receipt["at"]} for n in "12"
    )
    (same,) = problems.of_erasures([first, again])
    assert same.title == "1 is not complete" and "2 places" in same.detail
    assert list(problems.of_erasures([first, again | {"complete": True}])) == []


def test_mails_that_wait_for_over_an_hour_are_a_problem(here: Settings) -> None:
    report(here, [raised(NOON)], NOON + HOUR)
    now = datetime.now(UTC)
    assert list(problems.of_outbox(Outbox(here), now)) == []
    (problem,) = problems.of_outbox(Outbox(here), now + 2 * HOUR)
    assert problem.title == "2 mails wait in the outbox"


def test_error_texts_of_other_programs_are_not_kept() -> None:
    """Such a text may hold a value of a row. A login in a URI is removed, too."""
    spark = "fct_shares cannot be read or written: [CAST_INVALID_INPUT] The value 'anna@example.org' cannot be cast"
    assert lasting(LakeError(spark)) == "LakeError: fct_shares cannot be read or written (CAST_INVALID_INPUT)"
    assert lasting(ValueError("anna")) == "ValueError"
    assert lasting(GateFailed("rows of anna", "3 rows")) == "GateFailed: 3 rows"
    assert lasting(LandingError("There is no landing zone at s3a://key:secret@bucket/x. Set")) == (
        "LandingError: There is no landing zone at s3a://bucket/x. Set"
    )


def test_a_broken_record_of_mails_repeats_no_mail_of_the_same_name(here: Settings) -> None:
    """With a broken record every problem is mailed again, but the outbox writes a name only once."""
    report(here, [raised(NOON)], NOON + HOUR)
    (failure_log.place(here) / "mailed.json").write_text("{")
    assert report(here, [raised(NOON)], NOON + 2 * HOUR) == {}
    assert json.loads((failure_log.place(here) / "mailed.json").read_text())["problems"]


def test_the_mail_names_no_table_of_another_owner_and_has_the_next_step(here: Settings) -> None:
    report(here, [raised(NOON), late(NOON)], NOON + timedelta(hours=1))
    (path,) = [p for p in Outbox(here).waiting() if read(p)["To"] == OWNER]
    for kind in ("plain", "html"):
        part = read(path).get_body((kind,))
        assert part is not None
        body = part.get_content()
        assert "fct_shares could not be made" in body and "docs/runbook.md, Lake" in body
        assert "bronze_shares" not in body and "shares:" not in body
