"""The quality mail: verdict first, counts of the ledger, no value of a row, and no harm from hostile text."""

from __future__ import annotations

import html.parser
import io
import json
import subprocess
from collections.abc import Sequence
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage

import matplotlib.image
import pytest
from pydantic import ValidationError
from support.report_stories import HOUR, NOON, found, ran

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.quality import suites
from etl.engine.state.entry import Entry
from etl.errors import ConfigError
from etl.reports import quality_mail, quality_reports
from etl.reports.outbox import POLICY

HERE = conf.load("local", lake="/srv/lake", landing="/srv/landing")
KNOWN = "unexpected_rows_expectation(ranker_model_id known)"
(REASON,) = [r.reason for r in suites.suite(catalog.entry("fct_impressions").table) if r.name == KNOWN]
STORY = [
    ran("fct_impressions", NOON - HOUR),
    ran("fct_impressions", NOON, {**found(KNOWN, 1204, 98_765), "reason": REASON}),
    ran("fct_shares", NOON, found("unexpected_rows_expectation(key)", 7, 77)),
]


def mail(story: Sequence[Entry] = STORY, owner: str = "ranking", settings: Settings = HERE) -> EmailMessage:
    """The mail of 1 June, serialized and parsed again."""
    (report,) = quality_reports.of_day(list(story), date(2026, 6, 1), owner)
    _, made = quality_mail.compose(settings, report)
    return message_from_bytes(made.as_bytes(policy=POLICY), policy=POLICY)


def bodies(made: EmailMessage) -> dict[str, str]:
    """Text and HTML."""
    both = {kind: made.get_body((kind,)) for kind in ("plain", "html")}
    return {kind: body.get_content().replace("\r\n", "\n") for kind, body in both.items() if body}


class Reader(html.parser.HTMLParser):
    """Collects the text, tags and links of an HTML page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.tags, self.sources = "", set[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_mail_has_text_and_html_with_an_inline_picture() -> None:
    """multipart/alternative (text, multipart/related (html, png)): which every mail program shows."""
    made = mail()

    assert [p.get_content_type() for p in made.walk()] == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]


def test_the_html_shows_the_attached_picture_and_loads_nothing_else() -> None:
    made = mail()
    (png,) = [p for p in made.walk() if p.get_content_type() == "image/png"]

    assert Reader(bodies(made)["html"]).sources == [f"cid:{png['Content-ID'].strip('<>')}"]
    assert png.get_content_disposition() == "inline"
    height, width, _ = matplotlib.image.imread(io.BytesIO(png.get_content())).shape
    assert width > 800 and height > 400


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_verdict_comes_first_and_the_counts_are_those_of_the_ledger(kind: str) -> None:
    body = bodies(mail())[kind]
    words = Reader(body).words if kind == "html" else body

    assert words.index("1 of 8 tables failed") < words.index("1,204 of 98,765 rows (1.22 %)") < words.rindex("passed")
    assert REASON in words
    assert "Mon 1 Jun 2026 12:00 UTC" in words
    assert "file:///lake/_rejected/fct_impressions/run-20260601T1200" in words


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_the_mail_names_no_table_of_another_owner(kind: str) -> None:
    """The reason of a rule of the owner may name one."""
    others = {t.name for t in catalog.tables() if t.owner != "ranking"}
    body = bodies(mail())[kind].replace(REASON, "")
    assert [name for name in others if name in body] == []


def test_the_command_shows_the_failing_rows_and_is_quoted_for_the_shell() -> None:
    text = bodies(mail())["plain"]
    command = text[text.index("feed-etl --lake") :].partition("LIMIT 20'")[0] + "LIMIT 20'"

    shell = ["sh", "-c", f"set -- {command}; printf '%s\\0' \"$@\""]
    words = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]

    kept = "`_rejected/fct_impressions/run-20260601T1200`"
    unknown = "ranker_model_id NOT IN (SELECT ranker_model_id FROM dim_ranker_models)"
    query = f"SELECT ranker_model_id FROM {kept} WHERE {unknown} LIMIT 20"
    assert words == ["feed-etl", "--lake", "file:///srv/lake", "sql", query]


def test_every_rule_of_every_table_has_a_command_and_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every failure the mail has one next step and one command."""
    monkeypatch.setattr(quality_mail, "picture", lambda *_: b"")
    for table in catalog.tables():
        failures = [{**found(r.name), "reason": r.reason} for r in suites.suite(table)]
        text = bodies(mail([ran(table.name, NOON, *failures)], table.owner))["plain"]
        assert text.count("What to do: ") == text.count(" sql \\\n") + text.count("\n  sql ") == len(failures)


def test_the_command_after_a_repair_runs_all_open_hours() -> None:
    story = [ran("fct_shares", NOON + n * HOUR, found("unexpected_rows_expectation(key)")) for n in (0, 3)]

    assert "run --from 2026-06-01T11 --to 2026-06-01T15" in bodies(mail(story, "content"))["plain"]


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}$\\frac$"


