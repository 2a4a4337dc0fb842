"""Sections of the dashboard are plugins of subjects. The reports package knows no subject."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from support.made_up import made_up

from etl import catalog, reports
from etl.errors import ContractViolation
from etl.queries import sql_files
from etl.reports import dashboard, health
from etl.reports.health import Health
from etl.reports.section import Section, TableCard
from etl.reports.tile import Tile


def toy_sections(found: int, page: Health) -> list[Section]:
    """One section with a tile and a table."""
    toys = TableCard("Toys", ["Name", "Note"], [["robot", "<b>loud</b>"]], anchor="toys", text_columns=["Note"])
    return [
        Section("toy", "Toy health", [Tile("toys", "Toys", str(found), found, "ok", "all of them")], [],
                cards=[toys], sources="from the toy facts")
    ]  # fmt: skip


def test_the_page_shows_sections_of_any_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page needs only the interface: it shows tiles, tables and sources, and escapes every cell."""
    monkeypatch.setattr(health, "plugin", lambda subject: SimpleNamespace(sections=toy_sections))

    page = dashboard.page(made_up(subjects=["toy"], parts={"toy": 42}))

    assert page.index('id="operations"') < page.index('<h2 id="toy">Toy health</h2>') < page.index('id="gates"')
    assert '<data value="42">42</data>' in page
    assert '<td class="caption">&lt;b&gt;loud&lt;/b&gt;</td>' in page
    assert "and from the toy facts, up to run" in page


def test_a_subject_without_a_dashboard_has_no_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "plugin", lambda subject: None)

    page = dashboard.page(made_up())

    assert page.count("<h2") == 2  # operations and gates


@pytest.mark.parametrize("subject", catalog.subjects())
def test_the_dashboard_of_a_subject_has_the_interface(subject: str) -> None:
    plugin = health.plugin(subject)
    assert plugin is None or (callable(plugin.collect) and callable(plugin.sections))


def test_the_reports_package_imports_no_subject() -> None:
    modules = Path(str(reports.__file__)).parent.glob("*.py")
    assert [file.name for file in modules if "etl.subjects" in file.read_text(encoding="utf-8")] == []


def test_two_page_queries_of_one_name_raise_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the error, one dashboard would run the query of the other."""
    plugins = {}
    for subject in catalog.subjects():
        (tmp_path / subject).mkdir()
        (tmp_path / subject / "hours.sql").write_text("SELECT 1")
        plugins[subject] = SimpleNamespace(__file__=str(tmp_path / subject / "__init__.py"))
    monkeypatch.setattr(catalog, "plugin", lambda subject, _: plugins[subject])

    with pytest.raises(ContractViolation, match="have the same name"):
        sql_files.find.__wrapped__("dashboard")
