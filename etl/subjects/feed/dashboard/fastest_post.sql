-- The post-hour whose negative rate rose most over the hour before, at any level.
WITH hours AS (
  SELECT post_id, hour, impressions, negatives / impressions AS negative_rate FROM agg_post_engagement_hourly
  WHERE hour >= :start - INTERVAL 1 HOUR AND hour < :end AND impressions > 0
)
SELECT now.post_id, now.hour, now.negative_rate - before.negative_rate AS rise
FROM hours now
JOIN hours before ON before.post_id = now.post_id AND before.hour = now.hour - INTERVAL 1 HOUR
WHERE now.hour >= :start AND now.impressions > :min_impressions
ORDER BY rise DESC, now.post_id, now.hour
LIMIT 1
