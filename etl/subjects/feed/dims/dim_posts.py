"""One row per version of a post. A deleted post keeps its history; is_deleted is true for its last version."""

from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Scd2, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.events import POSTS
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import versions

TABLE = Table(
    name="dim_posts",
    layer=Layer.DIMS,
    columns=columns(
        "post_sk",
        "post_id",
        "creator_id",
        "media_type",
        "audio_id",
        "caption",
        "valid_from",
        "valid_to",
        "is_current",
        "is_deleted",
    ),
    key=("post_sk",),
    write=Scd2(
        natural_key=("post_id",), tracked=("creator_id", "media_type", "audio_id", "caption"), surrogate="post_sk"
    ),
    owner="content",
    inputs=(Input(bronze_table(POSTS)),),
)


def transform(bronze_posts: DataFrame) -> DataFrame:
    """All changes that ever landed for some keys, in any order -> all versions of these keys."""
    return versions(bronze_posts, TABLE).select(*TABLE.column_names)
