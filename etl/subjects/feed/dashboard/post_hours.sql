-- The negative rate of some posts by hour.
SELECT post_id, hour, impressions, negatives, negatives / impressions AS negative_rate
FROM agg_post_engagement_hourly
WHERE hour >= :start AND hour < :end AND impressions > 0 AND array_contains(:post_ids, post_id)
ORDER BY post_id, hour
