"""Which tables and columns SQL reads. A search for words would also find aliases, comments and values."""

from __future__ import annotations

import re

import pytest

from etl import catalog
from etl.engine.quality import suites
from etl.engine.sql import reads
from etl.errors import ContractViolation
from etl.model.contract import Table
from etl.queries import named_query, sql_files

by_table = pytest.mark.parametrize("table", catalog.tables(), ids=lambda t: t.name)


def test_an_alias_a_comment_and_a_value_are_not_columns() -> None:
    text = """
        -- channel is not read
        SELECT count(*) AS share_ts, 'viewer_id' AS x FROM fct_shares AS s WHERE s.share_id > 0
    """
    assert reads.columns(text) == {("fct_shares", "share_id")}
    assert {"channel", "viewer_id", "share_ts"} <= set(re.findall(r"\w+", text))


def test_the_name_of_a_with_clause_is_not_a_table() -> None:
    text = "WITH fct_impressions AS (SELECT share_id AS post_id FROM fct_shares) SELECT post_id FROM fct_impressions"
    assert reads.tables(text) == {"fct_shares"}
    assert reads.columns(text) == {("fct_shares", "share_id")}


def test_a_star_reads_the_columns_that_the_result_depends_on() -> None:
    text = "WITH shares AS (SELECT * FROM fct_shares) SELECT channel FROM shares WHERE share_id = 1"
    assert reads.columns(text) == {("fct_shares", "channel"), ("fct_shares", "share_id")}


def test_a_column_belongs_to_the_table_that_has_it() -> None:
    """Both columns are named without their table, in the query and in a subquery."""
    text = "SELECT original_post_id FROM fct_shares WHERE original_post_id NOT IN (SELECT post_id FROM dim_posts)"
    assert reads.columns(text) == {("fct_shares", "original_post_id"), ("dim_posts", "post_id")}


@by_table
def test_the_rules_of_every_suite_can_be_analyzed(table: Table) -> None:
    for rule in suites.suite(table):
        assert not rule.query or table.name in reads.tables(rule.query.format(batch=table.name))


def test_all_named_queries_and_page_queries_can_be_analyzed() -> None:
    texts = [named_query.load(name).sql for name in named_query.names()]
    texts += [path.read_text() for path in sql_files.find("dashboard").values()]
    assert all(reads.columns(text) for text in texts)


@pytest.mark.parametrize("text", ["SELECT likes FROM fct_shares", "SELECT FROM WHERE"])
def test_sql_that_cannot_be_analyzed_is_one_line(text: str) -> None:
    with pytest.raises(ContractViolation, match=text) as raised:
        reads.columns(text)
    assert "\n" not in str(raised.value)
