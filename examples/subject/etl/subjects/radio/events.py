"""The events of radio, and when a record is quarantined."""

from etl.subjects.radio.columns import columns

from etl.model.contract import LATENESS, Event

PLAYS = Event(
    "plays",
    columns("play_id", "user_id", "station_id", "seconds", "play_ts"),
    times=(("play_ts", LATENESS),),
)
STATIONS = Event(
    "stations",
    columns("station_id", "station_name", "effective_ts", "op"),
    rules=(("out_of_set:op", "op = 'retire'"),),
    optional_on_close=("station_name",),
)
EVENTS = (PLAYS, STATIONS)
