"""`feed-etl sql` only reads tables of the lake, however a statement is written."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml
from pyspark.errors import ParseException
from pyspark.sql import SparkSession
from soak import shares
from support import statements
from support.local_lake import local_settings

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.sql import read_only, views
from etl.errors import ConfigError, LakeError
from etl.queries import named_query, sql_files

NAMES = [*(t.name for t in catalog.tables()), "ledger"]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A lake with one share. No test may change it."""
    return shares.lake_with_share(spark, local_settings(tmp_path_factory.mktemp("read-only")))


def check(spark: SparkSession, text: str) -> read_only.Reader:
    return read_only.check(spark, spark._jsparkSession.sessionState().sqlParser().parsePlan(text), NAMES)


def test_every_attempt_to_do_more_than_read_is_refused_in_one_line(spark: SparkSession) -> None:
    attempts = statements.listed(statements.REFUSED)
    assert len(attempts) > 120
    for text in attempts:
        with pytest.raises(ConfigError, match=r"^sql only reads: .* is not allowed\. .*\.$") as refused:
            check(spark, text)
        assert "\n" not in str(refused.value) and os.environ["HOME"] not in str(refused.value)


@pytest.mark.parametrize("text", statements.listed(statements.MALFORMED))
def test_more_than_one_statement_is_a_parse_error(spark: SparkSession, settings: Settings, text: str) -> None:
    with pytest.raises(ParseException):
        views.query(spark, settings, text)


def test_typical_queries_of_analysts_are_allowed(spark: SparkSession, lake: Settings) -> None:
    before = modification_times(lake)
    for text in statements.listed(statements.ALLOWED):
        frame = views.query(spark, lake, text)
        if "OVER" in text or "ledger" in text:
            frame.collect()
    assert modification_times(lake) == before


def test_a_refused_statement_changes_nothing_on_disk(spark: SparkSession, lake: Settings, tmp_path: Path) -> None:
    before = modification_times(lake)
    for text in (
        "DELETE FROM fct_shares",
        f"INSERT OVERWRITE DIRECTORY '{tmp_path}/out' USING csv SELECT * FROM fct_shares",
        f"DELETE FROM delta.`{views.uri(lake, catalog.entry('fct_shares').table)}`",
        "SET spark.sql.runSQLOnFiles = true",
    ):
        with pytest.raises(ConfigError):
            views.query(spark, lake, text)
    assert modification_times(lake) == before and not (tmp_path / "out").exists()


def test_variables_in_a_statement_are_not_replaced(spark: SparkSession, settings: Settings) -> None:
    """By default Spark would insert variables of the environment and of Java."""
    text = "${env:HOME} ${system:user.home} ${spark.app.name}"
    assert views.query(spark, settings, f"SELECT '{text}' AS x").collect()[0].x == text
    assert spark.conf.get("spark.sql.variable.substitute") == "true"


def test_a_statement_can_show_the_history_of_a_table_and_list_tables(spark: SparkSession, lake: Settings) -> None:
    history = views.query(spark, lake, "DESCRIBE HISTORY fct_shares").collect()
    assert [row.version for row in history] == [1, 0]
    listed = {row.tableName for row in views.query(spark, lake, "SHOW TABLES").collect()}
    assert {"fct_shares", "bronze_shares", "ledger"} <= listed


def test_a_statement_can_read_a_rejected_batch_by_its_path(spark: SparkSession, settings: Settings) -> None:
    """The path is a name in backticks. In a text it is no name, and a path to elsewhere is refused."""
    spark.range(3).write.format("delta").save(f"{settings.lake}/_rejected/fct_shares/Run-1")
    assert views.query(spark, settings, "SELECT * FROM `_rejected/fct_shares/Run-1` WHERE id > 0").count() == 2
    assert views.query(spark, settings, "SELECT '_rejected/fct_shares/Run-2'").count() == 1
    with pytest.raises(LakeError, match="_rejected/fct_shares/run-2 is not in the lake"):
        views.query(spark, settings, "SELECT * FROM `_rejected/fct_shares/Run-2`")
    with pytest.raises(ConfigError, match="sql only reads"):
        views.query(spark, settings, "SELECT * FROM `_rejected/../fct_shares/Run-1`")


@pytest.mark.slow
def test_queries_of_suites_named_queries_and_reports_only_read(spark: SparkSession) -> None:
    """Their SQL is text as well, from many authors."""
    suites = [yaml.safe_load(path.read_text()) for path in (conf.home() / "expectations").glob("*/*.yaml")]
    rules = [rule["kwargs"]["unexpected_rows_query"] for suite in suites for rule in suite["expectations"]
             if "unexpected_rows_query" in rule.get("kwargs", {})]  # fmt: skip
    texts = [rule.format(batch="fct_shares") for rule in rules]
    texts += [path.read_text() for path in sql_files.find("dashboard").values()]
    texts += [named_query.load(name).sql for name in named_query.names()]
    assert len(rules) > 20 and len(texts) > len(rules) + 20
    for text in texts:
        check(spark, re.sub(r"(?<!:):[a-z]\w*", "NULL", text))


def modification_times(settings: Settings) -> dict[str, int]:
    """Path -> modification time (ns) of every file in the lake."""
    return {str(path): path.stat().st_mtime_ns for path in Path(settings.lake).rglob("*") if path.is_file()}
