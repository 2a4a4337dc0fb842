"""Suites: the rules that follow from a contract, and the suite files that are rejected."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.engine.quality import suites
from etl.engine.quality.rule import Rule
from etl.errors import ContractViolation
from etl.model.contract import Layer, Reference, Replace, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.dims import dim_posts, dim_ranker_models
from etl.subjects.feed.facts import fct_impressions

PLAIN = Table("agg_made", Layer.ROLLUPS, (), (), Replace(), "content")
RULE = """
  - type: expect_column_values_to_be_unique
    kwargs: {column: post_id}
    severity: critical
    reason: "Because."
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The empty expectations folder of a subject, for this test alone."""
    monkeypatch.setenv("FEED_ETL_HOME", str(tmp_path))
    folder = tmp_path / "expectations" / "content"
    folder.mkdir(parents=True)
    suites.written.cache_clear()
    yield folder
    suites.written.cache_clear()


def with_columns(*names: str) -> Table:
    return dataclasses.replace(PLAIN, columns=columns(*names))


def labels(rules: list[Rule]) -> set[str]:
    return {rule.kwargs["label"] for rule in rules if "label" in rule.kwargs}


def test_a_required_column_gets_a_not_null_rule() -> None:
    rules = suites.structural(with_columns("post_id", "caption"))

    assert [r.name for r in rules] == ["expect_column_values_to_not_be_null(post_id)"]


def test_a_column_with_listed_values_gets_a_set_rule() -> None:
    rules = suites.structural(with_columns("action"))

    assert [r.kwargs for r in rules if "in_set" in r.type] == [{"column": "action", "value_set": ["do", "undo"]}]


def test_a_column_with_bounds_gets_a_range_rule() -> None:
    """A bound that the contract does not give is absent from the rule; it is not NULL."""
    rules = suites.structural(with_columns("viewport_pct", "dwell_ms"))

    assert [r.kwargs for r in rules if "between" in r.type] == [
        {"column": "viewport_pct", "min_value": 0, "max_value": 1},
        {"column": "dwell_ms", "min_value": 250},
    ]


def test_only_a_table_with_a_key_gets_the_rule_that_keys_are_unique() -> None:
    keyed = dataclasses.replace(with_columns("post_id", "hour"), key=("post_id", "hour"))

    assert "key" in labels(suites.structural(keyed))
    assert "key" not in labels(suites.structural(with_columns("post_id", "hour")))


def test_an_unknown_reference_is_critical_and_one_that_was_not_live_is_a_warning() -> None:
    rules = [rule for rule in suites.structural(fct_impressions.TABLE) if "label" in rule.kwargs]

    assert {rule.kwargs["label"]: rule.severity for rule in rules} == {
        "key": "critical",
        "ranker_model_id known": "critical",
        "ranker_model_id live": "warning",
    }
    assert fct_impressions.TABLE.references == (
        Reference("ranker_model_id", dim_ranker_models.TABLE, "ranker_model_id", "impression_ts"),
    )


def test_a_dimension_gets_the_rules_of_scd2_versions() -> None:
    assert labels(suites.structural(dim_posts.TABLE)) == {"key", "no overlap", "no gap", "one current"}


def test_a_suite_has_the_structural_rules_and_the_written_rules(home: Path) -> None:
    (home / "agg_made.yaml").write_text(f"table: agg_made\nexpectations:{RULE}")

    rules = suites.suite(with_columns("post_id"))

    assert [r.name for r in rules] == [
        "expect_column_values_to_not_be_null(post_id)",
        "expect_column_values_to_be_unique(post_id)",
    ]
    assert (rules[1].severity, rules[1].reason) == ("critical", "Because.")


def test_a_missing_suite_is_rejected(home: Path) -> None:
    with pytest.raises(ContractViolation, match=r"agg_made has no suite: .*agg_made.yaml is missing"):
        suites.suite(PLAIN)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "table: agg_made\n",
        "table: agg_made\nexpectations:\n",
        "table: agg_made\nexpectations: []\n",
        "table: agg_made\nexpectations: some\n",
        "- a\n- list\n",
        "table: [agg_made\n",
        f"table: agg_other\nexpectations:{RULE}",
        f"expectations:{RULE}",
        f"table: agg_made\nexpectations:{RULE}".replace("    severity: critical\n", ""),
        f"table: agg_made\nexpectations:{RULE}".replace("critical", "fatal"),
        f"table: agg_made\nexpectations:{RULE}".replace('    reason: "Because."\n', ""),
        f"table: agg_made\nexpectations:{RULE}".replace("Because.", ""),
        f"table: agg_made\nexpectations:{RULE}".replace("- type: expect_column_values_to_be_unique\n", "-\n"),
        f"table: agg_made\nexpectations:{RULE}    owner: me\n",
    ],
    ids=["nothing", "no list", "a null list", "an empty list", "text", "a list at the top", "not YAML",
         "another table", "no table", "no severity", "unknown severity", "no reason", "an empty reason", "no type",
         "an unknown field"],
)  # fmt: skip
def test_an_empty_or_malformed_suite_is_rejected(home: Path, written: str) -> None:
    (home / "agg_made.yaml").write_text(written)

    with pytest.raises(ContractViolation, match="agg_made") as raised:
        suites.suite(PLAIN)

    assert "is missing" not in str(raised.value), "the suite file is found"


def test_the_error_for_a_suite_has_one_line_per_fault(home: Path) -> None:
    rule = RULE.replace("critical", "fatal").replace('    reason: "Because."\n', "")
    (home / "agg_made.yaml").write_text(f"table: agg_made\nexpectations:{rule}")

    with pytest.raises(ContractViolation) as raised:
        suites.suite(PLAIN)

    severity, reason = str(raised.value).splitlines()
    assert severity.endswith("expectations.0.severity: Input should be 'critical', 'warning' or 'info'.")
    assert reason.endswith("expectations.0.reason: Field required.")


def test_a_rule_about_history_that_the_table_cannot_have_makes_the_suite_malformed(home: Path) -> None:
    """So the gate refuses the table: the rule must not be left out in silence."""
    rule = """
  - type: expect_within_history
    kwargs: {metric: sum, column: nothing}
    severity: warning
    reason: "Because."
"""
    (home / "agg_made.yaml").write_text(f"table: agg_made\nexpectations:{rule}")

    with pytest.raises(ContractViolation, match="agg_made"):
        suites.suite(PLAIN)
