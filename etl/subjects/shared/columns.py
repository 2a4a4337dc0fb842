"""Columns that several subjects use.

Privacy classes: `viewer` identifies a person who looks, clicks or buys; `creator` identifies a person who publishes;
`text` is free text that a person wrote; `any` may hold personal data of whoever the row names; `none` is none of
these. Erasure and e-mails depend on them.
"""

from etl.model.contract import Column
from etl.model.vocabulary import Vocabulary

SURFACES = ("feed", "reels", "stories", "explore")

columns = Vocabulary(
    # people: both are ids of the same person, called viewer in the feed and user elsewhere
    Column("viewer_id", "BIGINT", "The person who looked or acted", privacy="viewer",
           aliases=("user_id", "member_id", "account_id")),
    Column("user_id", "BIGINT", "The person who looked, clicked or bought", privacy="viewer",
           aliases=("viewer_id", "member_id", "account_id")),
    # as served
    Column("surface", "STRING", "The part of the app where the post or ad was shown", values=SURFACES),
    # dimensions
    Column("op", "STRING", "Operation: upsert opens a version; delete and retire close it",
           values=("upsert", "delete", "retire")),
    Column("valid_from", "TIMESTAMP", "Start of the version, inclusive"),
    Column("valid_to", "TIMESTAMP", "End of the version, exclusive; NULL while the version is open", nullable=True),
    Column("is_current", "BOOLEAN", "True for the version without an end, even when it starts in the future"),
    Column("is_deleted", "BOOLEAN", "True when a delete or retire ends the version, false when a newer version does"),
    # times
    Column("impression_ts", "TIMESTAMP", "When the post or ad was served", distinct=True,
           aliases=("timestamp", "time", "served_at")),
    Column("event_ts", "TIMESTAMP", "When it happened; an undo in fct_engagements has the time of the undone action",
           distinct=True),
    Column("effective_ts", "TIMESTAMP", "The time from which the change holds"),
    Column("landed_hour", "TIMESTAMP", "The hour in which the file of the record landed"),
    Column("event_hour", "TIMESTAMP", "The hour of event_ts"),
    Column("hour", "TIMESTAMP", "The hour that the row aggregates"),
    Column("day", "DATE", "The day, in UTC unless the table says it is in the time zone of the advertiser"),
    # provenance
    Column("source_file", "STRING", "Landing file that contained the record"),
    Column("event", "STRING", "Kind of landed record"),
    Column("raw", "STRING", "The record as it landed", privacy="viewer", nullable=True),
    Column("_extra", "MAP<STRING, STRING>", "Landed fields that the event does not have: name and value", privacy="any",
           nullable=True),
    Column("reasons", "ARRAY<STRING>", "Every reason why the record was quarantined"),
    # measures
    Column("impressions", "BIGINT", "Impressions served; for ads, valid impressions only", low=0),
    Column("reach_hll", "BINARY", "Mergeable HLL sketch (lgK 12) of the distinct people reached"),
    Column("reach", "BIGINT", "Distinct people reached, estimated from the sketch", low=0),
)  # fmt: skip
