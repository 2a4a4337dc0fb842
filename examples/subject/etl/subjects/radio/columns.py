"""The columns of radio. `user_id`, times and versions are in `etl/subjects/shared/columns.py`."""

from etl.model.contract import Column
from etl.model.vocabulary import Vocabulary
from etl.subjects.shared.columns import columns as shared

columns = Vocabulary(
    Column("play_id", "BIGINT", "One play of a station by a person", distinct=True),
    Column("station_id", "BIGINT", "The station"),
    Column("station_sk", "BIGINT", "Surrogate key of the version: hash of (station_id, valid_from)"),
    Column("station_name", "STRING", "Name of the station"),
    Column("seconds", "INT", "How long the person listened", unit="s", low=0, high=86_400),
    Column("play_ts", "TIMESTAMP", "When the play started", distinct=True),
    Column("play_hour", "TIMESTAMP", "The hour of play_ts"),
    Column("plays", "BIGINT", "Plays", low=0),
    Column("seconds_sum", "BIGINT", "Total listening time", unit="s", low=0),
    Column("listeners", "BIGINT", "Distinct people, exact", low=0),
    extends=shared,
)
