"""The impact of a change by owner, and the queries of dashboards that it reaches."""

from __future__ import annotations

import pytest

from etl import catalog
from etl.docs import site
from etl.lineage.flow import Lineage, Source
from etl.lineage.impact import Change, changes, pages, parse, queries, readers
from etl.lineage.owners import OwnerImpact, by_owner
from etl.lineage.tables import edges


@pytest.fixture
def impact(lineages: dict[str, Lineage]) -> list[OwnerImpact]:
    """The impact of the column `undone_ts` of `fct_engagements`."""
    origin = parse("fct_engagements.undone_ts")
    found = changes(origin, edges(lineages))
    return by_owner(found, readers(origin), queries(origin, found), pages(origin, found))


def test_every_table_is_listed_once_for_its_own_owner(impact: list[OwnerImpact], lineages: dict[str, Lineage]) -> None:
    found = changes(parse("fct_engagements.undone_ts"), edges(lineages))
    listed = [(table, one.owner) for one in impact for table in one.columns]
    owners = {change.target.table: catalog.entry(change.target.table).table.owner for change in found}
    assert sorted(listed) == sorted(owners.items())
    assert [one.owner for one in impact] == sorted({one.owner for one in impact})


def test_an_owner_sees_columns_rules_queries_and_pages(impact: list[OwnerImpact]) -> None:
    by_name = {one.owner: one for one in impact}
    tables = {table: columns for one in impact for table, columns in one.columns.items()}
    assert "likes" in tables["agg_post_engagement_hourly"]
    assert any("fct_engagements: " in rule for one in impact for rule in one.rules)
    assert "top_creators" in {query for one in impact for query in one.queries}
    assert "post_hours" in {page for one in impact for page in one.pages}
    assert set(by_name) <= {table.owner for table in catalog.tables()}


def test_a_page_is_listed_only_when_it_reads_a_column_that_changes() -> None:
    """Both read counts of landed records. No dashboard reads the score of an impression itself."""
    origin = Source("agg_ingest_hourly", "records_accepted")
    assert {use.question for use in pages(origin, [])} == {"ingest_events", "ingest_hours"}
    assert pages(Source("fct_impressions", "predicted_score"), []) == []


def test_the_picture_marks_what_depends_on_a_column_and_fades_the_rest() -> None:
    origin = Source("fct_engagements", "undone_ts")
    change = Change(Source("agg_post_engagement_hourly", "likes"), "value", True, origin)
    marked = site.svg({"fct_engagements": "origin", change.target.table: "value"}, "What depends on <it>")
    assert marked.count('class="facts origin"') == marked.count('class="rollups value"') == 1
    assert marked.count('<path class="on"') == 1
    assert "What depends on &lt;it&gt;" in marked
    assert len(marked.split('class="facts none"')) == len([t for t in catalog.tables() if t.layer.name == "FACTS"])


def test_without_marks_the_picture_fades_nothing() -> None:
    assert "none{opacity" not in site.svg() and ' class="on"' not in site.svg()
