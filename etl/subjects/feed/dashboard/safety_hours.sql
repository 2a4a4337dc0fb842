-- Per hour: posts with enough impressions to judge, how many are over the floor, and P99 of their negative and report rates.
SELECT
  hour, count(*) AS judged, count_if(negatives / impressions > :floor) AS over_floor,
  percentile(negatives / impressions, 0.99) AS negative_p99,
  percentile(reports / impressions, 0.99) AS report_p99
FROM agg_post_engagement_hourly
WHERE hour >= :start AND hour < :end AND impressions > :min_impressions
GROUP BY hour
ORDER BY hour
