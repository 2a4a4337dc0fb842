"""Finds the public texts of creators: their handles, and the captions of their posts."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.jobs.run_context import RunContext
from etl.model.privacy import CREATOR


def texts(context: RunContext, creators: Sequence[int]) -> set[str]:
    """Return every handle and caption of some creators in the tables. Call it before the tables are erased."""
    found: set[str] = set()
    people = context.spark.createDataFrame([(person,) for person in creators], "creator BIGINT")
    for table in catalog.tables():
        id_column = CREATOR.column(table.column_names)
        text_columns = [c.name for c in table.columns if c.privacy in CREATOR.classes and c.type == "STRING"]
        if not id_column or not text_columns or not delta.is_table(context.spark, context.uri(table)):
            continue
        rows = delta.read(context.spark, context.uri(table))
        of_creators = rows.join(F.broadcast(people), F.col(id_column) == F.col("creator"))
        text = F.explode(F.array(*text_columns)).alias("text")
        found |= {row["text"] for row in of_creators.select(text).where("trim(text) <> ''").distinct().collect()}
    return found
