"""Named questions about the feed, each a `.sql` file with a header; see `etl/queries/named_query.py` for its form.

A question that SQL alone cannot finish (statistics, trees) has a module of the same name whose `finish` takes
the rows of the SQL and the parameters, and gives the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.conf import Settings


def run(spark: SparkSession, settings: Settings, name: str, **params: Any) -> DataFrame:
    """The answer to a named question, in the shape its header states; parameters as values or as text.

    Raises ConfigError for an unknown question or parameter or an ill-typed value, LakeError when an input is missing.
    """
    from etl.queries import binding, named_query

    query = named_query.load(name)
    return binding.ask(spark, settings, query, query.typed(params)).answer()
