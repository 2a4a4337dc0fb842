"""The flow of one Spark expression: attributes that are part of its value, and attributes that only influence it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etl.lineage.flow import NONE, Flow, merge

Subquery = Callable[[Any], Flow]
SUBQUERIES = ("ScalarSubquery", "Exists", "ListQuery", "LateralSubquery")
TRANSPARENT = ("Alias", "Cast", "AggregateExpression")  # they pass on the lineage of their child, per struct field


def items(sequence: Any) -> list[Any]:
    """The items of a Scala sequence as a Python list."""
    return [sequence.apply(i) for i in range(sequence.size())]


def kind(node: Any) -> str:
    """The class name of a plan node or expression."""
    return str(node.getClass().getSimpleName())


def has_aggregate(expression: Any) -> bool:
    """Whether an expression contains an aggregate over rows."""
    return kind(expression) == "AggregateExpression" or any(map(has_aggregate, items(expression.children())))


def flow_of(expression: Any, known: dict[int, Flow], subquery: Subquery) -> Flow:
    """The flow of an expression. `known` maps exprIds of attributes to their flows; `subquery` resolves subplans."""
    name = kind(expression)
    if name == "AttributeReference":
        return known[int(expression.exprId().id())]
    if name == "OuterReference":
        return flow_of(expression.e(), known, subquery)
    if name in SUBQUERIES:  # its children are the correlated outer attributes, which its plan also contains
        return subquery(expression.plan())
    parts = [flow_of(child, known, subquery) for child in items(expression.children())]
    special = _SPECIAL.get(name)
    return special(expression, parts) if special else merge(parts)


def _same(_: Any, parts: list[Flow]) -> Flow:
    """The value of the first child. A second child (FILTER of an aggregate) only influences it."""
    return parts[0].via(NONE.union(*[p.used("filter") for p in parts[1:]]))


def _window(_: Any, parts: list[Flow]) -> Flow:
    """A window function: partition and order columns influence the value but are not part of it."""
    return parts[0].via(parts[1].used("window"))


def _best_by(_: Any, parts: list[Flow]) -> Flow:
    return parts[0].via(parts[1].used("order"))


def _struct(_: Any, parts: list[Flow]) -> Flow:
    """A struct: its children are alternating names and values."""
    whole = merge(parts)
    return Flow(whole.value, whole.through, tuple(parts[1::2]))


def _field(expression: Any, parts: list[Flow]) -> Flow:
    fields = parts[0].fields
    return fields[expression.ordinal()] if fields else parts[0]


_SPECIAL: dict[str, Callable[[Any, list[Flow]], Flow]] = {
    **dict.fromkeys(TRANSPARENT, _same),
    "WindowExpression": _window,
    "MaxBy": _best_by,
    "MinBy": _best_by,
    "CreateNamedStruct": _struct,
    "GetStructField": _field,
}
