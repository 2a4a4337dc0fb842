"""Keeps the lineage of all tables in a file, because to compute it takes seconds and it depends on the code alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pyspark
from pyspark.sql import SparkSession

import etl
from etl.conf import Settings
from etl.engine.spark.java import SHARE
from etl.lineage import tables
from etl.lineage.flow import Flow, Lineage, Source, Uses

FOLDER = SHARE / "lineage"


def of_all_tables(start: Callable[[], SparkSession], settings: Settings, folder: Path = FOLDER) -> dict[str, Lineage]:
    """The lineage of every table, from the file of this code when there is one. See `tables.of_all_tables`.

    start: gives the Spark session that computes it, when there is no file yet.
    """
    file = folder / f"{fingerprint()}.json"
    try:
        return {name: from_document(one) for name, one in json.loads(file.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, KeyError):  # no file yet, or one that another program damaged
        found = tables.of_all_tables(start(), settings)
        _store(file, {name: as_document(one) for name, one in found.items()})
        return found


@cache
def fingerprint() -> str:
    """A fingerprint of this package's code and of Spark's version. Lineage depends on nothing else."""
    digest = hashlib.sha256(pyspark.__version__.encode())
    root = Path(etl.__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _store(file: Path, document: dict[str, Any]) -> None:
    """Write the file in one step, and remove those of other code. A folder that cannot be written is no error."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(document), encoding="utf-8")
        os.replace(part, file)
        for old in file.parent.glob("*.json"):
            if old != file:
                old.unlink(missing_ok=True)
    except OSError:
        return


def as_document(lineage: Lineage) -> dict[str, Any]:
    """A lineage as plain lists. Fields of structs are left out: a table has the columns only."""
    columns = {name: [_sources(flow.value), _uses(flow.through)] for name, flow in lineage.columns.items()}
    return {"columns": columns, "rows": _uses(lineage.rows)}


def from_document(document: dict[str, Any]) -> Lineage:
    """The lineage that `as_document` wrote."""
    columns = {
        name: Flow(frozenset(Source(*pair) for pair in value), _from_uses(through))
        for name, (value, through) in document["columns"].items()
    }
    return Lineage(columns, _from_uses(document["rows"]))


def _sources(sources: Iterable[Source]) -> list[list[str]]:
    return [[source.table, source.column] for source in sorted(sources)]


def _uses(uses: Uses) -> list[list[str]]:
    return [[how, source.table, source.column] for how, source in sorted(uses)]


def _from_uses(uses: Iterable[list[str]]) -> Uses:
    return frozenset((how, Source(table, column)) for how, table, column in uses)
