"""One row per version of a ranking model. A change of deployed_pct is a new row with a new ranker_model_id."""

from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Scd2, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.events import RANKER_MODELS
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import versions

TABLE = Table(
    name="dim_ranker_models",
    layer=Layer.DIMS,
    columns=columns(
        "ranker_model_id",
        "model_semver",
        "feature_set",
        "deployed_pct",
        "model_card_url",
        "valid_from",
        "valid_to",
        "is_current",
        "is_deleted",
    ),
    key=("ranker_model_id",),
    write=Scd2(
        natural_key=("model_semver",), tracked=("ranker_model_id", "feature_set", "deployed_pct", "model_card_url")
    ),
    owner="ranking",
    inputs=(Input(bronze_table(RANKER_MODELS)),),
)


def transform(bronze_ranker_models: DataFrame) -> DataFrame:
    """All changes that ever landed for some keys, in any order -> all versions of these keys."""
    return versions(bronze_ranker_models, TABLE).select(*TABLE.column_names)
