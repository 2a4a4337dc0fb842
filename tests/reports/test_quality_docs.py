"""Data Docs are pages of Great Expectations for the newest runs, with counts of the ledger and no value of a row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.report_stories import HOUR, NOON, found, ran

from etl import catalog
from etl.engine.quality import suites
from etl.errors import LakeError
from etl.reports import quality_docs

SHARES = suites.suite(catalog.entry("fct_shares").table)
KEY = {**found("unexpected_rows_expectation(key)", 7, 77), "reason": "share_id is the key of a row."}


def words(page: Path) -> str:
    """The text of a page as one line."""
    return re.sub(r"\s+", " ", re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", page.read_text(), flags=re.DOTALL))


def test_only_the_newest_runs_of_each_table_have_a_page(tmp_path: Path) -> None:
    story = [ran(t, NOON + n * HOUR, rules=len(SHARES)) for n in range(5) for t in ("fct_shares", "dim_posts")]

    pages = quality_docs.build(story, 2, tmp_path / "docs")

    assert [(p.entry.table_name, p.entry.started_at) for p in pages] == [
        (table, NOON + n * HOUR) for table in ("dim_posts", "fct_shares") for n in (4, 3)
    ]
    assert len(list((tmp_path / "docs" / "validations").rglob("*.html"))) == 4
    index = (tmp_path / "docs" / "index.html").read_text()
    assert all(f'href="{p.link}"' in index for p in pages)


def test_a_page_lists_the_failure_with_the_counts_of_the_ledger_and_the_passed_rules(tmp_path: Path) -> None:
    (page,) = quality_docs.build([ran("fct_shares", NOON, KEY, rules=len(SHARES))], 1, tmp_path / "docs")

    text = words(tmp_path / "docs" / page.link)
    assert "7 unexpected values found. ≈9.091% of 77 total rows" in text
    assert f"Evaluated Expectations {len(SHARES)} Successful Expectations {len(SHARES) - 1}" in text
    assert all(rule.name in text for rule in SHARES)


def test_a_run_with_another_number_of_rules_lists_only_its_failures(tmp_path: Path) -> None:
    """The names of the rules that passed are unknown; only their number is known."""
    (page,) = quality_docs.build([ran("fct_shares", NOON, KEY, rules=99)], 1, tmp_path / "docs")

    text = words(tmp_path / "docs" / page.link)
    assert "Evaluated Expectations 99 Successful Expectations 98" in text
    assert [rule.name for rule in SHARES if rule.name in text] == [KEY["rule"]]


@pytest.mark.parametrize("rule", ["quarantine_share", "expect_the_moon(ghost)", "suite"])
def test_a_rule_that_great_expectations_does_not_know_is_shown_by_name(tmp_path: Path, rule: str) -> None:
    (page,) = quality_docs.build([ran("fct_shares", NOON, found(rule, 1, 50))], 1, tmp_path / "docs")

    assert f"{rule}: A reason. (critical)" in words(tmp_path / "docs" / page.link)


def test_hostile_text_is_escaped_and_values_in_errors_are_left_out(tmp_path: Path) -> None:
    broken = {**KEY, "count": None, "of": None, "error": "[CAST_INVALID_INPUT] The value 'anna@example.org'"}
    hostile = found("<script>alert(1)</script>$column")

    (page,) = quality_docs.build([ran("fct_shares", NOON, broken, hostile)], 1, tmp_path / "docs")

    text = (tmp_path / "docs" / page.link).read_text()
    assert "anna@example.org" not in text and "could not be evaluated CAST_INVALID_INPUT" in text
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)&lt;/script&gt;&#36;column" in text


def test_a_new_site_replaces_the_previous_one_unless_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "docs"
    quality_docs.build([ran("fct_shares", NOON)], 1, folder)
    (page,) = quality_docs.build([ran("fct_shares", NOON + HOUR)], 1, folder)
    assert [str(p.relative_to(folder)) for p in (folder / "validations").rglob("*.html")] == [page.link]

    monkeypatch.setattr("great_expectations.data_context.AbstractDataContext.build_data_docs", lambda *_, **__: {})
    with pytest.raises(LakeError, match="1 pages could not be made"):
        quality_docs.build([ran("fct_shares", NOON)], 1, folder)
    assert (folder / page.link).is_file()
