"""The folders of `etl/subjects`: every subject with its events and columns, and the modules that are found in them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from etl import subjects as package
from etl.errors import ContractViolation
from etl.model.contract import Column, Event
from etl.model.vocabulary import Vocabulary


@dataclass(frozen=True)
class Subject:
    """A folder of `etl/subjects`: its events (none for `shared`) and its columns, including the ones it extends."""

    name: str
    events: tuple[Event, ...]
    columns: Vocabulary


@cache
def by_name() -> dict[str, Subject]:
    """Every folder by name: `shared` first, then the subjects by POSITION. Pages and lists use this order."""
    names = [info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg]
    position = {name: getattr(module(name), "POSITION", len(names)) for name in names}
    made = (_subject(name) for name in sorted(names, key=lambda n: (position[n], n)))
    return {subject.name: subject for subject in made}


def module(path: str) -> ModuleType:
    """A module or package below `etl/subjects`, by its dotted path."""
    return importlib.import_module(f"{package.__name__}.{path}")


def has(folder: str, name: str) -> bool:
    """Whether a package below `etl/subjects` holds a module or package of this name."""
    return any(info.name == name for info in pkgutil.iter_modules(module(folder).__path__))


def _subject(name: str) -> Subject:
    events = module(f"{name}.events").EVENTS if has(name, "events") else ()
    return Subject(name, events, module(f"{name}.columns").columns)


@cache
def subjects() -> dict[str, Subject]:
    """Every subject that lands events, by name."""
    return {name: subject for name, subject in by_name().items() if subject.events}


def plugin(subject: str, name: str) -> ModuleType | None:
    """A module or package of a subject (`dashboard`, `simulate`, `queries.roas`); None when it does not exist."""
    folder, _, last = f"{subject}.{name}".rpartition(".")
    return module(f"{folder}.{last}") if has(folder, last) else None


@cache
def vocabulary() -> Mapping[str, Column]:
    """Every column of every subject by name. Raises ContractViolation when two subjects define one differently."""
    columns: dict[str, Column] = {}
    for subject in by_name().values():
        for name, column in subject.columns.items():
            if columns.setdefault(name, column) != column:
                raise ContractViolation(
                    f"The column {name} means different things in two subjects, {subject.name} among them. "
                    "Rename one, or define it once in etl/subjects/shared/columns.py."
                )
    return columns
