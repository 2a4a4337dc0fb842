"""What a question cost is logged, and an expensive one warns or asks, whatever the answer is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.spark import files
from etl.engine.sql import cost, question_log, views
from etl.errors import ConfigError

TEXT = "SELECT * FROM fct_shares WHERE viewer_id = 1"
PRUNED = "SELECT * FROM fct_shares WHERE share_hour >= '2026-06-01'"
TINY = 1e-9


@pytest.fixture
def lake(lake_with_share: Settings) -> Settings:
    """A lake with one share, in which each test logs its own questions."""
    return lake_with_share


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.WARNING, "feed_etl"):
        yield caplog


def limited(settings: Settings, **limits: object) -> Settings:
    return settings.model_copy(update={"questions": settings.questions.model_copy(update=limits)})


def ask(spark: SparkSession, settings: Settings, text: str, team: str | None = "ranking", yes: bool = False) -> int:
    """The number of rows of a question, asked like `feed-etl sql` does."""
    with cost.asked(spark, settings, "sql", question_log.fingerprint(text), team, yes) as question:
        frame = views.query(spark, settings, text)
        question.plan(frame)
        return len(frame.collect())


@pytest.mark.parametrize(("one", "other", "equal"), [
    (TEXT, "select *  from fct_shares where viewer_id = 4711", True),
    ("SELECT 'it''s 7'", "SELECT 'other'", False),
    ("SELECT 'a'", 'SELECT "b"', True),
    (TEXT, PRUNED, False),
], ids=["another id", "two literals are not one", "quotes", "another question"])  # fmt: skip
def test_a_fingerprint_does_not_depend_on_ids(one: str, other: str, equal: bool) -> None:
    assert (question_log.fingerprint(one) == question_log.fingerprint(other)) is equal


def test_a_question_is_logged_and_the_next_one_sees_it(spark: SparkSession, lake: Settings) -> None:
    assert ask(spark, lake, TEXT) == 1
    (row,) = views.query(spark, lake, "SELECT * FROM fct_query_cost").collect()
    assert (row.command, row.team, row.tables, row.files) == ("sql", "ranking", ["fct_shares"], 1)
    assert row.name == question_log.fingerprint(TEXT)
    assert row.bytes > 0 and row.seconds > 0 and row.cpu_seconds > 0
    assert "viewer_id" not in str(row)
    daily = views.query(spark, lake, "SELECT kind, who, count FROM cost_daily").collect()
    assert {("question", "ranking"), ("run", "content"), ("run", "ingest")} <= {(r.kind, r.who) for r in daily}
    assert [r["count"] for r in daily if r.kind == "question"] == [1]


def test_a_lake_that_cannot_be_written_fails_no_question(
    spark: SparkSession, lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(question_log, "append", fail)
    assert ask(spark, lake, TEXT) == 1


@pytest.mark.parametrize(("text", "warned"), [(TEXT, True), (PRUNED, False)])
def test_a_large_table_without_a_condition_warns_and_names_one(
    spark: SparkSession, lake: Settings, warnings: pytest.LogCaptureFixture, text: str, warned: bool
) -> None:
    assert ask(spark, limited(lake, warn_gb=TINY), text) == 1
    assert ("such as share_hour >= " in warnings.text) is warned


def test_a_team_that_has_little_left_must_agree(
    spark: SparkSession, lake: Settings, warnings: pytest.LogCaptureFixture
) -> None:
    """The first question has no history to estimate from. Another team has no budget."""
    poor = limited(lake, team_cpu_hours={"ranking": TINY})
    assert ask(spark, poor, TEXT) == 1
    with pytest.raises(ConfigError, match=r"ranking has 0 of 1e-09 left in this quarter.*give --yes"):
        ask(spark, poor, TEXT)
    assert "ranking has used" in warnings.text
    assert ask(spark, poor, TEXT, yes=True) == 1
    assert ask(spark, poor, TEXT, team="ads") == 1


def test_the_files_of_a_day_are_merged_without_losing_or_repeating_a_question(
    spark: SparkSession, lake: Settings
) -> None:
    for _ in range(3):
        ask(spark, lake, TEXT)
    day = datetime.now(UTC).date()
    before = {row.id for row in question_log.rows(spark, lake).collect()}
    question_log.merge_day(spark, lake, day)
    assert [f.name for f in files.list_files(spark, question_log.day_folder(lake, day))] == ["merged.json"]
    ask(spark, lake, TEXT)
    question_log.merge_day(spark, lake, day)
    after = [row.id for row in question_log.rows(spark, lake).collect()]
    assert len(after) == len(set(after)) == 4 and before < set(after)
