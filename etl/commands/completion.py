"""Shell completion of names: tables, columns, subjects, queries and their parameters. No Spark starts for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import typer

from etl import catalog
from etl.errors import FeedEtlError

Words = list[str] | list[tuple[str, str]]


def tables(incomplete: str) -> Words:
    """Tables, each with the first line of what one row is."""
    return _with_help(incomplete, ((name, entry.doc) for name, entry in catalog.entries().items()))


def subjects(incomplete: str) -> Words:
    """Subjects."""
    return _beginning(incomplete, catalog.subjects())


def events(incomplete: str) -> Words:
    """Landed events."""
    return _beginning(incomplete, (event.name for event in catalog.landing_events()))


def tables_and_events(incomplete: str) -> Words:
    """Tables, and landed events."""
    return _beginning(incomplete, [*catalog.entries(), *(event.name for event in catalog.landing_events())])


def columns(incomplete: str) -> Words:
    """TABLE before the dot, then its columns; `landing.EVENT`, then its fields."""
    names = {name: entry.table.column_names for name, entry in catalog.entries().items()}
    names |= {f"landing.{event.name}": tuple(c.name for c in event.fields) for event in catalog.landing_events()}
    of = incomplete.rpartition(".")[0]
    return _beginning(incomplete, [*names, *(f"{of}.{column}" for column in names.get(of, ()))])


def queries(incomplete: str) -> Words:
    """Named queries, each with its question."""
    from etl.queries import named_query

    return _with_help(incomplete, ((name, named_query.load(name).question) for name in named_query.names()))


def parameters(context: typer.Context, incomplete: str) -> Words:
    """`NAME=` for each parameter of the query that the line names."""
    from etl.queries import named_query

    name = next(iter(context.args), "")  # an unfinished line is not parsed to its end: the argument is still there
    try:
        found = named_query.load(name)
    except FeedEtlError:
        return []
    return _beginning(incomplete, (f"{name}=" for name in found.parameters))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _with_help(incomplete: str, names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(_first_lines(pair for pair in names if pair[0].startswith(incomplete)))


def _first_lines(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, text in pairs:
        yield name, text.strip().partition("\n")[0]
