"""The lineage of the real tables, with examples that a reader can check by eye."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from support.rows import at, minted, rows

from etl import catalog
from etl.errors import ConfigError
from etl.lineage.flow import Lineage, Source
from etl.lineage.impact import Change, changes, parse, queries, readers
from etl.lineage.tables import edges
from etl.subjects.feed.facts import fct_dwell_per_impression, fct_engagements, fct_impressions
from etl.subjects.feed.rollups.agg_post_engagement_hourly import TABLE, transform

TEN = minted(at("10:00"))


def value(lineages: dict[str, Lineage], table: str, column: str) -> set[str]:
    """The sources of a column's value."""
    return {str(source) for source in lineages[table].columns[column].value}


def test_every_column_of_every_table_has_lineage(lineages: dict[str, Lineage]) -> None:
    """Quarantine has no lineage, because it stores records as text."""
    expected = {t.name: list(t.column_names) for t in catalog.tables() if t.name != "quarantine"}
    assert {name: list(made.columns) for name, made in lineages.items()} == expected


def test_lineage_names_only_existing_columns(lineages: dict[str, Lineage]) -> None:
    for edge in edges(lineages):
        assert parse(str(edge.source).removeprefix("rows of ")) == edge.source


def test_a_table_depends_on_all_its_inputs_and_on_no_other_table(lineages: dict[str, Lineage]) -> None:
    for table in catalog.tables():
        if table.inputs:
            found = {e.source.table for e in edges({table.name: lineages[table.name]})}
            assert found == {source.table.name for source in table.sources.values()}


@pytest.mark.parametrize(
    ("table", "column", "sources"),
    [
        ("bronze_impressions", "impression_hour", {"landing.impressions.impression_id"}),
        ("fct_engagements", "undone_ts", {"bronze_engagements.action", "bronze_engagements.event_ts"}),
        ("dim_creators", "handle", {"bronze_creators.handle"}),
        ("dim_creators", "valid_to", {"bronze_creators.effective_ts"}),
        ("fct_dwell_per_impression", "dwell_ms", {"landing.heartbeats.beat_seq"}),
        ("agg_ranker_hourly", "reach_hll", {"fct_impressions.viewer_id"}),
        ("mart_post_engagement_daily", "save_rate",
         {"agg_post_engagement_hourly.saves", "agg_post_engagement_hourly.impressions"}),
        ("mart_user_affinity_daily", "top_audio_id", {"dim_posts.audio_id"}),
    ],
)  # fmt: skip
def test_the_sources_of_a_column_match_its_transform(
    lineages: dict[str, Lineage], table: str, column: str, sources: set[str]
) -> None:
    assert value(lineages, table, column) == sources


def test_the_impression_time_influences_the_audio_but_is_not_part_of_it(lineages: dict[str, Lineage]) -> None:
    """This is the as-of join. OpenLineage's column facet once lost such filters."""
    uses = lineages["mart_user_affinity_daily"].columns["top_audio_id"].through
    assert {"fct_impressions.impression_ts", "dim_posts.valid_from"} <= {str(s) for how, s in uses if how == "filter"}


def reached(lineages: dict[str, Lineage], column: str) -> dict[str, Change]:
    """Everything that changes with a column."""
    return {str(c.target): c for c in changes(parse(column), edges(lineages))}


def test_a_value_is_followed_from_landing_to_the_marts(lineages: dict[str, Lineage]) -> None:
    found = reached(lineages, "landing.heartbeats.beat_seq")
    direct = {name for name, change in found.items() if change.direct}
    assert {"fct_dwell_per_impression.dwell_ms", "agg_ranker_hourly.dwell_ms_sum",
            "mart_post_engagement_daily.avg_dwell_ms"} <= direct  # fmt: skip
    assert "mart_post_engagement_daily.like_rate" not in direct


def test_an_influence_is_distinguished_from_a_value(lineages: dict[str, Lineage]) -> None:
    """The end of a version changes the top audio through a filter, and does not change reach."""
    found = reached(lineages, "dim_posts.valid_to")
    top = found["mart_user_affinity_daily.top_audio_id"]
    assert (top.direct, top.how, str(top.via)) == (False, "filter", "dim_posts.valid_to")
    assert not [name for name in found if name.startswith("mart_post_engagement_daily")]


def test_the_impact_of_a_table_includes_rows(lineages: dict[str, Lineage]) -> None:
    found = reached(lineages, "fct_shares.channel")
    assert found == {}
    assert "rows of agg_ranker_hourly" in reached(lineages, "fct_impressions")


def test_a_column_is_found_in_the_rules_that_read_it() -> None:
    """The model id is checked in its own table, and the version in the audit of the facts that refer to it."""
    own = {r.rule.name for r in readers(Source("fct_impressions", "ranker_model_id"))}
    assert "unexpected_rows_expectation(ranker_model_id known)" in own
    assert {r.table for r in readers(Source("dim_ranker_models", "valid_to"))} == {
        "dim_ranker_models",
        "fct_impressions",
    }


def test_named_queries_are_listed_with_the_columns_that_reach_them(lineages: dict[str, Lineage]) -> None:
    """Heartbeats become dwell, which `ranker_lift` reads. No query reads the channel of a share."""
    origin = Source("landing.heartbeats", "beat_seq")
    affected = {a.question: {str(c) for c in a.columns} for a in queries(origin, changes(origin, edges(lineages)))}
    assert "mart_ranker_viewer_daily.dwell_ms_sum" in affected["ranker_lift"]
    assert queries(Source("fct_shares", "channel"), []) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fct_impresions.post_id", "no table 'fct_impresions'.*fct_impressions"),
        ("fct_impressions.post", "no fct_impressions column 'post'.*`post_id`"),
        ("landing.likes.post_id", "no table 'landing.likes'.*landing.engagements"),
        ("post_id", "no table 'post_id'"),
    ],
)
def test_the_error_for_an_unknown_column_lists_the_known_ones(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(text)


def post_hour(spark: SparkSession, dwell_ms: int) -> dict[str, object]:
    """The rollup row of one impression with a dwell time."""
    impressions = rows(spark, fct_impressions.TABLE, [{"impression_id": TEN}])
    beats = rows(spark, fct_dwell_per_impression.TABLE, [{"impression_id": TEN, "dwell_ms": dwell_ms}])
    (made,) = transform(impressions, rows(spark, fct_engagements.TABLE, []), beats).collect()
    return made.asDict()


def test_only_columns_that_lineage_names_change_with_a_value(spark: SparkSession, lineages: dict[str, Lineage]) -> None:
    """Check lineage against data: the same impression with a longer dwell time."""
    short, long = post_hour(spark, 250), post_hour(spark, 9000)
    changed = {column for column in short if short[column] != long[column]}
    dwell = Source("fct_dwell_per_impression", "dwell_ms")
    by_lineage = {column for column, flow in lineages[TABLE.name].columns.items() if dwell in flow.value}
    assert changed and changed <= by_lineage
