-- Post-hours whose negative rate is over the floor and rose since the clock hour before; worst first.
-- A missing hour is not an hour before; a deleted post needs no review.
WITH hours AS (
  SELECT post_id, hour, impressions, negatives, negatives / impressions AS negative_rate
  FROM agg_post_engagement_hourly
  WHERE hour >= :start - INTERVAL 1 HOUR AND hour < :end AND impressions > 0
),
deleted AS (
  SELECT post_id FROM dim_posts GROUP BY post_id HAVING NOT bool_or(is_current) AND bool_or(is_deleted)
)
SELECT
  now.post_id, now.hour, now.impressions, now.negatives, now.negative_rate,
  now.negative_rate - before.negative_rate AS rise
FROM hours now
JOIN hours before ON before.post_id = now.post_id AND before.hour = now.hour - INTERVAL 1 HOUR
LEFT ANTI JOIN deleted ON deleted.post_id = now.post_id
WHERE now.hour >= :start AND now.impressions > :min_impressions AND now.negative_rate > :floor
  AND now.negative_rate - before.negative_rate > :rise
ORDER BY rise DESC, now.hour, now.post_id
