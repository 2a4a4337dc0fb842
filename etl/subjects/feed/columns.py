"""The columns of the feed. Columns that other subjects use as well are in `etl/subjects/shared/columns.py`."""

from etl.model.contract import Column
from etl.model.vocabulary import Vocabulary
from etl.subjects.shared.columns import columns as shared

EVENT_TYPES = ("like", "save", "share", "comment", "follow_creator", "hide", "report")
ENGAGEMENT_MEASURES = (
    "likes", "saves", "shares", "comments", "follows", "hides", "reports", "negatives", "likes_given", "regrets",
)  # fmt: skip
UNKNOWN_IN_OLD_ROWS = ("hides", "reports", "likes_given")
"""Measures that releases before 0.2 did not have: NULL in the rows that they made."""
ENGAGEMENT_COLUMNS = tuple(f"{name}?" if name in UNKNOWN_IN_OLD_ROWS else name for name in ENGAGEMENT_MEASURES)
"""The names of the columns of `ENGAGEMENT_MEASURES` in a table of an earlier release."""
DWELL_MEASURES = ("dwell_ms_sum", "dwell_count")

columns = Vocabulary(
    # keys
    Column("impression_id", "BIGINT", "One post shown once; a snowflake id with the time", low=0, distinct=True),
    Column("engagement_id", "BIGINT", "One action of a viewer on a post; an undo has an id of its own", distinct=True),
    Column("share_id", "BIGINT", "One share", distinct=True),
    Column("post_id", "BIGINT", "The post", aliases=("item_id", "content_id")),
    Column("creator_id", "BIGINT", "The person who published the post", privacy="creator",
           aliases=("author_id", "publisher_id")),
    Column("ranker_model_id", "BIGINT", "The model version that ranked the post, as recorded when it was served"),
    Column("device_id", "BIGINT", "The viewer's device", privacy="viewer", nullable=True),
    Column("comment_id", "BIGINT", "The new comment; set for comments only", nullable=True),
    Column("parent_comment_id", "BIGINT", "The comment that this comment replies to", nullable=True),
    Column("original_post_id", "BIGINT", "The post that was shared"),
    Column("shared_post_id", "BIGINT", "The new post that the share created"),
    Column("audio_id", "BIGINT", "The sound of the post", nullable=True),
    Column("post_sk", "BIGINT", "Surrogate key of the version: hash of (post_id, valid_from)"),
    Column("creator_sk", "BIGINT", "Surrogate key of the version: hash of (creator_id, valid_from)"),
    # as served
    Column("feed_position", "SMALLINT", "Position in the feed, from the top", low=0, high=32767, aliases=("rank",)),
    Column("predicted_score", "DECIMAL(8,6)", "The score of the model for the post, as recorded when it was served",
           low=-99.999999, high=99.999999),
    Column("position_bucket", "SMALLINT", "First position of the bucket: 0, 1, 2, 3 (to 5), 6 (to 10), 11 (to 20), 21",
           low=0, high=21),
    Column("score_bucket", "DECIMAL(2,1)", "Lower end of the bucket of predicted_score, inclusive: 0.0 to 0.9",
           low=0, high=0.9),
    # actions
    Column("event_type", "STRING", "What the viewer did", values=EVENT_TYPES),
    Column("action", "STRING", "do, or undo of an earlier action", values=("do", "undo")),
    Column("is_undone", "BOOLEAN", "True for the row that undoes an earlier action"),
    Column("channel", "STRING", "How the post was shared", nullable=True, example="link"),
    Column("beat_seq", "INT", "Number of the heartbeat within the impression; one every 250 ms", low=0, high=345599),
    Column("viewport_pct", "DECIMAL(5,2)", "Largest visible part of the post", unit="fraction", low=0, high=1),
    Column("was_full_view", "BOOLEAN", "At some beat at least 0.99 of the post was visible, before rounding"),
    Column("beat_words", "ARRAY<BIGINT>", "Bit set of the beats, 64 per word; duplicates do not change it"),
    Column("dwell_ms", "INT", "Time on the post: 250 ms for each distinct beat", unit="ms", low=250),
    # dimensions
    Column("model_semver", "STRING", "Released version of a ranking model", example="v1.0.0"),
    Column("feature_set", "STRING", "Features the model reads"),
    Column("deployed_pct", "DECIMAL(5,2)", "Traffic share of this model version", unit="percent", low=0, high=100),
    Column("model_card_url", "STRING", "URL of the model card", nullable=True),
    Column("media_type", "STRING", "Kind of post", example="photo"),
    Column("caption", "STRING", "Text under the post", privacy="text", nullable=True),
    Column("handle", "STRING", "Public name of a creator", privacy="creator"),
    Column("follower_count", "BIGINT", "Followers of a creator", low=0),
    Column("country", "STRING", "Country of a creator", nullable=True),
    # times
    Column("original_ts", "TIMESTAMP", "For an undo: when the undone action happened", nullable=True),
    Column("undone_ts", "TIMESTAMP", "When the action was undone", nullable=True),
    Column("share_ts", "TIMESTAMP", "When the post was shared", distinct=True),
    Column("beat_ts", "TIMESTAMP", "When the heartbeat was sent", distinct=True),
    Column("impression_hour", "TIMESTAMP", "The hour contained in impression_id"),
    Column("first_impression_ts", "TIMESTAMP", "impression_ts of the first of the impressions that the row counts"),
    Column("share_hour", "TIMESTAMP", "The hour of share_ts"),
    # measures
    Column("likes", "BIGINT", "Settled likes", low=0),
    Column("saves", "BIGINT", "Settled saves", low=0),
    Column("shares", "BIGINT", "Settled shares", low=0),
    Column("comments", "BIGINT", "Settled comments", low=0),
    Column("follows", "BIGINT", "Settled follows of the creator", low=0),
    Column("hides", "BIGINT", "Settled hides", low=0),
    Column("reports", "BIGINT", "Settled reports", low=0),
    Column("negatives", "BIGINT", "Settled hides and reports", low=0),
    Column("likes_given", "BIGINT", "Likes by viewer, post and time, undone or not, settled or not", low=0),
    Column("regrets", "BIGINT", "Likes whose first undo came less than 5 minutes after them", low=0),
    Column("full_views", "BIGINT", "Impressions with a full view", low=0),
    Column("dwell_ms_sum", "BIGINT", "Sum of dwell", unit="ms", low=0),
    Column("dwell_count", "BIGINT", "Number of impressions with dwell", low=0),
    Column("engaged_impressions", "BIGINT", "Impressions with a settled like, save, share, comment or follow", low=0),
    Column("predicted_score_sum", "DECIMAL(18,6)", "Sum of predicted_score over the impressions"),
    Column("engagements", "BIGINT", "Settled engagements of every type", low=0),
    Column("like_rate", "DECIMAL(7,5)", "Settled likes per impression", unit="ratio", low=0),
    Column("save_rate", "DECIMAL(7,5)", "Settled saves per impression", unit="ratio", low=0),
    Column("share_rate", "DECIMAL(7,5)", "Settled shares per impression", unit="ratio", low=0),
    Column("negative_rate", "DECIMAL(7,5)", "Settled hides and reports per impression", unit="ratio", low=0),
    Column("avg_dwell_ms", "INT", "dwell_ms_sum / dwell_count, half up; 0 if none", unit="ms", low=0),
    Column("records_accepted", "BIGINT", "Accepted landed records, including duplicates", unit="records", low=0),
    Column("records_late", "BIGINT", "Late-arriving records: accepted records of an hour before their landed hour",
           unit="records", low=0),
    Column("records_quarantined", "BIGINT", "Landed records and unreadable files that were quarantined",
           unit="records", low=0),
    Column("lag_kll", "BINARY", "Mergeable KLL sketch of lag (end of the landed hour - event time); NULL without facts",
           unit="s", nullable=True),
    Column("top_audio_id", "BIGINT", "Audio with the most dwell, as of the impression; ties go to the smallest id",
           nullable=True),
    extends=shared,
)  # fmt: skip
