-- The 10 posts with the most impressions in the newest hour of a range, each with its share of the hour's impressions.
WITH newest AS (
  SELECT max(hour) AS hour FROM agg_post_engagement_hourly WHERE hour >= :start AND hour < :end AND impressions > 0
),
shown AS (
  SELECT post_id, hour, impressions, impressions / sum(impressions) OVER () AS share
  FROM agg_post_engagement_hourly JOIN newest USING (hour)
)
SELECT * FROM shown ORDER BY impressions DESC, post_id LIMIT 10
