-- question: Which posts turn toxic from one hour to the next and need a review?
-- grain: one row per post and hour above both limits, largest rise first; deleted posts are left out
-- note: >-
--   Each hour is compared with the clock hour before it. An hour is left out when the post had no impressions in the
--   hour before.
-- inputs: [agg_post_engagement_hourly, dim_posts]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: HOUR, default: end - 24 hours, meaning: "First hour of the interval; the hour before it is read, too"}
--   min_impressions: {type: BIGINT, default: 1000, low: 0, meaning: An hour must have more impressions than this}
--   floor: {type: DECIMAL, default: "0.005", low: 0, meaning: Negatives per impression must be above this}
--   rise: {type: DECIMAL, default: "0.003", low: 0, meaning: The rise over the previous hour must be above this}
--   limit: {type: INT, default: 500, low: 1, meaning: Maximum number of rows}
WITH post_hours AS (
    SELECT post_id, hour, impressions, negatives, negatives / CAST(impressions AS DECIMAL(18, 0)) AS negative_rate
    FROM agg_post_engagement_hourly
    WHERE hour >= :start - INTERVAL 1 HOUR AND hour < :end AND impressions > 0
),
deleted AS (
    SELECT post_id FROM dim_posts GROUP BY post_id HAVING NOT bool_or(is_current) AND bool_or(is_deleted)
)
SELECT
    now.post_id,
    now.hour,
    now.impressions,
    now.negatives,
    round(now.negative_rate, 5) AS negative_rate,
    round(before.negative_rate, 5) AS previous_rate,
    round(now.negative_rate - before.negative_rate, 5) AS rise
FROM post_hours AS now
    JOIN post_hours AS before ON now.post_id = before.post_id AND before.hour = now.hour - INTERVAL 1 HOUR
    LEFT ANTI JOIN deleted ON now.post_id = deleted.post_id
WHERE now.hour >= :start
    AND now.impressions > :min_impressions
    AND now.negatives > :floor * now.impressions
    AND CAST(now.negatives AS DECIMAL(14, 0)) * before.impressions - CAST(before.negatives AS DECIMAL(14, 0)) * now.impressions
        > :rise * CAST(now.impressions AS DECIMAL(14, 0)) * before.impressions
ORDER BY now.negative_rate - before.negative_rate DESC, now.hour, now.post_id
LIMIT :limit
