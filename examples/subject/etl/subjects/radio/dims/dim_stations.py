"""One row per version of a station."""

from etl.subjects.radio.columns import columns
from etl.subjects.radio.events import STATIONS
from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Scd2, Table
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import versions

TABLE = Table(
    name="dim_stations",
    layer=Layer.DIMS,
    columns=columns("station_sk", "station_id", "station_name", "valid_from", "valid_to", "is_current", "is_deleted"),
    key=("station_sk",),
    write=Scd2(natural_key=("station_id",), tracked=("station_name",), surrogate="station_sk"),
    owner="content",
    inputs=(Input(bronze_table(STATIONS)),),
)


def transform(bronze_stations: DataFrame) -> DataFrame:
    """All changes of some stations, in any order -> every version of these stations."""
    return versions(bronze_stations, TABLE).select(*TABLE.column_names)
