-- question: How strong is each post's engagement now, so that old and new posts compare?
-- grain: one row per post, strongest signal first; deleted posts are not served
-- note: >-
--   Engagement is settled likes, saves, shares, comments and follows; impressions decay alike, so the rate is
--   fair to age.
-- inputs: [agg_post_engagement_hourly, dim_posts]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: The moment signals are for; an hour that ends here counts in full}
--   start: {type: HOUR, default: end - 168 hours, meaning: First hour that counts}
--   half_life_hours: {type: DOUBLE, default: 24, low: 0.01, meaning: An hour this much older counts half}
--   limit: {type: INT, default: 100, low: 1, meaning: At most so many posts}
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
