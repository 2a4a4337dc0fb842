-- Post-hours whose negative rate is over the floor and jumped since the clock hour before; worst first.
-- A missing hour is not an hour before; a deleted post needs no review.
WITH hours AS (
  SELECT post_id, hour, impressions, negatives, negatives / impressions AS negative_rate
  FROM agg_post_engagement_hourly
  WHERE hour >= :start - INTERVAL 1 HOUR AND hour < :end AND impressions > 0
),
latest AS (
  SELECT post_id, max_by(is_deleted, valid_from) AS is_deleted, max_by(creator_id, valid_from) AS creator_id,
    max_by(caption, valid_from) AS caption
  FROM dim_posts GROUP BY post_id
),
creators AS (SELECT creator_id, max_by(handle, valid_from) AS handle FROM dim_creators GROUP BY creator_id)
SELECT
  now.post_id, now.hour, now.impressions, now.negatives, now.negative_rate,
  now.negative_rate - before.negative_rate AS jump, handle, caption
FROM hours now
JOIN hours before ON before.post_id = now.post_id AND before.hour = now.hour - INTERVAL 1 HOUR
LEFT JOIN latest ON latest.post_id = now.post_id
LEFT JOIN creators USING (creator_id)
WHERE now.hour >= :start AND now.impressions > :min_impressions AND now.negative_rate > :floor
  AND now.negative_rate - before.negative_rate > :jump AND NOT coalesce(is_deleted, false)
ORDER BY jump DESC, now.post_id, now.hour
