"""One Spark job evaluates all rules of a batch and measures it, also when some of them fail."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from support.plans import executions
from support.toy_rules import POSITIVE, between, no_duplicates, numbers, rule

from etl.engine.quality.gate import judge
from etl.engine.quality.rule import Rule


def test_one_job_evaluates_all_rules_and_measures_the_batch(spark: SparkSession) -> None:
    """A second plan makes the view of the batch."""
    rules = [
        between(),
        between("warning"),
        *[no_duplicates(name) for name in "ab"],
    ]

    before = executions(spark)
    verdict = judge(numbers(spark, 1, 5), rules, "array(sum(n))")

    assert (verdict.passed, verdict.measured) == (True, [6])
    assert executions(spark) - before == 2


def test_a_rule_with_a_broken_condition_does_not_pass(spark: SparkSession) -> None:
    """The number of rows under the condition fails with it. The gate must come to an end."""
    kwargs = POSITIVE | {"row_condition": "no_such_column > 1", "condition_parser": "spark"}
    broken = Rule("expect_column_values_to_be_between", kwargs, "critical", "For a test.")

    verdict = judge(numbers(spark, 1), [between(), broken])

    assert [f.rule for f in verdict.failures if f.error] == [broken.name] and not verdict.passed


@pytest.mark.parametrize(("top", "passed"), [(9, True), (1, False)])
def test_a_rule_whose_metric_needs_the_number_of_rows_is_evaluated(spark: SparkSession, top: int, passed: bool) -> None:
    median = rule("expect_column_median_to_be_between", column="n", min_value=0, max_value=top)

    verdict = judge(numbers(spark, 1, 5, 7), [between(), median])

    assert verdict.passed == passed and not any(f.error for f in verdict.failures)


def test_a_broken_query_costs_a_job_for_each_rule_only_once(spark: SparkSession) -> None:
    broken = rule("unexpected_rows_expectation", unexpected_rows_query="SELECT nope FROM {batch}", label="broken")
    rules = [broken, *[no_duplicates(str(i)) for i in range(10)]]

    before = executions(spark)
    verdict = judge(numbers(spark, 1), rules)

    assert [f.rule for f in verdict.failures] == [broken.name]
    assert executions(spark) - before <= len(rules) + 3


def test_a_batch_with_a_failed_rule_is_measured(spark: SparkSession) -> None:
    verdict = judge(numbers(spark, 1, -5), [between()], "array(sum(n))")

    assert (verdict.passed, verdict.measured) == (False, [-4])


def test_a_batch_whose_measure_fails_does_not_pass_and_its_rules_are_judged_all_the_same(spark: SparkSession) -> None:
    verdicts = [judge(numbers(spark, n), [between()], "array(no_such_function(n))") for n in (1, -5)]

    assert [(v.measured, v.passed, len(v.failures)) for v in verdicts] == [(None, False, 1), (None, False, 2)]
