"""The runbook has a line for every error there is, and leads to places that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl.errors import FeedEtlError

DOCS = Path(__file__).parent.parent / "docs"
RUNBOOK = (DOCS / "runbook.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("error", FeedEtlError.__subclasses__(), ids=lambda e: e.__name__)
def test_every_error_has_its_exit_code_in_the_runbook(error: type[FeedEtlError]) -> None:
    assert f"\n| {error.exit_code} `{error.__name__}` |" in RUNBOOK


def anchors(file: Path) -> set[str]:
    """Headings of a page as they are linked to."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", RUNBOOK)
    for page, anchor in links:
        file = DOCS / (page or "runbook.md")
        assert file.is_file(), page
        assert not anchor or anchor in anchors(file), f"{page}#{anchor}"
