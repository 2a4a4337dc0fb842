"""The definition of a named query: the header of its .sql file, read and checked before Spark starts.

The header is YAML in the leading `--` lines:

    -- question: the question that the query answers, in one sentence
    -- grain: what one row of the result is
    -- note: how things are counted, where that is not obvious
    -- inputs: [the tables read; the interval selects partitions of the first table]
    -- once: [columns with one value for all rows, printed once]
    -- max_days_without_key: the most days of the interval where rows of viewers are kept without a pseudonym key
    -- parameters:
    --   NAME: {type: BIGINT, default: 50, low: 1, meaning: what it does}

A parameter without a default is required. See `etl/queries/parameters.py` for types and defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from etl import catalog
from etl.errors import ConfigError, ContractViolation, faults, first_line, no_such
from etl.queries import sql_files
from etl.queries.parameters import Parameter, check_range


def files() -> dict[str, Path]:
    """The .sql file of every named query by name."""
    return sql_files.find("queries")


def finisher(name: str) -> ModuleType | None:
    """The Python module next to a query's .sql file, whose function `finish` completes the result. None without one."""
    subject = files()[name].parent.parent.name
    return catalog.plugin(subject, f"queries.{name}")


def _with_names(declared: Any) -> Any:
    """Give each parameter of a header the name that it is listed under."""
    if not isinstance(declared, dict):
        return declared
    if renamed := [key for key, fields in declared.items() if isinstance(fields, dict) and "name" in fields]:
        raise ValueError(f"the name of {renamed[0]} is its key. Remove `name`")
    return {key: {"name": key, **fields} if isinstance(fields, dict) else fields for key, fields in declared.items()}


class NamedQuery(BaseModel):
    """One named query. `sql` refers to parameters as `:name`; Spark binds them as values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    question: str
    grain: str
    inputs: tuple[str, ...] = Field(min_length=1)
    parameters: Annotated[dict[str, Parameter], BeforeValidator(_with_names)]
    sql: str
    once: tuple[str, ...] = ()
    note: str = ""
    max_days_without_key: int | None = None

    def typed(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given parameters as typed values. Raises ConfigError, with the valid parameters, when one is wrong."""
        unknown = [name for name in given if name not in self.parameters]
        if unknown:
            raise ConfigError(f"{self.name} has no parameter {', '.join(map(repr, unknown))}. {self.usage}")
        missing = [p.name for p in self.parameters.values() if p.is_required and p.name not in given]
        if missing:
            raise ConfigError(f"{self.name} needs {', '.join(missing)}. {self.usage}")
        values = {name: self.parameters[name].typed(value, self.usage) for name, value in given.items()}
        check_range(values)
        return values

    @property
    def usage(self) -> str:
        """Every parameter with its type and default, in one line."""
        return f"Parameters: {', '.join(p.signature for p in self.parameters.values())}."


@cache
def load(name: str) -> NamedQuery:
    """Load a named query. Raises ConfigError with all names when there is no such query."""
    if name not in names():
        raise no_such("named query", name, names(), "Named queries:")
    return parse(name, files()[name].read_text(encoding="utf-8"))


@cache
def names() -> tuple[str, ...]:
    """The names of all named queries, sorted."""
    return tuple(sorted(files()))


def _fields(name: str, header: str) -> dict[str, Any]:
    """The fields of a header and the name of the query. Raises ValueError when the header sets what it must not."""
    fields = dict(yaml.safe_load(header))
    if set(fields) & {"name", "sql"}:
        raise ValueError("name and sql are the file's own name and text. Remove them from the header")
    return fields | {"name": name}


def parse(name: str, text: str) -> NamedQuery:
    """Parse the text of a .sql file. Raises ContractViolation with one line per fault of the header."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header = "\n".join(line.removeprefix("--").removeprefix(" ") for line in lines[:end])
    try:
        query = NamedQuery.model_validate(_fields(name, header) | {"sql": "\n".join(lines[end:])})
    except ValidationError as error:
        raise ContractViolation(faults(f"{name}.sql: the header is not valid", error)) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # not YAML, or YAML without names
        raise ContractViolation(f"{name}.sql: the header is not valid: {first_line(error)}.") from error
    for table in query.inputs:
        catalog.entry(table)
    return query
