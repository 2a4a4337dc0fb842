"""Creates the tables that a run needs, or migrates them, and says which cannot be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.jobs import ddl, migration
from etl.engine.jobs.run_context import RunContext, log
from etl.engine.jobs.run_errors import storage_error
from etl.errors import FeedEtlError
from etl.model.contract import Table

MAX_NAMES = 5
"""Names of tables that one log line lists."""


def _needed(chosen: list[catalog.Entry]) -> list[Table]:
    """The chosen tables, the tables that they read, and quarantine."""
    names = {"quarantine"}
    for table in (entry.table for entry in chosen):
        names |= {table.name, *catalog.reads(table)}
    return [entry.table for entry in catalog.select(sorted(names))]


def create_tables(context: RunContext, chosen: list[catalog.Entry], migrate: bool) -> dict[str, FeedEtlError]:
    """Create the needed tables that do not exist; returns table -> error of those that cannot be used.

    One warning names all tables that differ from their contracts.
    """
    needed, differing = _needed(chosen), list[str]()
    with ThreadPoolExecutor(context.settings.parallel_tables) as pool:
        errors = list(pool.map(lambda table: _create_table(context, table, differing, migrate), needed))
    if differing:
        log.warning(
            "`feed-etl migrate` is due: %d tables differ from their contracts (%s).", len(differing),
            ", ".join(sorted(differing)[:MAX_NAMES]) + ("…" if len(differing) > MAX_NAMES else ""),
        )  # fmt: skip
    return {table.name: error for table, error in zip(needed, errors, strict=True) if error}


def _create_table(context: RunContext, table: Table, differing: list[str], migrate: bool) -> FeedEtlError | None:
    """Create a table when it does not exist, or migrate it; returns the error when it cannot be used.

    Adds the name of a table that differs from its contract to `differing`.
    """
    delta.activate(context.spark)
    try:
        if migrate:
            left = migration.ensure(context.with_own_session(), table)
        else:
            left = ddl.ensure(context.spark, table, context.uri(table))
        if left:
            differing.append(table.name)
    except FeedEtlError as error:
        differing.append(table.name)
        return error
    except (Py4JJavaError, PySparkException) as error:
        return storage_error(table.name, error)
    return None
