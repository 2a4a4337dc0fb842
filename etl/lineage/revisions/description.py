"""Describes all tables of a checkout: contracts, logic, lineage, and the SQL that reads them.

`checkout.py` also runs the text of this module in a checkout of another revision, with that revision's package. So it
uses only names that older revisions have.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from etl import catalog, conf
from etl.catalog import Entry
from etl.engine.jobs import ddl
from etl.engine.sql import reads
from etl.lineage import tables
from etl.lineage.plan import INPUT, empty_input
from etl.lineage.tables import edges, landed, landed_columns, of_all_tables
from etl.model.contract import Column, MergeAggregate
from etl.queries import named_query, sql_files

# Revisions before this module call it `_inputs`.
empty_inputs = getattr(tables, "empty_inputs", None) or tables.__dict__["_inputs"]
ALL_FIELDS = {"spark.sql.debug.maxToStringFields": "100000"}


def describe(spark: SparkSession, settings: conf.Settings) -> dict[str, Any]:
    """Everything that `comparison.py` compares, as a JSON document."""
    for name, value in ALL_FIELDS.items():
        spark.conf.set(name, value)
    return {
        "tables": {name: _table(spark, settings, entry) for name, entry in catalog.entries().items()},
        "events": {landed(event): _columns(landed_columns(event)) for event in catalog.landing_events()},
        "edges": [
            [e.source.table, e.source.column, e.to.table, e.to.column, e.how]
            for e in edges(of_all_tables(spark, settings))
        ],
        "queries": {name: sorted(reads.columns(named_query.load(name).sql)) for name in named_query.names()},
        "pages": {
            name: sorted(reads.columns(file.read_text(encoding="utf-8")))
            for name, file in sql_files.find("dashboard").items()
        },
    }


def _table(spark: SparkSession, settings: conf.Settings, entry: Entry) -> dict[str, Any]:
    table = entry.table
    return {
        "owner": table.owner,
        "key": list(table.key),
        "partition": list(table.partition),
        "write": type(table.write).__name__,
        "columns": _columns(table.columns),
        "logic": [fingerprint(frame) for frame in _frames(spark, settings, entry)],
    }


def _columns(columns: tuple[Column, ...]) -> dict[str, Any]:
    return {
        c.name: {"type": c.type, "nullable": c.nullable, "values": list(c.values), "range": [c.low, c.high]}
        for c in columns
    }


def _frames(spark: SparkSession, settings: conf.Settings, entry: Entry) -> list[DataFrame]:
    """The results of the table's functions on empty inputs. Quarantine has no transform."""
    table = entry.table
    if not (table.inputs or table.event):
        return []
    found = [ddl.conform(entry.transform(**empty_inputs(spark, settings, table)), table)]
    if isinstance(table.write, MergeAggregate):
        existing, batch = (empty_input(spark, table.name, ddl.schema(table)) for _ in range(2))
        found.append(table.write.combine(existing, batch))
    return found


def fingerprint(frame: DataFrame) -> str:
    """A fingerprint of what a DataFrame computes, from its analyzed plan. Ids of the session do not count.

    The canonical plan has no names of inputs, so they are added in the order in which the plan reads them.
    """
    analyzed = frame._jdf.queryExecution().analyzed()
    numbers: dict[str, str] = {}
    ids = re.compile(r"(?<=#)\d+|(?<=[a-z]_)\d+")
    plan = ids.sub(lambda id_: numbers.setdefault(id_[0], str(len(numbers))), analyzed.canonicalized().toString())
    inputs = re.findall(rf"SubqueryAlias {INPUT}([\w.]+)", analyzed.toString())
    return hashlib.sha256(f"{plan} {inputs}".encode()).hexdigest()[:16]


def main(file: str) -> None:
    """Write the description of the current checkout to a file."""
    from etl.engine.spark import session

    settings = session.with_options(conf.load("local", master="local[1]"), session.SHORT_LIVED)
    Path(file).write_text(json.dumps(describe(session.start(settings), settings)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
