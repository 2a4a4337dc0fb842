"""The seven events of the feed, and the rules that quarantine a record.

Source: feed specification, sections 1 and 2. A rule is SQL over a typed record plus `id_ts`, the time contained in
impression_id. When a rule is true, the record is quarantined with the name of the rule as reason.
"""

from etl.model.contract import FACTS_KEPT, LATENESS, Event
from etl.subjects.feed.columns import columns

IMPRESSIONS = Event(
    "impressions",
    columns("impression_id", "viewer_id", "post_id", "feed_position", "surface", "ranker_model_id",
            "predicted_score", "device_id", "impression_ts"),
    times=(("impression_ts", LATENESS),),
    rules=(("id_time_mismatch", "abs(unix_micros(impression_ts) - unix_micros(id_ts)) > 5000000"),),
    snowflake="impression_id",
    snowflake_hour=columns["impression_hour"],
)  # fmt: skip
ENGAGEMENTS = Event(
    "engagements",
    columns("engagement_id", "impression_id?", "viewer_id", "post_id", "event_type", "action", "event_ts",
            "original_ts", "comment_id", "parent_comment_id"),
    times=(("event_ts", LATENESS), ("CASE WHEN action = 'undo' THEN original_ts END", FACTS_KEPT)),
    rules=(
        ("undo_without_original_ts", "action = 'undo' AND original_ts IS NULL"),
        ("out_of_range:original_ts", "action = 'undo' AND original_ts > event_ts"),
    ),
    snowflake="impression_id",
    snowflake_hour=columns["impression_hour"].optional(),
)  # fmt: skip
HEARTBEATS = Event(
    "heartbeats",
    columns("impression_id", "viewer_id", "beat_seq", "beat_ts", "viewport_pct"),
    times=(("beat_ts", LATENESS), ("id_ts", LATENESS)),
    snowflake="impression_id",
    snowflake_hour=columns["impression_hour"],
)
SHARES = Event(
    "shares",
    columns("share_id", "original_post_id", "shared_post_id", "viewer_id", "share_ts", "channel"),
    times=(("share_ts", LATENESS),),
)
RANKER_MODELS = Event(
    "ranker_models",
    columns("ranker_model_id", "model_semver", "feature_set", "deployed_pct", "model_card_url",
            "effective_ts", "op"),
    rules=(("out_of_set:op", "op = 'delete'"),),
    optional_on_close=("feature_set", "deployed_pct", "ranker_model_id"),
)  # fmt: skip
POSTS = Event(
    "posts",
    columns("post_id", "creator_id", "media_type", "audio_id", "caption", "effective_ts", "op"),
    rules=(("out_of_set:op", "op = 'retire'"),),
    optional_on_close=("creator_id", "media_type"),
)
CREATORS = Event(
    "creators",
    columns("creator_id", "handle", "follower_count", "country", "effective_ts", "op"),
    rules=(("out_of_set:op", "op = 'retire'"),),
    optional_on_close=("handle", "follower_count"),
)
EVENTS = (IMPRESSIONS, ENGAGEMENTS, HEARTBEATS, SHARES, RANKER_MODELS, POSTS, CREATORS)
