"""One row per action of a viewer on a post. The table is append-only: an undo is a row of its own.

In an undo row, event_ts is the time of the undone action, so both rows have the same hour; undone_ts is the time of
the undo. impression_id is NULL for reactions through a deep link.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import DEDUP_WINDOW_DAYS, Input, InsertNew, Layer, Table
from etl.subjects.feed.columns import columns
from etl.subjects.feed.events import ENGAGEMENTS
from etl.subjects.shared.bronze_tables import bronze_table


def affected_hours(changed: DataFrame, fct_engagements: DataFrame) -> DataFrame:
    """Rows that a change may settle or unsettle: same viewer, post, event type and hour.

    A late-arriving undo or an earlier repetition changes which action is settled. That action may name another
    impression.
    """
    same = ["viewer_id", "post_id", "event_type", "event_hour"]
    return fct_engagements.join(changed.select(*same).distinct(), same, "left_semi")


TABLE = Table(
    name="fct_engagements",
    layer=Layer.FACTS,
    columns=columns(
        "engagement_id",
        "impression_id?",
        "viewer_id",
        "post_id",
        "event_type",
        "event_ts",
        "is_undone",
        "undone_ts",
        "comment_id",
        "parent_comment_id",
        "impression_hour?",
        "event_hour",
    ),
    key=("engagement_id",),
    write=InsertNew(DEDUP_WINDOW_DAYS, "impression_hour", affected_hours),
    owner="ranking",
    partition=("event_hour",),
    cluster=("viewer_id", "engagement_id"),
    inputs=(Input(bronze_table(ENGAGEMENTS)),),
    retention_days=30,
)


def transform(bronze_engagements: DataFrame) -> DataFrame:
    """Bronze engagements -> fact rows, duplicates not yet removed."""
    is_undo = F.col("action") == "undo"
    acted = F.when(is_undo, F.col("original_ts")).otherwise(F.col("event_ts"))
    return (
        bronze_engagements.withColumn("is_undone", is_undo)
        .withColumn("undone_ts", F.when(is_undo, F.col("event_ts")))
        .withColumn("event_ts", acted)
        .withColumn("event_hour", F.date_trunc("hour", "event_ts"))
        .select(*TABLE.column_names)
    )
