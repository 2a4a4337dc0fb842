"""Headers and parameters of named queries are checked before Spark starts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlglot import exp, parse_one

from etl import conf
from etl.engine.sql import reads
from etl.errors import ConfigError, ContractViolation
from etl.queries import named_query, printing
from etl.queries.parameters import Parameter, complete

by_query = pytest.mark.parametrize("name", named_query.names())

HEADER = """-- question: How many?
-- grain: one row
-- inputs: [fct_shares]
-- parameters:
--   post_id: {type: BIGINT, meaning: The post}
SELECT 1
"""


FROM_FACTS = {
    "comment_thread": {"fct_engagements"},
    "virality": {"fct_shares"},
    "clicks_last_minutes": {"fct_ad_clicks"},
    "attribution_paths": {"fct_attributed_conversion", "fct_ad_clicks", "fct_ad_impressions"},
    "frequency_cap": {"fct_ad_impressions"},
    "frequency_distribution": {"fct_ad_impressions"},
    "delivery_health": {"fct_ad_impressions"},
}


@by_query
def test_inputs_are_the_tables_that_the_sql_reads(name: str) -> None:
    query = named_query.load(name)
    assert reads.tables(query.sql) == set(query.inputs)


@by_query
def test_the_sql_uses_only_parameters_of_the_header(name: str) -> None:
    query = named_query.load(name)
    placeholders = parse_one(query.sql, read=reads.DIALECT).find_all(exp.Placeholder)
    assert {placeholder.name for placeholder in placeholders} <= set(query.parameters)


@by_query
def test_a_query_reads_rollups_and_marts_where_possible(name: str) -> None:
    """Threads, share trees, paths and the last minutes need single actions, which no rollup keeps."""
    facts = {i for i in named_query.load(name).inputs if i.startswith("fct_")}
    assert facts == FROM_FACTS.get(name, set())


def test_the_docs_list_every_query() -> None:
    assert (conf.home() / "docs" / "queries.md").read_text() == printing.markdown()


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("top_creator", {}, "no named query 'top_creator'.*top_creators"),
        ("top_creators", {"limits": 3}, "no parameter 'limits'.*limit INT = 50"),
        ("virality", {}, "needs post_id.*post_id BIGINT"),
        ("virality", {"post_id": "1; DROP TABLE x"}, "post_id must be a whole number"),
        ("virality", {"post_id": True}, "post_id must be a whole number"),
        ("virality", {"post_id": 2**63}, "post_id must be a whole number"),
        ("top_creators", {"limit": 0}, "limit must be at least 1"),
        ("top_creators", {"end": "2026-06-01"}, "end must be a UTC hour like 2026-06-01T10"),
        ("top_creators", {"end": datetime(2026, 6, 1, 10, 30, tzinfo=UTC)}, "end must be a UTC hour"),
        ("top_creators", {"start": "2026-06-01T10", "end": "2026-06-01T10"}, "start .* must be before end"),
        ("creator_analytics", {"creator_id": 1, "start": "June"}, "start must be a UTC day like 2026-06-01"),
        ("feed_signals", {"half_life_hours": "nan"}, "half_life_hours must be a number"),
        ("brand_safety_velocity", {"floor": "many"}, "floor must be a number"),
        ("ranker_lift", {"control": 31, "treatment": "v2"}, "control must be text"),
    ],
)  # fmt: skip
def test_an_error_for_a_wrong_parameter_shows_valid_values(name: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        named_query.load(name).typed(given)


def test_text_and_typed_values_are_equal_parameters() -> None:
    query = named_query.load("brand_safety_velocity")
    hour = datetime(2026, 6, 1, 10, tzinfo=UTC)
    as_text = query.typed({"end": "2026-06-01T10", "floor": "0.01", "limit": "7"})
    assert as_text == query.typed({"end": hour, "floor": Decimal("0.01"), "limit": 7})


def _must_not_be_called() -> datetime:
    raise AssertionError("`latest` was computed")


def test_defaults_follow_from_given_parameters() -> None:
    """The default start depends on the given end, so `latest` is not computed."""
    query = named_query.load("creator_analytics")
    values = complete(
        query.parameters.values(), query.typed({"creator_id": 5, "end": "2026-06-11"}), _must_not_be_called
    )
    assert values == {"creator_id": 5, "end": date(2026, 6, 11), "start": date(2026, 5, 12)}


def test_an_interval_that_a_default_reverses_is_refused() -> None:
    query = named_query.load("top_creators")
    with pytest.raises(ConfigError, match="must be before end"):
        complete(
            query.parameters.values(), query.typed({"start": "2026-06-03T00"}), lambda: datetime(2026, 6, 2, tzinfo=UTC)
        )


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("-- grain: one row\n", "", "grain"),
        ("-- inputs: [fct_shares]\n", "", "inputs"),
        ("type: BIGINT", "type: NUMBER", "parameters.post_id.type: Input should be 'BIGINT'"),
        ("-- grain: one row\n", "-- grain: one row\n-- owner: me\n", "owner"),
        ("meaning: The post", "meaning: The post, high: 9", "parameters.post_id.high"),
        ("[fct_shares]", "[]", "inputs: Tuple should have at least 1 item"),
        ("{type: BIGINT, meaning: The post}", "BIGINT", "parameters.post_id"),
        ("[fct_shares]", "[fct_shares", "the header is not valid"),
        (HEADER, "SELECT 1", "the header is not valid"),
        (HEADER, "-- a sentence\nSELECT 1", "the header is not valid"),
    ],
)
def test_an_invalid_header_is_refused(was: str, now: str, words: str) -> None:
    with pytest.raises(ContractViolation, match=words):
        named_query.parse("made", HEADER.replace(was, now))


def test_the_error_for_a_header_has_one_line_per_fault() -> None:
    header = HEADER.replace("-- grain: one row\n", "").replace("type: BIGINT", "type: NUMBER")
    with pytest.raises(ContractViolation) as raised:
        named_query.parse("made", header)
    assert [line.split(": ")[2] for line in str(raised.value).splitlines()] == ["grain", "parameters.post_id.type"]


def test_a_default_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="limit must be a whole number"):
        complete((Parameter("limit", "INT", "", default="few"),), {}, lambda: datetime.min)


def test_a_default_can_be_a_distance_from_latest_or_from_another_parameter() -> None:
    as_of = Parameter("as_of", "DATE", "", "latest - 2 days")
    before = Parameter("before", "DATE", "", "as_of - 7 days")
    assert complete((as_of, before), {}, lambda: datetime(2026, 6, 29, 11, tzinfo=UTC)) == {
        "as_of": date(2026, 6, 28),
        "before": date(2026, 6, 21),
    }


@pytest.mark.parametrize(("latest", "day"), [
    (datetime(2026, 6, 29, 23, tzinfo=UTC), date(2026, 6, 30)),
    (datetime(2026, 6, 30, 0, tzinfo=UTC), date(2026, 6, 30)),
    (datetime(2026, 6, 30, 1, tzinfo=UTC), date(2026, 7, 1)),
])  # fmt: skip
def test_the_latest_day_contains_the_latest_hour(latest: datetime, day: date) -> None:
    parameters = Parameter("end", "DATE", "", "latest"), Parameter("hour", "HOUR", "", "latest")
    assert complete(parameters, {}, lambda: latest) == {"end": day, "hour": latest}
