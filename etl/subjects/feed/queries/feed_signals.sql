-- question: How strong is the engagement of each post now, comparable between old and new posts?
-- grain: one row per post, strongest signal first; deleted posts are left out
-- note: >-
--   Engagement is settled likes, saves, shares, comments and follows. Impressions decay in the same way, so the rate does
--   not depend on the age of a post.
-- inputs: [agg_post_engagement_hourly, dim_posts]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "Time of the signals, exclusive; the hour before it has weight 1"}
--   start: {type: HOUR, default: end - 168 hours, meaning: First hour of the interval}
--   half_life_hours: {type: DOUBLE, default: 24, low: 0.01, meaning: The weight halves every so many hours}
--   limit: {type: INT, default: 100, low: 1, meaning: Maximum number of posts}
WITH weighted AS (
    SELECT
        post_id,
        impressions,
        likes + saves + shares + comments + follows AS engagements,
        pow(CAST(0.5 AS DOUBLE), (timestampdiff(HOUR, hour, :end) - 1) / :half_life_hours) AS weight
    FROM agg_post_engagement_hourly
    WHERE hour >= :start AND hour < :end
)
SELECT
    w.post_id,
    any_value(p.creator_id) AS creator_id,
    sum(w.engagements * w.weight) AS signal,
    sum(w.impressions * w.weight) AS decayed_impressions,
    sum(w.engagements * w.weight) / nullif(sum(w.impressions * w.weight), 0) AS signal_rate,
    sum(w.engagements) AS engagements,
    sum(w.impressions) AS impressions
FROM weighted AS w JOIN dim_posts AS p ON w.post_id = p.post_id AND p.is_current
GROUP BY w.post_id
ORDER BY signal DESC, w.post_id
LIMIT :limit
