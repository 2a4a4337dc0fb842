"""One row per impression: a post shown once to a viewer, with the model that ranked it.

ranker_model_id and predicted_score were recorded when the post was served. They are never looked up again.
"""

from pyspark.sql import DataFrame

from etl.model.contract import Input, InsertNew, Layer, Reference, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.dims import dim_ranker_models
from etl.subjects.feed.events import IMPRESSIONS
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="fct_impressions",
    layer=Layer.FACTS,
    columns=columns(
        "impression_id",
        "viewer_id",
        "post_id",
        "feed_position",
        "surface",
        "ranker_model_id",
        "predicted_score",
        "device_id",
        "impression_ts",
        "impression_hour",
    ),
    key=("impression_id",),
    write=InsertNew(),
    owner="ranking",
    partition=("impression_hour",),
    cluster=("viewer_id", "impression_id"),
    inputs=(Input(bronze_table(IMPRESSIONS)),),
    references=(Reference("ranker_model_id", dim_ranker_models.TABLE, "ranker_model_id", at="impression_ts"),),
    retention_days=30,
)


def transform(bronze_impressions: DataFrame) -> DataFrame:
    """Bronze impressions -> fact rows, duplicates not yet removed."""
    return bronze_impressions.select(*TABLE.column_names)
