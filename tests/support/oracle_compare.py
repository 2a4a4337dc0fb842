"""Compares a table of a lake with the same table of an oracle, row by row and column by column."""

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
}  # hashes of the engine: only their uniqueness is checked
SKETCHES = {"reach_hll": "reach", "users_hll": "users"}  # sketch -> the count it estimates
NOT_IN_ORACLE = SURROGATES | set(SKETCHES) | {"lag_kll", "records_quarantined"}
"""Columns without an exact oracle value: surrogates, sketches, and quarantined records, which the simulator counts."""
SHOWN = 20  # differences of one kind that are printed


def _with_estimates(rows: pa.Table) -> pa.Table:
    """The rows with the estimates of their sketches in `sketch_reach` or `sketch_users`."""
    for sketch, of in SKETCHES.items():
        if sketch in rows.column_names:
            sketches = rows.column(sketch).to_pylist()
            estimates = [round(hll_sketch.deserialize(each).get_estimate()) for each in sketches]
            rows = rows.append_column(f"sketch_{of}", pa.array(estimates, pa.int64()))
    return rows


def read_lake(lake: Path, table: str) -> pa.Table:
    """The current rows of a lake table.

    Arrow reads the files, because with the file system of deltalake the interpreter sometimes aborts at exit.
    """
    (folder,) = lake.glob(f"*/{table}")
    files = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
    return _with_estimates(DeltaTable(folder).to_pyarrow_table(filesystem=files))


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE {relation}").fetchall()]


def _show(connection: duckdb.DuckDBPyConnection, label: str, query: str) -> list[str]:
    """Each row of a query as a line; after SHOWN lines, only the total number."""
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
    """Rows of both tables with a different value. Estimates of sketches may differ by their error."""
    bad = f"w.{of} IS DISTINCT FROM l.{column}"
    if column == "reach" or column.startswith("sketch_"):
        bad = f"(abs(w.{of} - l.{column}) <= {REACH_ERROR} * w.{of}) IS NOT TRUE"
    names = ", ".join(f"w.{k}" for k in key)
    query = f"""
        SELECT {names}, coalesce(w.{of}::VARCHAR, 'NULL') || ' in the oracle',
            coalesce(l.{column}::VARCHAR, 'NULL') || ' in the lake'
        FROM {table} w JOIN lake_rows l USING ({", ".join(key)}) WHERE {bad} ORDER BY ALL"""
    return _show(connection, column, query)


def _not_unique(connection: duckdb.DuckDBPyConnection, columns: str) -> list[str]:
    query = f"SELECT {columns} FROM lake_rows GROUP BY {columns} HAVING count(*) > 1 ORDER BY ALL"
    return _show(connection, f"repeated {columns}:", query)


def compare(connection: duckdb.DuckDBPyConnection, lake: Path, table: str, key: list[str]) -> list[str]:
    """Every missing, extra, repeated or different row of the lake. Empty when both tables agree."""
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
