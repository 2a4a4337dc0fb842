"""Finds every table module. Strict: one TABLE each, named as its module, reading no later layer."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from types import ModuleType
from typing import Any

from etl import ads_events, events
from etl.contract import Event, Layer, Table
from etl.errors import ConfigError, ContractViolation

SUBJECTS = {"feed": events.EVENTS, "ads": ads_events.EVENTS}
"""What lands, by subject area. A table is of the subjects whose events it is made from: nothing else says so."""


@dataclass(frozen=True)
class Entry:
    """A table and the pure function that makes its rows."""

    table: Table
    transform: Callable[..., Any]
    module: ModuleType


def _modules() -> list[ModuleType]:
    packages = [importlib.import_module(f"etl.{layer.name.lower()}") for layer in Layer]
    return [
        importlib.import_module(f"{package.__name__}.{info.name}")
        for package in packages
        for info in pkgutil.iter_modules(package.__path__)
        if not info.name.startswith("_")
    ]


def _entry(module: ModuleType) -> Entry:
    table = getattr(module, "TABLE", None)
    if not isinstance(table, Table) or not callable(getattr(module, "transform", None)):
        raise ContractViolation(f"{module.__name__} must define one TABLE and a transform function.")
    package, name = module.__name__.split(".")[-2:]
    if table.name != name or table.layer.name.lower() != package:
        raise ContractViolation(f"{module.__name__}: TABLE is {table.layer.name.lower()}.{table.name}.")
    later = [i.table.name for i in table.inputs if i.table.layer > table.layer]
    if later:
        raise ContractViolation(f"{table.name} reads a later layer: {', '.join(later)}.")
    return Entry(table, module.transform, module)


@cache
def entries() -> dict[str, Entry]:
    """Every table by name, inputs before the tables that read them, layer by layer."""
    found = {entry.table.name: entry for entry in map(_entry, _modules())}
    graph = {name: sorted(i.table.name for i in e.table.inputs) for name, e in sorted(found.items())}
    order = list(TopologicalSorter(graph).static_order())
    return {name: found[name] for name in sorted(order, key=lambda n: (found[n].table.layer, order.index(n)))}


def reads(table: Table) -> list[str]:
    """Tables whose rows a table is made or judged from."""
    return sorted({i.table.name for i in table.inputs} | {r.to.name for r in table.references})


def upstream(table: Table) -> list[Table]:
    """All tables it is made from, at any remove, in the order data flows."""
    found = {i.table.name for i in table.inputs}
    for source in table.inputs:
        found |= {each.name for each in upstream(source.table)}
    return [each for each in tables() if each.name in found]


def subjects(table: Table) -> set[str]:
    """The subjects a table is of; what no job makes is of them all."""
    if table.event:
        return {name for name, landed in SUBJECTS.items() if table.event in landed}
    return {name for i in table.inputs if is_made(i.table) for name in subjects(i.table)} or set(SUBJECTS)


def landing_events() -> list[Event]:
    """Every kind of landed record, subject by subject."""
    return [event for landed in SUBJECTS.values() for event in landed]


def of_subjects(names: Collection[str]) -> list[str]:
    """Tables of some subjects by name. Raises ConfigError that lists the subjects there are."""
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown:
        raise ConfigError(f"There is no subject {unknown[0]!r}. Subjects: {', '.join(SUBJECTS)}.")
    return [t.name for t in tables() if subjects(t) & set(names)]


def is_made(table: Table) -> bool:
    """Whether a job makes the table. Quarantine is written by the jobs that find what goes there."""
    return bool(table.event or table.inputs)


def after(table: Table) -> list[str]:
    """Tables to bring up to date before a table: those it reads. What no job makes is written by all that land."""
    if is_made(table):
        return reads(table)
    return sorted(t.name for t in tables() if t.event)


def tables() -> list[Table]:
    """Every contract, in the order data flows."""
    return [entry.table for entry in entries().values()]


def entry(name: str) -> Entry:
    """One table by name. Raises ConfigError that lists the names there are."""
    if name not in entries():
        raise ConfigError(f"There is no table {name!r}. Tables: {', '.join(entries())}.")
    return entries()[name]


def logic(name: str, version: int) -> Callable[..., Any]:
    """A version of a table's logic: `transform_v2` is version 2, `transform` version 1 unless `transform_v1` is there.

    Each is a pure function of the same inputs to the same columns. Raises ConfigError that lists those there are.
    """
    found = versions(name)
    if version not in found:
        listed = ", ".join(f"v{n}" for n in sorted(found))
        raise ConfigError(
            f"{name} has no logic v{version}. There is: {listed}. Write transform_v{version} in its module."
        )
    return found[version]


def versions(name: str) -> dict[int, Callable[..., Any]]:
    """Every version of a table's logic by number."""
    one = entry(name)
    numbered = {k.removeprefix("transform_v"): f for k, f in vars(one.module).items() if k.startswith("transform_v")}
    return {1: one.transform} | {int(number): f for number, f in numbered.items() if number.isdecimal()}


def select(names: list[str] | None) -> list[Entry]:
    """The named tables (all when none are named), in the order data flows."""
    wanted = {entry(name).table.name for name in names} if names else set(entries())
    return [e for name, e in entries().items() if name in wanted]
