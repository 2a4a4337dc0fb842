"""Columns that several subjects use.

Privacy classes: `viewer` identifies a person who looks, clicks or buys, `creator` one who publishes, `text` is free
text somebody wrote, `none` is neither. Erasure and mails are driven by them.
"""

from etl.model.contract import Column
from etl.model.vocabulary import Vocabulary

SURFACES = ("feed", "reels", "stories", "explore")

columns = Vocabulary(
    # as served
    Column("surface", "STRING", "Where the post or ad was shown", values=SURFACES),
    # dimensions
    Column("op", "STRING", "What the change log says", values=("upsert", "delete", "retire")),
    Column("valid_from", "TIMESTAMP", "Start of a version, inclusive"),
    Column("valid_to", "TIMESTAMP", "End of a version, exclusive; NULL for the last one", nullable=True),
    Column("is_current", "BOOLEAN", "The version without an end; it may begin in the future"),
    Column("is_deleted", "BOOLEAN", "The version ends, or will end, by a delete, not by a newer version"),
    # times
    Column("impression_ts", "TIMESTAMP", "When the post or ad was served", distinct=True),
    Column("event_ts", "TIMESTAMP", "When the action happened; on an undo, when the thing undone happened",
           distinct=True),
    Column("effective_ts", "TIMESTAMP", "From when the change holds"),
    Column("landed_hour", "TIMESTAMP", "The hour the record's file arrived"),
    Column("event_hour", "TIMESTAMP", "The hour of event_ts"),
    Column("hour", "TIMESTAMP", "The hour aggregated"),
    Column("day", "DATE", "The day: in UTC, or in the advertiser's time zone where the table says so"),
    # provenance
    Column("source_file", "STRING", "Landing file the record came in"),
    Column("event", "STRING", "Kind of landed record"),
    Column("raw", "STRING", "The record as it came", privacy="viewer", nullable=True),
    Column("reasons", "ARRAY<STRING>", "Every reason it was not accepted"),
    # measures
    Column("impressions", "BIGINT", "Impressions served; of ads, the valid ones", low=0),
    Column("reach_hll", "BINARY", "Mergeable HLL sketch (lgK 12) of distinct viewers"),
    Column("reach", "BIGINT", "Distinct viewers, estimated from the sketch", low=0),
)  # fmt: skip
