"""Holds a table of a lake against the same table as DuckDB made it, row by row, column by column."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
from datasketches import hll_sketch
from deltalake import DeltaTable
from pyarrow import fs

from support.truth import REACH_ERROR

SURROGATES = {
    "post_sk",
    "creator_sk",
    "ad_sk",
    "campaign_sk",
    "advertiser_sk",
}  # a hash of the engine's own: only unique
SKETCHES = {"reach_hll": "reach", "users_hll": "users"}  # and what they estimate
NOT_IN_ORACLE = SURROGATES | set(SKETCHES) | {"lag_kll", "records_quarantined"}
"""Sketches are estimated; what is not accepted is counted by the simulator, and not typed here."""
SHOWN = 20  # differences of one kind that are spelled out


def _with_estimates(rows: pa.Table) -> pa.Table:
    """The rows with what their sketches estimate, as `sketch_reach` or `sketch_users`."""
    for sketch, of in SKETCHES.items():
        if sketch in rows.column_names:
            sketches = rows.column(sketch).to_pylist()
            estimates = [round(hll_sketch.deserialize(each).get_estimate()) for each in sketches]
            rows = rows.append_column(f"sketch_{of}", pa.array(estimates, pa.int64()))
    return rows


def read_lake(lake: Path, table: str) -> pa.Table:
    """The current rows of a lake table, whichever layer it is in.

    Arrow reads the files itself: with deltalake's own file system the interpreter now and then aborts at exit.
    """
    (folder,) = lake.glob(f"*/{table}")
    files = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
    return _with_estimates(DeltaTable(folder).to_pyarrow_table(filesystem=files))


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE {relation}").fetchall()]


def _show(connection: duckdb.DuckDBPyConnection, label: str, query: str) -> list[str]:
    """Each row of a query as a difference; when they are many, the first and their number."""
    rows = connection.execute(query).fetchall()
    lines = [f"{label} {', '.join(map(str, row))}" for row in rows[:SHOWN]]
    return lines + ([f"{label} ... {len(rows)} in all"] if len(rows) > SHOWN else [])


def _unlike_columns(wanted: list[str], found: list[str]) -> list[str]:
    missing = [f"missing column {c}" for c in wanted if not {c, f"sketch_{c}"} & set(found)]
    others = NOT_IN_ORACLE | {f"sketch_{of}" for of in SKETCHES.values()}
    return missing + [f"extra column {c}" for c in found if c not in wanted and c not in others]


def _unlike_values(
    connection: duckdb.DuckDBPyConnection, table: str, key: list[str], column: str, of: str
) -> list[str]:
    """Rows of both whose value differs; what a sketch estimates may by its error."""
    bad = f"w.{of} IS DISTINCT FROM l.{column}"
    if column == "reach" or column.startswith("sketch_"):
        bad = f"(abs(w.{of} - l.{column}) <= {REACH_ERROR} * w.{of}) IS NOT TRUE"
    names = ", ".join(f"w.{k}" for k in key)
    query = f"""
        SELECT {names}, coalesce(w.{of}::VARCHAR, 'NULL') || ' in the twin',
            coalesce(l.{column}::VARCHAR, 'NULL') || ' in the lake'
        FROM {table} w JOIN lake_rows l USING ({", ".join(key)}) WHERE {bad} ORDER BY ALL"""
    return _show(connection, column, query)


def _not_unique(connection: duckdb.DuckDBPyConnection, columns: str) -> list[str]:
    query = f"SELECT {columns} FROM lake_rows GROUP BY {columns} HAVING count(*) > 1 ORDER BY ALL"
    return _show(connection, f"repeated {columns}:", query)


def compare(connection: duckdb.DuckDBPyConnection, lake: Path, table: str, key: list[str]) -> list[str]:
    """Every row that is missing, extra, repeated or different in the lake; empty when the two agree."""
    connection.register("lake_rows", read_lake(lake, table))
    wanted, found = _columns(connection, table), _columns(connection, "lake_rows")
    names = ", ".join(key)
    problems = _unlike_columns(wanted, found) + _not_unique(connection, names)
    for surrogate in sorted(SURROGATES & set(found)):
        problems += _not_unique(connection, surrogate)
    for label, one, other in (("missing", table, "lake_rows"), ("extra", "lake_rows", table)):
        problems += _show(connection, label, f"SELECT {names} FROM {one} ANTI JOIN {other} USING ({names})")
    pairs = [(c, c) for c in wanted if c in found and c not in key]
    pairs += [(f"sketch_{c}", c) for c in wanted if f"sketch_{c}" in found]
    for column, of in pairs:
        problems += _unlike_values(connection, table, key, column, of)
    connection.unregister("lake_rows")
    return problems
