"""Lineage of a DataFrame from Spark's analyzed plan, in which every column reference is resolved.

The code visits the plan from its inputs to its output. It keeps the flow of each attribute (by Spark's exprId), and
everything that influences which rows exist: filters, joins, groups. An aggregate or a window turns rows into values, so
there the influences on rows become influences on the value. OpenLineage's Spark agent reads the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from etl.errors import ContractViolation
from etl.lineage.expression import flow_of, has_aggregate, items, kind
from etl.lineage.flow import NONE, ROWS, Flow, Lineage, Source, Uses, merge

INPUT = "input:"  # prefix of the alias that marks the rows of a named table in a plan
SAME_ROWS = {
    "CollectMetrics", "GlobalLimit", "LocalLimit", "Offset", "RebalancePartitions", "Repartition",
    "RepartitionByExpression", "ResolvedHint", "SubqueryAlias", "View",
}  # fmt: skip
BY_NAME = {"WithCTE", "CTERelationRef"}  # these refer to other plans by id, not as children
LEAVES = {"LocalRelation", "LogicalRDD", "OneRowRelation", "Range"}
KEEPS_LEFT = ("LeftOuter", "FullOuter")
KEEPS_RIGHT = ("RightOuter", "FullOuter")


@dataclass(frozen=True)
class State:
    """Lineage of a plan node's output: the flow of each attribute by exprId, and the influences on its rows."""

    known: dict[int, Flow]
    rows: Uses = NONE

    def with_influences(self, how: str, expressions: Iterable[Any], visitor: PlanVisitor) -> State:
        """The same attributes with `expressions` as additional influences on the rows."""
        used = [visitor.flow(e, self).used(how) for e in expressions]
        return State(self.known, self.rows.union(*used))


def empty_input(spark: SparkSession, name: str, schema: StructType | str) -> DataFrame:
    """An empty DataFrame that stands for a named table and is recognized in a plan. `schema` may be DDL text."""
    return spark.createDataFrame([], schema).alias(f"{INPUT}{name}")


def lineage(frame: DataFrame) -> Lineage:
    """The lineage of a DataFrame that is built from `empty_input` DataFrames.

    Raises ContractViolation for a plan node that this module does not support.
    """
    analyzed_plan = frame._jdf.queryExecution().analyzed()
    visitor = PlanVisitor()
    state = visitor.state(analyzed_plan)
    return Lineage({a.name(): state.known[identity(a)] for a in items(analyzed_plan.output())}, state.rows)


def identity(attribute: Any) -> int:
    """Spark's exprId of an attribute, which is unique in a session."""
    return int(attribute.exprId().id())


class PlanVisitor:
    """Visits one plan. Keeps common table expressions, and the state of the outer plan of a subquery."""

    def __init__(self, outer: State | None = None, tables: dict[int, tuple[State, Any]] | None = None) -> None:
        self.outer = outer or State({})
        self.tables = {} if tables is None else tables

    def flow(self, expression: Any, state: State) -> Flow:
        """The flow of an expression over the state of a node's input."""
        return flow_of(expression, {**self.outer.known, **state.known}, self._subquery(state))

    def _subquery(self, outer: State) -> Callable[[Any], Flow]:
        def inner(plan: Any) -> Flow:
            found = PlanVisitor(outer, self.tables).state(plan)
            value = merge(found.known[identity(a)] for a in items(plan.output()))
            return value.via(found.rows)

        return inner

    def state(self, plan: Any) -> State:
        """The state of a node's output."""
        name = kind(plan)
        if name == "SubqueryAlias" and plan.alias().startswith(INPUT):
            return _read(plan.alias().removeprefix(INPUT), plan)
        if name in LEAVES:
            return State({identity(a): Flow() for a in items(plan.output())})
        below = [] if name in BY_NAME else [self.state(child) for child in items(plan.children())]
        if name in SAME_ROWS:
            return below[0]
        step = getattr(self, f"_{name.lower()}", None)
        if step is None:
            raise ContractViolation(
                f"Lineage does not support Spark's plan node {name}. Add it to etl/lineage/plan.py."
            )
        result: State = step(plan, *below)
        return result

    def _flows(self, expressions: Iterable[Any], state: State) -> dict[int, Flow]:
        return {identity(e): self.flow(e, state) for e in expressions}

    def _project(self, plan: Any, below: State) -> State:
        return State(below.known | self._flows(items(plan.projectList()), below), below.rows)

    def _filter(self, plan: Any, below: State) -> State:
        return below.with_influences("filter", [plan.condition()], self)

    def _sort(self, plan: Any, below: State) -> State:
        """A sort influences rows only below a limit, and transforms sort for no other reason."""
        return below.with_influences("order", items(plan.order()), self)

    def _distinct(self, plan: Any, below: State) -> State:
        return below.with_influences("group", items(plan.output()), self)

    def _deduplicate(self, plan: Any, below: State) -> State:
        return below.with_influences("group", items(plan.keys()), self)

    def _aggregate(self, plan: Any, below: State) -> State:
        grouped = below.with_influences("group", items(plan.groupingExpressions()), self)
        flows = {}
        for expression in items(plan.aggregateExpressions()):
            flow = self.flow(expression, below)
            flows[identity(expression)] = flow.via(grouped.rows) if has_aggregate(expression) else flow
        return State(below.known | flows, grouped.rows)

    def _window(self, plan: Any, below: State) -> State:
        flows = self._flows(items(plan.windowExpressions()), below)
        return State(below.known | {i: flow.via(below.rows) for i, flow in flows.items()}, below.rows)

    def _generate(self, plan: Any, below: State) -> State:
        source = self.flow(plan.generator(), below)
        flows = {identity(a): source for a in items(plan.generatorOutput())}
        return State(below.known | flows, below.rows | source.used("explode"))

    def _join(self, plan: Any, left: State, right: State) -> State:
        """A join. For the optional side of an outer join, its rows and the condition decide if its columns are NULL."""
        known, condition, how = left.known | right.known, plan.condition(), plan.joinType().toString()
        match = State(known).with_influences("join", [condition.get()] if condition.isDefined() else [], self).rows
        for side, missing in ((right, how in KEEPS_LEFT), (left, how in KEEPS_RIGHT)):
            if missing:
                known = known | {i: flow.via(side.rows | match) for i, flow in side.known.items()}
        return State(known, left.rows | right.rows | match)

    def _union(self, plan: Any, *below: State) -> State:
        outputs = [items(child.output()) for child in items(plan.children())]
        flows = {
            identity(attribute): merge(s.known[identity(o[i])] for s, o in zip(below, outputs, strict=True))
            for i, attribute in enumerate(items(plan.output()))
        }
        return State(flows, NONE.union(*[s.rows for s in below]))

    def _withcte(self, plan: Any) -> State:
        for definition in items(plan.cteDefs()):
            self.tables[definition.id()] = self.state(definition.child()), items(definition.child().output())
        return self.state(plan.plan())

    def _cterelationref(self, plan: Any) -> State:
        state, output = self.tables[plan.cteId()]
        pairs = zip(items(plan.output()), output, strict=True)
        return State(
            {
                identity(used_attribute): state.known[identity(defined_attribute)]
                for used_attribute, defined_attribute in pairs
            },
            state.rows,
        )


def _read(table: str, plan: Any) -> State:
    known = {identity(a): Flow(frozenset({Source(table, a.name())})) for a in items(plan.output())}
    return State(known, frozenset({("rows", Source(table, ROWS))}))
