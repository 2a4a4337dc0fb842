"""The documentation pages of the tables are up to date, complete and linked to each other."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.browser import opened

from etl import catalog, conf
from etl.docs import site
from etl.docs.graph import HEIGHT, picture
from etl.engine.quality import suites
from etl.lineage.flow import Lineage

COMMITTED = conf.home() / "docs" / "tables"


@pytest.fixture(scope="module")
def files(lineages: dict[str, Lineage]) -> dict[str, str]:
    """The pages generated from the current code."""
    return site.pages(lineages)


def test_committed_pages_are_up_to_date(files: dict[str, str]) -> None:
    """Pages are generated, never edited by hand."""
    committed = {f.name: f.read_text(encoding="utf-8") for f in COMMITTED.iterdir() if f.name != site.HTML}
    differ = sorted(name for name in files.keys() | committed.keys() if files.get(name) != committed.get(name))
    assert not differ, (
        f"docs/tables is not up to date in {', '.join(differ)}. Run `make docs` and commit what it wrote."
    )


def test_every_table_has_a_page_with_every_column_check_and_reason(files: dict[str, str]) -> None:
    for table in catalog.tables():
        page = files[f"{table.name}.md"]
        for column in table.columns:
            row = next(line for line in page.splitlines() if line.startswith(f"| `{column.name}` | {column.type} |"))
            assert column.meaning in row and f"| {column.privacy} |" in row
        for rule in suites.suite(table):
            assert rule.reason in page and f"| {rule.severity} |" in page


def test_every_link_leads_to_a_page(files: dict[str, str]) -> None:
    for name, text in files.items():
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert target in files, f"{name} links to {target}"


def test_all_rows_of_a_markdown_table_have_the_same_number_of_cells(files: dict[str, str]) -> None:
    """An unescaped bar or a line break in a reason would break a table."""
    for name, text in files.items():
        for above, line in pairwise(text.splitlines()):
            if above.startswith("|") and line.startswith("|"):
                assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"(?<!\\)\|", above)), f"{name}: {line}"


def test_the_picture_has_a_box_for_each_table_and_an_arrow_for_each_read(files: dict[str, str]) -> None:
    shown = "".join(ElementTree.fromstring(files["lineage.svg"]).itertext())
    assert all(table.name in shown for table in catalog.tables())
    reads = sum(len(t.inputs) or bool(t.event) for t in catalog.tables())
    assert files["lineage.svg"].count("marker-end") == reads


def test_no_two_boxes_of_the_picture_overlap() -> None:
    boxes = sorted(picture().boxes, key=lambda box: (box.x, box.y))
    assert all(above.x != below.x or below.y - above.y > HEIGHT for above, below in pairwise(boxes))


def test_the_page_of_a_removed_table_is_deleted_and_other_files_stay(
    lineages: dict[str, Lineage], tmp_path: Path
) -> None:
    (tmp_path / "fct_gone.md").write_text(f"{site.MARK}\n# fct_gone\n")
    (tmp_path / "notes.md").write_text("by hand\n")

    site.write(tmp_path, lineages)

    assert not (tmp_path / "fct_gone.md").exists()
    assert (tmp_path / "notes.md").read_text() == "by hand\n"


def test_the_html_page_has_every_table_and_loads_nothing(files: dict[str, str]) -> None:
    html = site.html(files)
    anchors = set(re.findall(r'id="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= anchors
    assert {t.name for t in catalog.tables()} <= anchors
    assert not re.search(r'(?:src|href)="(?!#)', html)


def test_the_html_page_fits_a_phone_and_reports_no_error(files: dict[str, str], tmp_path: Path) -> None:
    """The longest table name wraps."""
    page = tmp_path / "index.html"
    page.write_text(site.html(files))
    with opened(page, viewport={"width": 390, "height": 844}) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert seen.complaints == []
