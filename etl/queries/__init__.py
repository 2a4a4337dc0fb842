"""Named queries: SQL files with a header, in the folder `queries` of each subject. See `named_query.py` for the format.

A query that needs more than SQL (statistics, trees) has a Python module with the same name. Its function `finish`
takes the rows of the SQL and the parameters, and returns the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.conf import Settings


def run(spark: SparkSession, settings: Settings, name: str, **params: Any) -> DataFrame:
    """Run a named query and return its result, with the grain that its header states. Parameters are values or text.

    Raises ConfigError for an unknown query, an unknown parameter or a value of the wrong type, and LakeError when an
    input table is missing.
    """
    from etl.queries import binding, named_query

    query = named_query.load(name)
    return binding.bind(spark, settings, query, query.typed(params)).answer()
