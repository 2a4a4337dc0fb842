"""The catalog: every subject, event and table. It is found by walking `etl/subjects/<subject>/`; there is no list.

The catalog is strict. A module in a layer folder defines one TABLE with the name of the module. No table reads a later
layer. Faults of a contract are reported when the catalog loads, one line each (`etl/model/validation.py`).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, partial
from graphlib import TopologicalSorter
from types import ModuleType
from typing import Any

from etl.catalog import folders
from etl.catalog.folders import plugin, subjects, vocabulary
from etl.errors import ConfigError, ContractViolation, no_such
from etl.model import validation
from etl.model.contract import Event, Layer, Table
from etl.subjects.shared import bronze_tables

__all__ = [
    "Entry",
    "after",
    "entries",
    "entry",
    "folder",
    "has_job",
    "landing_events",
    "logic",
    "of_subjects",
    "plugin",
    "reads",
    "select",
    "subjects",
    "subjects_of",
    "tables",
    "upstream",
    "versions",
    "vocabulary",
]


@dataclass(frozen=True)
class Entry:
    """A table, the pure function that computes its rows, and the module that defines both."""

    table: Table
    transform: Callable[..., Any]
    module: ModuleType
    doc: str


def _modules() -> Iterator[ModuleType]:
    for folder in folders.by_name():
        for layer in (layer.name.lower() for layer in Layer):
            if folders.has(folder, layer):
                inside = pkgutil.iter_modules(folders.module(f"{folder}.{layer}").__path__)
                yield from (folders.module(f"{folder}.{layer}.{info.name}") for info in inside if info.name[0] != "_")


def _entry(module: ModuleType) -> Entry:
    table = getattr(module, "TABLE", None)
    if not isinstance(table, Table) or not callable(getattr(module, "transform", None)):
        raise ContractViolation(f"{module.__name__} must define one TABLE and a transform function.")
    layer, name = module.__name__.split(".")[-2:]
    if table.name != name or table.layer.name.lower() != layer:
        raise ContractViolation(f"{module.__name__}: TABLE is {table.layer.name.lower()}.{table.name}.")
    return Entry(table, module.transform, module, (module.__doc__ or "").strip())


def _bronze(written: Collection[Entry]) -> Iterator[Entry]:
    """The derived bronze tables: one for every event that no written table reads directly from landing."""
    direct = {entry.table.event for entry in written}
    for subject in subjects().values():
        for event in (event for event in subject.events if event not in direct):
            table = bronze_tables.bronze_table(event)
            make = partial(bronze_tables.transform, table=table)
            yield Entry(table, make, folders.module(f"{subject.name}.events"), bronze_tables.doc(event))


@cache
def entries() -> dict[str, Entry]:
    """Every table by name, sorted by layer; inputs come before the tables that read them.

    Raises ContractViolation with one line for each fault of a contract.
    """
    written = [_entry(module) for module in _modules()]
    found = {entry.table.name: entry for entry in (*written, *_bronze(written))}
    validation.check([entry.table for entry in found.values()], vocabulary())
    graph = {name: sorted(i.table.name for i in e.table.inputs) for name, e in sorted(found.items())}
    order = list(TopologicalSorter(graph).static_order())
    return {name: found[name] for name in sorted(order, key=lambda n: (found[n].table.layer, order.index(n)))}


def reads(table: Table) -> list[str]:
    """Names of the tables that a table reads: its inputs, and the dimensions its references are checked against."""
    return sorted({i.table.name for i in table.inputs} | {r.to.name for r in table.references})


def upstream(table: Table) -> list[Table]:
    """All direct and indirect inputs of a table, in the order data flows."""
    found = {i.table.name for i in table.inputs}
    for source in table.inputs:
        found |= {each.name for each in upstream(source.table)}
    return [each for each in tables() if each.name in found]


def subjects_of(table: Table) -> set[str]:
    """The subjects whose events feed a table. A table without a job of its own (quarantine) belongs to all subjects."""
    if table.event:
        return {subject.name for subject in subjects().values() if table.event in subject.events}
    return {name for i in table.inputs if has_job(i.table) for name in subjects_of(i.table)} or set(subjects())


def folder(table: Table) -> str:
    """The name of the folder in `etl/subjects` and in `expectations` that holds a table."""
    return entry(table.name).module.__name__.split(".")[2]


def landing_events() -> list[Event]:
    """Every kind of landed record, subject by subject."""
    return [event for subject in subjects().values() for event in subject.events]


def of_subjects(names: Collection[str]) -> list[str]:
    """Names of the tables of some subjects. Raises ConfigError, which lists the known subjects, for an unknown name."""
    unknown = [name for name in names if name not in subjects()]
    if unknown:
        raise no_such("subject", unknown[0], subjects())
    return [t.name for t in tables() if subjects_of(t) & set(names)]


def has_job(table: Table) -> bool:
    """Whether the table has a job of its own. Quarantine has none: landing jobs write the records they reject to it."""
    return bool(table.event or table.inputs)


def after(table: Table) -> list[str]:
    """Tables to update before a table: the ones it reads. Before a table without a job: all tables that land events."""
    if has_job(table):
        return reads(table)
    return sorted(t.name for t in tables() if t.event)


def tables() -> list[Table]:
    """Every contract, in the order data flows."""
    return [entry.table for entry in entries().values()]


def entry(name: str) -> Entry:
    """One table by name. Raises ConfigError, which lists the known names, for an unknown name."""
    if name not in entries():
        raise no_such("table", name, entries())
    return entries()[name]


def logic(name: str, version: int) -> Callable[..., Any]:
    """One version of a table's logic: `transform`, or one that the contract lists in `logic`.

    All versions are pure functions with the same inputs and the same output columns.
    Raises ConfigError, which lists the existing versions, for an unknown version.
    """
    found = versions(name)
    if version not in found:
        listed = ", ".join(f"v{n}" for n in sorted(found))
        raise ConfigError(
            f"{name} has no logic v{version}. There is: {listed}. Add v{version} to `logic` of its contract."
        )
    return found[version]


def versions(name: str) -> dict[int, Callable[..., Any]]:
    """Every version of a table's logic by number."""
    one = entry(name)
    return {1: one.transform, **dict(one.table.logic)}


def select(names: list[str] | None) -> list[Entry]:
    """The named tables, or all tables when no name is given, in the order data flows."""
    wanted = {entry(name).table.name for name in names} if names else set(entries())
    return [e for name, e in entries().items() if name in wanted]
