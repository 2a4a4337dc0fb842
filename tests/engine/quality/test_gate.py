"""The gate fails closed: a batch passes only when every rule was evaluated and no critical rule failed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyspark.sql import SparkSession
from support.rows import Row, at, minted, rows
from support.toy_rules import between, numbers, rule

from etl.engine.quality import gate, suites
from etl.engine.quality.gate import judge
from etl.engine.quality.rule import Rule, Severity
from etl.engine.quality.verdict import Failure, Verdict
from etl.model.contract import Table
from etl.subjects.feed.dims import dim_posts, dim_ranker_models
from etl.subjects.feed.facts import fct_impressions, fct_shares


def queries(table: Table) -> list[Rule]:
    """The structural rules of a table that are queries: key, references, versions."""
    return [r for r in suites.structural(table) if "label" in r.kwargs]


def labelled(verdict: Verdict) -> dict[str, tuple[str, int | None]]:
    """Label of each failed rule -> (severity, count)."""
    return {f.rule.split("(")[1][:-1]: (f.severity, f.count) for f in verdict.failures}


def test_a_batch_without_failures_passes(spark: SparkSession) -> None:
    not_null = rule("expect_column_values_to_not_be_null", column="n")

    verdict = judge(numbers(spark, 1, 2), [between(), not_null])

    assert (verdict.passed, verdict.rules, verdict.failures) == (True, 2, [])


def test_a_critical_failure_blocks_and_gives_the_count_and_samples(spark: SparkSession) -> None:
    verdict = judge(numbers(spark, 1, -5, -6, 7), [between()])

    (failure,) = verdict.failures
    assert not verdict.passed
    assert (failure.count, failure.of, sorted(failure.samples), failure.error) == (2, 4, [-6, -5], "")
    assert "2 of 4 rows" in str(failure)


def test_a_failed_rule_about_the_whole_batch_shows_no_value_of_a_row(spark: SparkSession) -> None:
    """A maximum is the value of one person; the ledger and the mails must contain only counts."""
    highest = rule("expect_column_max_to_be_between", column="n", max_value=9)
    verdict = judge(numbers(spark, 1, 1_999_999_993), [highest])

    (failure,) = verdict.failures
    assert not verdict.passed
    assert (failure.count, failure.samples, failure.error) == (None, [], "")
    assert "1999999993" not in verdict.as_json() + str(failure)


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_failure_that_is_not_critical_passes_and_is_listed(spark: SparkSession, severity: Severity) -> None:
    verdict = judge(numbers(spark, 1, -5), [between(severity)])

    assert verdict.passed
    assert [(f.severity, f.count) for f in verdict.failures] == [(severity, 1)]


def test_a_failure_that_is_not_critical_does_not_hide_a_critical_one(spark: SparkSession) -> None:
    verdict = judge(numbers(spark, 1, -5), [between("info"), between(), between("warning")])

    assert not verdict.passed
    assert [f.severity for f in verdict.failures] == ["info", "critical", "warning"]


@pytest.mark.parametrize(
    "broken",
    [
        rule("expect_column_values_to_be_unheard_of", column="n"),
        between(column="no_such_column"),
        rule("unexpected_rows_expectation", unexpected_rows_query="SELEKT 1 FROM {batch}", label="not SQL"),
        rule(
            "unexpected_rows_expectation",
            unexpected_rows_query="SELECT 1/0 FROM {batch}",
            label="fails in Spark",
        ),
        rule("expect_column_values_to_be_between", column="n", min_value="x", no_such_argument=1),
    ],
    ids=lambda r: f"{r.type} {r.kwargs.get('label', r.kwargs.get('column', ''))}",
)
def test_a_rule_that_cannot_be_evaluated_does_not_pass(spark: SparkSession, broken: Rule) -> None:
    """The other rule holds; the verdict says why the broken rule failed."""
    verdict = judge(numbers(spark, 1), [between(), broken])

    assert not verdict.passed
    assert verdict.failures[0].error


def test_a_warning_rule_that_cannot_be_evaluated_is_listed_with_its_error(spark: SparkSession) -> None:
    verdict = judge(numbers(spark, 1), [between("warning", column="no_such_column")])

    assert "no_such_column" in verdict.failures[0].error
    assert "could not be evaluated" in str(verdict.failures[0])


def test_an_empty_suite_does_not_pass(spark: SparkSession) -> None:
    verdict = judge(numbers(spark, 1), [])

    assert not verdict.passed
    assert verdict.rules == 0


def test_a_batch_that_cannot_be_read_does_not_pass(spark: SparkSession) -> None:
    unreadable = numbers(spark, 1).selectExpr("CAST(raise_error('lost file') AS INT) AS n")

    assert not judge(unreadable, [between()]).passed


def test_an_exception_in_great_expectations_does_not_pass(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> None:
        raise RuntimeError("no context today")

    monkeypatch.setattr("great_expectations.get_context", fails)

    verdict = judge(numbers(spark, 1), [between()])

    assert not verdict.passed
    assert verdict.failures[0].error == "no context today"


def test_an_empty_batch_passes_row_rules(spark: SparkSession) -> None:
    """An hour without any event is valid."""
    assert judge(
        numbers(spark), [between(), suites._no_rows("key", suites._duplicate_keys(("n",)), "n is the key of a row.")]
    ).passed


def test_every_rule_has_a_result_even_when_two_rules_are_equal(spark: SparkSession) -> None:
    """Great Expectations may merge equal expectations into one; then one rule would have no result."""
    rules = [between(), between(), between("warning")]

    results, _ = gate._validate(numbers(spark, -1), rules, "BOOLEAN_ONLY")

    assert [r.success for r in results] == [False] * 3
    assert len(judge(numbers(spark, -1), rules).failures) == 3


def test_a_batch_does_not_pass_when_the_result_of_a_rule_is_missing(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = gate._validate

    def without_the_last(*args: Any) -> tuple[list[Any], Any]:
        results, measured = validate(*args)
        return results[:-1], measured

    monkeypatch.setattr(gate, "_validate", without_the_last)

    assert not judge(numbers(spark, 1), [between(), between("warning")]).passed


def test_the_ledger_gets_no_samples(spark: SparkSession) -> None:
    """Samples may hold personal data, and the ledger is kept forever."""
    verdict = judge(numbers(spark, -987_654), [between()])

    kept = verdict.as_json()

    assert verdict.failures[0].samples == [-987_654]
    assert "987" not in kept
    assert json.loads(kept)[0].keys() == {f for f in Failure.__dataclass_fields__ if f != "samples"}


def test_the_key_rule_finds_a_duplicate_key(spark: SparkSession) -> None:
    batch = rows(spark, fct_shares.TABLE, [{"share_id": n} for n in (1, 2, 2, 3)])

    verdict = judge(batch, queries(fct_shares.TABLE))

    assert not verdict.passed
    assert labelled(verdict) == {"key": ("critical", 1)}
    assert verdict.failures[0].samples == [{"share_id": 2, "n": 2}]


FIRST = {"post_id": 1, "valid_from": at("08:00"), "valid_to": at("09:00")}


@pytest.mark.parametrize(
    ("second", "found"),
    [
        ({"valid_from": at("09:00")}, {}),
        ({"valid_from": at("08:59")}, {"no overlap"}),
        ({"valid_from": at("09:01")}, {"no gap"}),
        ({"valid_from": at("09:00"), "valid_to": at("10:00"), "is_current": True}, {}),
    ],
    ids=["adjoining", "overlap", "gap", "one current"],
)
def test_versions_of_a_key_must_not_overlap_or_leave_a_gap(spark: SparkSession, second: Row, found: set[str]) -> None:
    batch = rows(spark, dim_posts.TABLE, [FIRST, {"post_id": 1, **second}])

    verdict = judge(batch, queries(dim_posts.TABLE))

    assert verdict.passed is not bool(found)
    assert set(labelled(verdict)) == set(found)


def test_a_gap_after_a_deletion_is_allowed(spark: SparkSession) -> None:
    batch = rows(spark, dim_posts.TABLE, [FIRST | {"is_deleted": True}, {"post_id": 1, "valid_from": at("11:00")}])

    assert judge(batch, queries(dim_posts.TABLE)).passed


def test_two_open_versions_overlap_and_are_both_current(spark: SparkSession) -> None:
    """A version of another post at the same time is no overlap."""
    open_ = [{"post_id": p, "valid_from": at(clock)} for p, clock in ((1, "08:00"), (1, "09:00"), (2, "08:30"))]

    verdict = judge(rows(spark, dim_posts.TABLE, open_), queries(dim_posts.TABLE))

    assert not verdict.passed
    assert labelled(verdict) == {"no overlap": ("critical", 1), "one current": ("critical", 1)}


def test_an_unknown_reference_blocks_and_one_that_was_not_live_warns(spark: SparkSession) -> None:
    """Model 7 is live from 08:00 to 10:00; impressions name it before and within. Model 9 is unknown."""
    models = [{"ranker_model_id": 7, "valid_from": at("08:00"), "valid_to": at("10:00")}]
    rows(spark, dim_ranker_models.TABLE, models).createOrReplaceTempView(dim_ranker_models.TABLE.name)
    rules = queries(fct_impressions.TABLE)

    def served_by(model: int, *clocks: str) -> list[Row]:
        return [{"impression_id": minted(at(c), model), "ranker_model_id": model} for c in clocks]

    live = judge(rows(spark, fct_impressions.TABLE, served_by(7, "07:59:59.999", "08:00", "09:59", "10:00")), rules)
    known = judge(rows(spark, fct_impressions.TABLE, served_by(7, "09:00") + served_by(9, "09:00")), rules)

    assert live.passed
    assert labelled(live) == {"ranker_model_id live": ("warning", 2)}
    assert not known.passed
    assert labelled(known) == {"ranker_model_id known": ("critical", 1)}
