"""What creators say of themselves in public: their handles, and the captions of their posts."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import functions as F

from etl import catalog
from etl.engine.delta import tables as delta
from etl.engine.jobs.run_context import RunContext
from etl.model.privacy import CREATOR


def texts(context: RunContext, creators: Sequence[int]) -> set[str]:
    """Every handle and caption of some creators that tables have, as far as they are not erased yet."""
    found: set[str] = set()
    people = context.spark.createDataFrame([(person,) for person in creators], "creator BIGINT")
    for table in catalog.tables():
        whose = CREATOR.column(table.column_names)
        said = [c.name for c in table.columns if c.privacy in CREATOR.classes and c.type == "STRING"]
        if not whose or not said or not delta.is_table(context.spark, context.uri(table)):
            continue
        theirs = delta.read(context.spark, context.uri(table)).join(
            F.broadcast(people), F.col(whose) == F.col("creator")
        )
        rows = theirs.select(F.explode(F.array(*said)).alias("text")).where("trim(text) <> ''").distinct()
        found |= {row["text"] for row in rows.collect()}
    return found
