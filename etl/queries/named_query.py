"""The definition of a named query: the header of its .sql file, read and checked before Spark starts.

The header is YAML in the leading `--` lines:

    -- question: the question that the query answers, in one sentence
    -- grain: what one row of the result is
    -- note: how things are counted, where that is not obvious
    -- inputs: [the tables read; the interval selects partitions of the first table]
    -- once: [columns with one value for all rows, printed once]
    -- parameters:
    --   NAME: {type: BIGINT, default: 50, low: 1, meaning: what it does}

A parameter without a default is required. See `etl/queries/parameters.py` for types and defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from etl import catalog
from etl.errors import ConfigError, ContractViolation
from etl.queries import sql_files
from etl.queries.parameters import Parameter, check_range


def files() -> dict[str, Path]:
    """The .sql file of every named query by name."""
    return sql_files.find("queries")


def finisher(name: str) -> ModuleType | None:
    """The Python module next to a query's .sql file, whose function `finish` completes the result. None without one."""
    subject = files()[name].parent.parent.name
    return catalog.plugin(subject, f"queries.{name}")


@dataclass(frozen=True)
class NamedQuery:
    """One named query. `sql` refers to parameters as `:name`; Spark binds them as values."""

    name: str
    question: str
    grain: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    sql: str
    once: tuple[str, ...] = ()
    note: str = ""

    def typed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given parameters as typed values. Raises ConfigError, with the valid parameters, when one is wrong."""
        known = {p.name: p for p in self.parameters}
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ConfigError(f"{self.name} has no parameter {', '.join(map(repr, unknown))}. {self.usage}")
        missing = [p.name for p in self.parameters if p.is_required and p.name not in given]
        if missing:
            raise ConfigError(f"{self.name} needs {', '.join(missing)}. {self.usage}")
        values = {name: known[name].typed(value, self.usage) for name, value in given.items()}
        check_range(values)
        return values

    @property
    def usage(self) -> str:
        """Every parameter with its type and default, in one line."""
        return f"Parameters: {', '.join(p.signature for p in self.parameters)}."


@cache
def load(name: str) -> NamedQuery:
    """Load a named query. Raises ConfigError with all names when there is no such query."""
    if name not in names():
        raise ConfigError(f"There is no named query {name!r}. Named queries: {', '.join(names())}.")
    return parse(name, files()[name].read_text(encoding="utf-8"))


@cache
def names() -> tuple[str, ...]:
    """The names of all named queries, sorted."""
    return tuple(sorted(files()))


def parse(name: str, text: str) -> NamedQuery:
    """Parse the text of a .sql file. Raises ContractViolation when the header is not valid."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    try:
        header = yaml.safe_load("\n".join(line.removeprefix("--").removeprefix(" ") for line in lines[:end]))
        declared = header.pop("parameters")
        parameters = tuple(Parameter(name=key, **fields) for key, fields in declared.items())
        inputs, once = tuple(header.pop("inputs")), tuple(header.pop("once", ()))
        query = NamedQuery(
            name=name, inputs=inputs, parameters=parameters, sql="\n".join(lines[end:]), once=once, **header
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ContractViolation(
            f"{name}.sql: the header is not valid ({error}). See etl/queries/named_query.py."
        ) from error
    for table in query.inputs:
        catalog.entry(table)
    return query