def test_hostile_text_of_the_ledger_is_escaped() -> None:
    made = mail([ran("fct_shares", NOON, {**found(HOSTILE), "reason": HOSTILE})], "content")
    page = Reader(bodies(made)["html"])

    assert "script" not in page.tags
    assert page.sources == ["cid:trend@feed-etl"]
    assert HOSTILE in page.words


def test_line_breaks_and_direction_marks_of_the_ledger_add_no_line_and_no_header() -> None:
    tricky = "key)\r\nBcc: thief@example.org\r\n\r\n\u202eAll passed"
    made = mail([ran("fct_shares", NOON, {**found(tricky), "reason": tricky})], "content")

    assert made["Bcc"] is None
    text = bodies(made)["plain"]
    assert not [line for line in text.splitlines() if line.startswith(("Bcc", "All passed"))]
    assert "\u202e" not in text


def test_the_mail_holds_no_value_of_a_row() -> None:
    """The text of an error and samples may hold one. A login in a URI is left out, too."""
    broken = found(KNOWN, None, None, error="[CAST_INVALID_INPUT] The value 'anna@example.org'")
    story = [ran("fct_impressions", NOON, {**broken, "samples": ["bert@example.org"]})]
    secret = HERE.model_copy(update={"lake": "s3a://key:secret@bucket/lake"})

    whole = "".join(bodies(mail(story, settings=secret)).values())

    assert not [word for word in ("anna", "bert", "secret") if word in whole]
    assert "not evaluated (CAST_INVALID_INPUT)" in whole


def test_a_rule_over_the_whole_batch_has_no_count() -> None:
    text = bodies(mail([ran("fct_shares", NOON, found("expect_column_mean_to_be_between(n)", None, None))], "content"))

    assert all("the batch as a whole" in body and "not evaluated" not in body for body in text.values())


def test_the_subject_has_the_verdict_and_the_mail_goes_to_all_recipients() -> None:
    several = HERE.model_copy(update={"owners": {**HERE.owners, "ranking": ["a@x.org", "b@x.org"]}})
    made = mail(settings=several)

    assert made["Subject"] == "[feed-etl] ranking: 1 of 8 tables failed, 4 waiting for an input (2026-06-01)"
    assert [a.addr_spec for a in made["To"].addresses] == ["a@x.org", "b@x.org"]


@pytest.mark.parametrize(
    ("failures", "verdict"),
    [
        ([], "1 of 1 table ran, all passed"),
        ([found("rule", severity="warning")], "1 of 1 table passed with warnings, none failed"),
        ([found("rule")], "1 of 1 table failed"),
    ],
)
def test_the_verdict_of_a_report_is_the_worst_of_its_tables(failures: list[dict[str, object]], verdict: str) -> None:
    (report,) = quality_reports.of_day(
        [ran("mart_user_affinity_daily", NOON, *failures)], date(2026, 6, 1), "personalisation"
    )
    assert report.verdict == verdict


def test_the_same_report_has_the_same_name_and_a_changed_report_has_another() -> None:
    def name(story: list[Entry]) -> str:
        (report,) = quality_reports.of_day(story, date(2026, 6, 1), "ranking")
        return quality_mail.compose(HERE, report)[0]

    assert name(STORY) == name(STORY) != name([*STORY, ran("fct_impressions", NOON + HOUR)])


def test_an_owner_without_an_address_and_an_unknown_owner_raise_errors() -> None:
    without = {k: v for k, v in HERE.owners.items() if k != "content"}
    with pytest.raises(ConfigError, match="owner content"):
        quality_mail.check_addresses(HERE.model_copy(update={"owners": without}))
    with pytest.raises(ConfigError, match="rankin, who owns no table"):
        quality_mail.check_addresses(HERE.model_copy(update={"owners": {**HERE.owners, "rankin": ["a@b.org"]}}))


def test_the_settings_of_the_repository_have_an_address_for_every_owner() -> None:
    quality_mail.check_addresses(conf.load("local"))


@pytest.mark.parametrize(
    "address", ["a@b.org\nBcc: c@d.org", "a@b.org, c@d.org", "nobody", "Anna <a@b.org>", "ä@b.org"]
)
def test_only_one_plain_mail_address_is_valid(address: str) -> None:
    given = json.loads(HERE.model_dump_json())
    with pytest.raises(ValidationError, match=r"owners\.ranking"):
        Settings(**{**given, "owners": {"ranking": [address]}})


def test_the_command_for_unreadable_files_lists_them() -> None:
    """The rejected batch does not have their rows, so the command reads quarantine."""
    text = bodies(mail([ran("bronze_shares", NOON, found("files_are_readable", 1, 1))], owner="ingest"))["plain"]

    assert "SELECT landed_hour, source_file FROM quarantine" in text
    assert "array_contains(reasons" in text
    assert "_rejected" not in text.split("sql ")[1].splitlines()[0]
