"""The glossary has one sentence for each term, in alphabetical order, with a link to an existing module."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"
ROW = re.compile(r"^\| (?P<term>[^|]+) \| (?P<meaning>[^|]+) \| \[[^]]+\]\((?P<link>[^)]+)\) \|$")


def table_lines() -> list[str]:
    """The lines of the table below its header."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert lines[:2] == ["| term | meaning | module |", "|---|---|---|"]
    return lines[2:]


def rows() -> list[re.Match[str]]:
    """The rows that have the form of a term, its meaning and a link."""
    return [row for line in table_lines() if (row := ROW.match(line))]


def test_every_line_has_a_term_a_meaning_and_a_link() -> None:
    assert [line for line in table_lines() if not ROW.match(line)] == []


def test_terms_are_in_alphabetical_order_and_defined_once() -> None:
    terms = [row["term"].lower() for row in rows()]
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["term"])
def test_a_meaning_is_one_sentence(row: re.Match[str]) -> None:
    assert row["meaning"].endswith(".")
    assert not re.search(r"[.!?]\s", row["meaning"])


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["term"])
def test_a_link_leads_to_an_existing_module(row: re.Match[str]) -> None:
    assert (PAGE.parent / row["link"]).is_file()


def test_every_other_link_of_the_page_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE.read_text(encoding="utf-8"))
    assert [link for link in links if not (PAGE.parent / link).is_file()] == []
