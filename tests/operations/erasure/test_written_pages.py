"""Pages that were written outside of the lake's folder are searched by an erasure, or make it incomplete."""

from __future__ import annotations

import platform
import stat
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from soak.shares import TABLES, land
from support.local_lake import END, START

from etl.conf import Settings
from etl.engine.jobs import runner
from etl.model.privacy import CREATOR, VIEWER
from etl.operations.erasure import driver, mails, register, written_pages
from etl.operations.maintenance import driver as maintenance
from etl.reports import dashboard

NAMES_12, NAMES_HANDLE = "<td>viewer_id</td><td>12</td>", "<td>ana</td>"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Where a page is written: on another disk than the lake."""
    folder = tmp_path / "wiki"
    folder.mkdir()
    return folder / "page.html"


def written(spark: SparkSession, settings: Settings, page: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the dashboard with this text."""
    monkeypatch.setattr("etl.reports.health.collect", lambda *_: None)
    monkeypatch.setattr(dashboard, "page", lambda _: text)
    return dashboard.write(spark, settings, page)


def remove(spark: SparkSession, settings: Settings) -> tuple[int, list[str]]:
    """Erase viewer 12. Returns the number of removed pages, and what could not be searched."""
    counts, missed = mails.remove(spark, settings, VIEWER, lambda numbers: numbers & {12}, set())
    return counts["pages"], missed


def notes(settings: Settings) -> list[Path]:
    return sorted((Path(settings.lake) / written_pages.FOLDER).glob("*.json"))


@pytest.mark.parametrize(("text", "removed"), [(NAMES_12, 1), ("<td>post_id</td><td>12</td>", 0)])
def test_a_page_elsewhere_is_searched(
    spark: SparkSession, settings: Settings, page: Path, monkeypatch: pytest.MonkeyPatch, text: str, removed: int
) -> None:
    """Its place is in a private file of the lake, which holds nothing of its content."""
    written(spark, settings, page, text, monkeypatch)
    written(spark, settings, page, text, monkeypatch)
    (note,) = notes(settings)
    assert "12" not in note.read_text().replace(str(page), "").replace(platform.node(), "")
    assert stat.S_IMODE(note.stat().st_mode) & 0o077 == 0
    assert remove(spark, settings) == (removed, []) and page.exists() is not bool(removed)
    remove(spark, settings)
    assert len(notes(settings)) == 1 - removed  # the place of a page that is gone is forgotten


def test_data_docs_elsewhere_are_searched(spark: SparkSession, settings: Settings, page: Path) -> None:
    docs = page.parent / "docs"
    written_pages.record(spark, settings, docs)
    (docs / "validations").mkdir(parents=True)
    (docs / "validations" / "a.html").write_text(NAMES_12)
    (docs / "index.html").write_text("<td>12 rows</td>")
    assert remove(spark, settings) == (1, []) and [f.name for f in docs.rglob("*.html")] == ["index.html"]


def test_pages_that_are_always_searched_are_not_recorded(spark: SparkSession, settings: Settings) -> None:
    lake = Path(settings.lake)
    for place in (lake / "a.html", lake.with_name(f"{lake.name}-dashboard.html"), lake / "_data_docs"):
        written_pages.record(spark, settings, place)
    assert notes(settings) == []


def test_a_page_out_of_reach_is_named_and_removed_unread_when_it_is_reached(
    spark: SparkSession, settings: Settings, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handle of a creator cannot be searched later, since no table has it any more: the whole page goes."""
    written(spark, settings, page, NAMES_HANDLE, monkeypatch)
    away = page.parent.rename(page.parent.with_name("not mounted"))
    _, missed = mails.remove(spark, settings, CREATOR, lambda numbers: numbers & {12}, {"ana"})
    assert len(missed) == 1 and str(page.parent) in missed[0] and platform.node() in missed[0]
    away.rename(page.parent)
    assert remove(spark, settings) == (1, []) and not page.exists() and notes(settings) == []


def test_a_page_of_another_machine_and_a_broken_note_are_named(
    spark: SparkSession, settings: Settings, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(platform, "node", lambda: "worker-7")
        written(spark, settings, page, NAMES_12, monkeypatch)
    (Path(settings.lake) / written_pages.FOLDER / "broken.json").write_text("{")
    removed, missed = remove(spark, settings)
    assert removed == 0 and len(missed) == 2 and page.exists()
    assert any("worker-7" in line for line in missed) and any("broken.json" in line for line in missed)


def test_an_erasure_is_not_complete_until_maintenance_reaches_the_page(
    spark: SparkSession, settings: Settings, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(settings, 12)
    runner.run(spark, settings, START, END, tables=TABLES)
    written(spark, settings, page, NAMES_12, monkeypatch)
    away = page.parent.rename(page.parent.with_name("not mounted"))
    receipt = driver.erase(spark, settings, [12], "ticket")
    assert not receipt["complete"] and str(page.parent) in receipt["incomplete"][0]
    away.rename(page.parent)
    maintenance.maintain(spark, settings, None, dry_run=False)
    assert not page.exists() and not register.open_receipts(spark, f"file://{settings.lake}")
