"""Rules about the history of a table: what `expect_within_history` of a suite may say, and how a metric is measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from etl.engine.quality.history import Kind

Metric = Literal["row_count", "distinct_count", "sum", "mean", "quantile", "null_share", "share", "categories"]
KINDS: Mapping[str, Kind] = {
    "row_count": "count", "distinct_count": "count", "sum": "amount", "mean": "amount", "quantile": "amount",
    "null_share": "share", "share": "share",
}  # fmt: skip
SHOWS_VALUES = ("quantile", "categories", "sum", "mean")
"""Metrics that may repeat a value of a row. The ledger must not hold values of columns with personal data."""
MAX_CATEGORIES = 50
"""A table-hour keeps the rows of its so many largest categories."""


class HistoryRule(BaseModel):
    """The arguments of `expect_within_history`.

    where: the SQL predicate of the rows of a `share`, which its `label` names. quantile: from 0 to 1, of a `quantile`.
    tolerance: how many scales a value may lie from its baseline. Categories have limits of their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: Metric
    column: str = ""
    quantile: float | None = Field(None, gt=0, lt=1)
    where: str = ""
    label: str = ""
    seasonality: Literal["hour_of_week"] = "hour_of_week"
    tolerance: float = Field(4, gt=0)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needs = {"row_count": (), "share": ("where", "label"), "quantile": ("column", "quantile")}
        wanted = set(needs.get(self.metric, ("column",)))
        given = {name for name in ("column", "quantile", "where", "label") if getattr(self, name)}
        if given != wanted:
            listed = ", ".join(sorted(wanted)) or "nothing else"
            raise ValueError(f"metric {self.metric} takes {listed}, not {', '.join(sorted(given)) or 'nothing'}")
        return self

    @property
    def name(self) -> str:
        """The name within its table: `row_count`, `null_share(ad_id)`, `quantile(dwell_ms, 0.95)`."""
        of = ", ".join(map(str, filter(None, (self.column or self.label, self.quantile))))
        return f"{self.metric}({of})" if of else self.metric

    @property
    def kind(self) -> Kind | None:
        """The scale on which values are compared; None for categories, which have an index."""
        return KINDS.get(self.metric)

    @property
    def is_measured(self) -> bool:
        """Whether the batch must be measured. The ledger has the number of rows anyway."""
        return self.metric != "row_count"

    def expression(self, condition: str = "true") -> str:
        """The SQL aggregate of the metric over the rows that satisfy a condition: a DOUBLE, or categories with rows."""
        value = f"CASE WHEN {condition} THEN {self.column} END"
        rows = f"nullif(count_if({condition}), 0)"
        found = {
            "sum": f"sum({value})",
            "mean": f"avg({value})",
            "quantile": f"percentile_approx({value}, {self.quantile})",
            "distinct_count": f"approx_count_distinct({value}, 0.02)",
            "null_share": f"count_if({condition} AND {self.column} IS NULL) / {rows}",
            "share": f"count_if({condition} AND ({self.where})) / {rows}",
        }
        if self.metric == "categories":
            name = f"CASE WHEN {condition} THEN coalesce(cast({self.column} AS STRING), 'NULL') END"
            top = f"approx_top_k({name}, {MAX_CATEGORIES}, {200 * MAX_CATEGORIES})"
            return f"map_from_entries(filter({top}, each -> each.item IS NOT NULL))"
        return f"cast({found[self.metric]} AS DOUBLE)"


def parse(kwargs: dict[str, Any]) -> HistoryRule:
    """The arguments of a rule. Raises pydantic's ValidationError, a ValueError, when they are not valid."""
    return HistoryRule.model_validate(kwargs)
