-- question: What is the thread of comments under a post, or under one of its comments?
-- grain: one row per comment, sorted by depth and time; an undone comment keeps its place, without its author
-- note: >-
--   A comment whose parent is not in the interval starts a thread of its own. The query fails when comments form a cycle.
-- inputs: [fct_engagements, dim_posts]
-- parameters:
--   post_id: {type: BIGINT, meaning: The post; a deleted post has no thread}
--   comment_id: {type: BIGINT, default: null, meaning: Only this comment and the replies below it}
--   end: {type: HOUR, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: HOUR, default: end - 720 hours, meaning: First hour of the interval}
WITH acts AS (
    SELECT *, bool_or(is_undone) OVER (PARTITION BY viewer_id, event_ts) AS is_removed
    FROM fct_engagements
    WHERE event_type = 'comment' AND post_id = :post_id AND event_hour >= :start AND event_hour < :end
),
deleted AS (
    SELECT post_id FROM dim_posts WHERE post_id = :post_id
    GROUP BY post_id HAVING NOT bool_or(is_current) AND bool_or(is_deleted)
)
SELECT
    comment_id,
    min_by(parent_comment_id, struct(event_ts, engagement_id)) AS parent_comment_id,
    min_by(CASE WHEN is_removed THEN NULL ELSE viewer_id END, struct(event_ts, engagement_id)) AS viewer_id,
    min(event_ts) AS event_ts,
    min_by(is_removed, struct(event_ts, engagement_id)) AS is_removed
FROM acts LEFT ANTI JOIN deleted ON acts.post_id = deleted.post_id
WHERE NOT is_undone AND comment_id IS NOT NULL
GROUP BY comment_id
