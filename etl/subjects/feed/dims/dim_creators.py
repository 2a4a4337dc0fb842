"""One row per version of a creator."""

from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Scd2, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.events import CREATORS
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import versions

TABLE = Table(
    name="dim_creators",
    layer=Layer.DIMS,
    columns=columns(
        "creator_sk",
        "creator_id",
        "handle",
        "follower_count",
        "country",
        "valid_from",
        "valid_to",
        "is_current",
        "is_deleted",
    ),
    key=("creator_sk",),
    write=Scd2(natural_key=("creator_id",), tracked=("handle", "follower_count", "country"), surrogate="creator_sk"),
    owner="content",
    inputs=(Input(bronze_table(CREATORS)),),
)


def transform(bronze_creators: DataFrame) -> DataFrame:
    """All changes that ever landed for some keys, in any order -> all versions of these keys."""
    return versions(bronze_creators, TABLE).select(*TABLE.column_names)
