"""Lineage of a DataFrame from Spark's analysed plan: every reference is resolved there, nothing is guessed.

The plan is walked from its inputs up. Each attribute (Spark's exprId) carries its flow; beside the attributes
goes what decides the rows: a filter, a join, a group. An aggregate or a window turns rows into values, so there
what decided the rows decides the value too. OpenLineage's Spark agent walks the same plan.
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

INPUT = "input:"  # marks in a plan where the rows of a named table come in
SAME_ROWS = {
    "CollectMetrics", "GlobalLimit", "LocalLimit", "Offset", "RebalancePartitions", "Repartition",
    "RepartitionByExpression", "ResolvedHint", "SubqueryAlias", "View",
}  # fmt: skip
BY_NAME = {"WithCTE", "CTERelationRef"}  # plans read by number, not as children
LEAVES = {"LocalRelation", "LogicalRDD", "OneRowRelation", "Range"}
KEEPS_LEFT = ("LeftOuter", "FullOuter")
KEEPS_RIGHT = ("RightOuter", "FullOuter")


@dataclass(frozen=True)
class State:
    """What is known below a node: a flow for each attribute by exprId, and what decides the rows."""

    known: dict[int, Flow]
    rows: Uses = NONE

    def decide(self, how: str, expressions: Iterable[Any], walk: Walk) -> State:
        """The same attributes, fewer or other rows."""
        used = [walk.flow(e, self).used(how) for e in expressions]
        return State(self.known, self.rows.union(*used))


def empty_input(spark: SparkSession, name: str, schema: StructType | str) -> DataFrame:
    """No rows of a named table (schema also as DDL), recognised wherever a plan reads them."""
    return spark.createDataFrame([], schema).alias(f"{INPUT}{name}")


def lineage(frame: DataFrame) -> Lineage:
    """Columns and rows of a DataFrame made from `empty_input`s.

    Raises ContractViolation for a plan with a node whose lineage is not known here.
    """
    analysed = frame._jdf.queryExecution().analyzed()
    walk = Walk()
    state = walk.state(analysed)
    return Lineage({a.name(): state.known[identity(a)] for a in items(analysed.output())}, state.rows)


def identity(attribute: Any) -> int:
    """Spark's number for an attribute, unique in a session."""
    return int(attribute.exprId().id())


class Walk:
    """One walk over a plan; remembers common table expressions and the rows around a subquery."""

    def __init__(self, around: State | None = None, tables: dict[int, tuple[State, Any]] | None = None) -> None:
        self.around = around or State({})
        self.tables = {} if tables is None else tables

    def flow(self, expression: Any, state: State) -> Flow:
        """The flow of an expression over a node's input."""
        return flow_of(expression, {**self.around.known, **state.known}, self._subquery(state))

    def _subquery(self, around: State) -> Callable[[Any], Flow]:
        def inner(plan: Any) -> Flow:
            found = Walk(around, self.tables).state(plan)
            made = merge(found.known[identity(a)] for a in items(plan.output()))
            return made.via(found.rows)

        return inner

    def state(self, plan: Any) -> State:
        """What is known above a node."""
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
            raise ContractViolation(f"Lineage does not know Spark's plan node {name}: teach it in etl/lineage/plan.py.")
        made: State = step(plan, *below)
        return made

    def _made(self, expressions: Iterable[Any], state: State) -> dict[int, Flow]:
        return {identity(e): self.flow(e, state) for e in expressions}

    def _project(self, plan: Any, below: State) -> State:
        return State(below.known | self._made(items(plan.projectList()), below), below.rows)

    def _filter(self, plan: Any, below: State) -> State:
        return below.decide("filter", [plan.condition()], self)

    def _sort(self, plan: Any, below: State) -> State:
        """An order decides rows only under a limit; a table is never sorted for anything else."""
        return below.decide("order", items(plan.order()), self)

    def _distinct(self, plan: Any, below: State) -> State:
        return below.decide("group", items(plan.output()), self)

    def _deduplicate(self, plan: Any, below: State) -> State:
        return below.decide("group", items(plan.keys()), self)

    def _aggregate(self, plan: Any, below: State) -> State:
        grouped = below.decide("group", items(plan.groupingExpressions()), self)
        made = {}
        for expression in items(plan.aggregateExpressions()):
            flow = self.flow(expression, below)
            made[identity(expression)] = flow.via(grouped.rows) if has_aggregate(expression) else flow
        return State(below.known | made, grouped.rows)

    def _window(self, plan: Any, below: State) -> State:
        made = self._made(items(plan.windowExpressions()), below)
        return State(below.known | {i: flow.via(below.rows) for i, flow in made.items()}, below.rows)

    def _generate(self, plan: Any, below: State) -> State:
        source = self.flow(plan.generator(), below)
        made = {identity(a): source for a in items(plan.generatorOutput())}
        return State(below.known | made, below.rows | source.used("explode"))

    def _join(self, plan: Any, left: State, right: State) -> State:
        """Where a side may be missing, its rows and the match decide whether its columns are NULL."""
        known, condition, how = left.known | right.known, plan.condition(), plan.joinType().toString()
        match = State(known).decide("join", [condition.get()] if condition.isDefined() else [], self).rows
        for side, missing in ((right, how in KEEPS_LEFT), (left, how in KEEPS_RIGHT)):
            if missing:
                known = known | {i: flow.via(side.rows | match) for i, flow in side.known.items()}
        return State(known, left.rows | right.rows | match)

    def _union(self, plan: Any, *below: State) -> State:
        outputs = [items(child.output()) for child in items(plan.children())]
        made = {
            identity(attribute): merge(s.known[identity(o[i])] for s, o in zip(below, outputs, strict=True))
            for i, attribute in enumerate(items(plan.output()))
        }
        return State(made, NONE.union(*[s.rows for s in below]))

    def _withcte(self, plan: Any) -> State:
        for definition in items(plan.cteDefs()):
            self.tables[definition.id()] = self.state(definition.child()), items(definition.child().output())
        return self.state(plan.plan())

    def _cterelationref(self, plan: Any) -> State:
        state, output = self.tables[plan.cteId()]
        pairs = zip(items(plan.output()), output, strict=True)
        return State({identity(used_attribute): state.known[identity(defined_attribute)] for used_attribute, defined_attribute in pairs}, state.rows)


def _read(table: str, plan: Any) -> State:
    known = {identity(a): Flow(frozenset({Source(table, a.name())})) for a in items(plan.output())}
    return State(known, frozenset({("rows", Source(table, ROWS))}))
