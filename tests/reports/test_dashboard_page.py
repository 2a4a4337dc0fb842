"""The dashboard in a real browser, rendered from values without a lake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.browser import opened
from support.made_up import HOSTILE, MISSING, ads, feed, made_up

from etl.reports import dashboard, pages
from etl.reports.health import Health
from etl.subjects.feed.dashboard.health import Feed, Ingest, Ranker, Safety
from etl.subjects.feed.dashboard.heartbeats import Heartbeats

PHONE = {"width": 390, "height": 844}


def everything() -> Health:
    """A lake with both subjects."""
    return made_up(subjects=["feed", "ads"], parts={"feed": feed(), "ads": ads()})


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dashboard with all sections."""
    return pages.write(dashboard.page(everything()), tmp_path_factory.mktemp("page") / "dashboard.html")


def test_the_page_loads_without_console_messages_or_requests(page: Path) -> None:
    """The page is one file of less than 2 MB. It fetches nothing else, and the console stays empty."""
    with opened(page) as seen:
        assert seen.page.locator("h1").inner_text() == "Feed and ads health"
        assert seen.requests == [page.as_uri()]
        assert seen.complaints == []
    assert page.stat().st_size < 2_000_000


def test_tiles_show_the_given_numbers(page: Path) -> None:
    with opened(page) as seen:
        assert seen.tile("review-queue") == 1
        assert seen.tile("like-lift") == pytest.approx(7600 / 6000 - 1)
        assert seen.tile("regret") == pytest.approx((7600 // 30) / (7600 + 7600 // 20))
        assert seen.tile("skew") == pytest.approx(1.17)
        assert seen.tile("collapse") == 25
        assert seen.tile("quarantine") == pytest.approx(1000 / 301_000)
        assert seen.tile("gates") == 1 and seen.tile("freshness") == 2
        assert seen.tile("backlog") == 3


def test_ads_tiles_show_the_given_numbers(page: Path) -> None:
    """An overspent budget and an unexplained dollar have the state `watch`. No day is final yet."""
    with opened(page) as seen:
        assert seen.tile("spend") == 60 and seen.tile("unallocated") == 1
        assert seen.tile("roas") == 1.5 and seen.tile("final-roas") is None
        assert seen.tile("budget") == pytest.approx((30 + 12) / 48)
        assert seen.tile("ctr") == pytest.approx(1_196 / 20_000) and seen.tile("cvr") == pytest.approx(0.1)
        assert seen.tile("attributed") == pytest.approx(15 / 20) and seen.tile("too-late") == 2
        watched = seen.page.locator("#ads ~ .tiles .watch h3").all_inner_texts()
        assert watched == ["Unallocated spend", "Budget spent"]


def test_a_lake_with_one_subject_shows_only_its_sections(tmp_path: Path) -> None:
    feed = pages.write(dashboard.page(made_up()), tmp_path / "feed.html")
    alone = pages.write(dashboard.page(made_up(subjects=["ads"], parts={"ads": ads()})), tmp_path / "ads.html")
    with opened(feed) as seen:
        assert seen.page.locator("h1").inner_text() == "Feed health"
        assert seen.page.locator("h2").all_inner_texts() == [
            "Operations", "Ranker health", "Ingest health", "Safety health", "Gates and freshness",
        ]  # fmt: skip
    with opened(alone) as seen:
        assert seen.page.locator("h1").inner_text() == "Ads health"
        assert seen.page.locator("h2").all_inner_texts() == ["Operations", "Ads", "Gates and freshness"]


def test_hostile_text_is_escaped(page: Path) -> None:
    """A caption, a handle and a reason of a rule contain markup. The page shows it as text, and no script runs."""
    with opened(page) as seen:
        assert seen.page.locator("script").count() == 0
        assert seen.page.title().startswith("Feed and ads health")
        assert seen.page.locator("td.caption", has_text=HOSTILE).count() == 2
        assert seen.page.locator("td", has_text=f"@{HOSTILE}").count() == 1


def test_a_closed_gate_names_its_table_and_its_failed_rules(page: Path) -> None:
    with opened(page) as seen:
        row = seen.page.locator("#gate-fct_shares").inner_text()
        assert "closed" in row and "key(), 3 of 90 rows" in row
        assert "gates closed" in seen.page.locator("header").inner_text()


def test_the_page_works_with_the_keyboard(page: Path) -> None:
    """Tab reaches the skip link first. Enter on the summary of a chart opens its numbers."""
    with opened(page) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("document.activeElement.id") == "main"
        numbers = seen.page.locator("#figure-landed details")
        numbers.locator("summary").focus()
        seen.page.keyboard.press("Enter")
        assert numbers.locator("tbody tr").first.is_visible()


def test_every_chart_has_a_description_and_its_numbers_as_a_table(page: Path) -> None:
    with opened(page) as seen:
        figures = seen.page.locator("figure")
        assert figures.count() >= 12
        for figure in figures.all():
            assert len(figure.locator('[role="img"]').get_attribute("aria-label") or "") > 20
            assert figure.locator("details tbody tr").count() > 0


def test_ids_are_unique_and_every_reference_has_a_target(page: Path) -> None:
    """The charts of a page share no id, and each marker or clip path that they reference exists."""
    text = page.read_text()
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids)


def test_a_missing_hour_is_a_gap(page: Path) -> None:
    """The row of the hour says `no data`, and the line of the chart has two parts."""
    with opened(page) as seen:
        seen.page.locator("#figure-lag summary").click()
        row = seen.page.locator("#figure-lag tr", has_text=f"{MISSING:%Y-%m-%d %H:00}")
        assert row.locator("td").all_inner_texts() == ["no data"] * 3
    drawn = re.search(r'<figure id="figure-lag".*?</svg>', page.read_text(), re.DOTALL)
    assert drawn and re.search(r'd="M[^"M]+\nM[^"]+"[^>]*stroke-width: 1.8', drawn[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chart_text_has_enough_contrast_in_light_and_dark(page: Path, scheme: str) -> None:
    """The contrast of chart text to its card is at least 4.5, as WCAG demands."""
    contrast = """() => {
        const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
            .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
            return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2] };
        const card = light(getComputedStyle(document.querySelector('.card')).backgroundColor);
        return Math.min(...[...document.querySelectorAll('svg text')].map(t => {
            const ink = light(getComputedStyle(t).fill);
            return (Math.max(ink, card) + 0.05) / (Math.min(ink, card) + 0.05) }));
    }"""
    with opened(page, color_scheme=scheme) as seen:
        assert seen.page.evaluate(contrast) >= 4.5


def test_a_phone_needs_no_sideways_scrolling(page: Path) -> None:
    with opened(page, viewport=PHONE) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_an_almost_empty_lake_gives_a_page_without_charts(tmp_path: Path) -> None:
    """Without a model, a landed hour or a post the page has no charts of them, and raises no error."""
    nothing = Feed(Ranker([], []), Ingest([], [], Heartbeats(0, 0, 0, 0), [], [], 0.01), Safety([], {}, [], None, []))
    empty = made_up(parts={"feed": nothing}, landed=None, freshness=[], costs=[], runs={})
    with opened(pages.write(dashboard.page(empty), tmp_path / "empty.html")) as seen:
        assert seen.tile("like-lift") is None and seen.complaints == []
        assert "Nothing waits for review" in seen.page.locator("main").inner_text()


def test_the_same_health_gives_the_same_page(page: Path) -> None:
    assert dashboard.page(everything()) == page.read_text()
