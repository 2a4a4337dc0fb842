"""The handwritten pages: their links lead somewhere, decisions have a status, the specification is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl import catalog
from etl.model.contract import Event, Table
from etl.queries import named_query

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "tables"
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if not page.is_relative_to(GENERATED) and not page.is_symlink()
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
SPECIFICATION = "\n".join(
    page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "specification").glob("*.md"))
)
LINK = re.compile(r"\]\((?P<file>[^)#\s]*)(?:#(?P<anchor>[^)]+))?\)")


def anchors(page: Path) -> set[str]:
    """The headings of a page as a code host links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The links of a page, but those to other sites, that lead to no file or to no heading."""
    broken = []
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        if "://" in link["file"]:
            continue
        target = page.parent / link["file"] if link["file"] else page
        if not target.exists() or (link["anchor"] and link["anchor"] not in anchors(target)):
            broken.append(link[0])
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"`(etl/[\w/]+\.(?:py|yaml|lock))`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_number_a_status_and_a_date(page: Path) -> None:
    title, _, status = page.read_text(encoding="utf-8").splitlines()[:3]
    assert title.startswith(f"# {page.name[:4]}. ")
    assert re.match(r"Status: \w+, \d{4}-\d{2}-\d{2}", status)


def test_the_index_of_decisions_lists_each_with_its_title() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    titles = [page.read_text(encoding="utf-8").splitlines()[0][8:] for page in DECISIONS]
    assert [title for title in titles if f"| {title} |" not in index] == []


@pytest.mark.parametrize("event", catalog.landing_events(), ids=lambda event: event.name)
def test_the_specification_has_every_event_with_every_field(event: Event) -> None:
    line = next(line for line in SPECIFICATION.splitlines() if line.startswith(f"| `{event.name}`"))
    assert [f.name for f in event.fields if not re.search(rf"\b{f.name}\b", line)] == []


@pytest.mark.parametrize(
    "table", [t for t in catalog.tables() if t.name.split("_")[0] != "bronze"], ids=lambda t: t.name
)
def test_the_specification_has_every_table(table: Table) -> None:
    assert f"`{table.name}`" in SPECIFICATION


@pytest.mark.parametrize("name", named_query.names())
def test_the_specification_has_every_named_query(name: str) -> None:
    assert f"| `{name}` |" in SPECIFICATION
