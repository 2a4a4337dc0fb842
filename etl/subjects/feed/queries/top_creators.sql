-- question: Which creators had the most shares in the last hours?
-- grain: one row per creator, most shares first; deleted posts do not count
-- note: >-
--   Views are impressions, reactions are settled likes, shares are settled shares. Erased creators are left out: an id
--   below -2^62 is a replacement id of one post of an erased creator.
-- inputs: [agg_post_engagement_hourly, dim_posts, dim_creators]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: HOUR, default: end - 24 hours, meaning: First hour of the interval}
--   limit: {type: INT, default: 50, low: 1, meaning: Maximum number of creators}
SELECT
    p.creator_id,
    any_value(c.handle) AS handle,
    sum(h.impressions) AS views,
    sum(h.likes) AS reactions,
    sum(h.shares) AS shares,
    CASE WHEN sum(h.impressions) > 0 THEN CAST(least(round(
        CAST(sum(h.shares) AS DECIMAL(20, 0)) / CAST(nullif(sum(h.impressions), 0) AS DECIMAL(18, 0)), 5
    ), 99.99999) AS DECIMAL(7, 5)) END AS share_rate
FROM agg_post_engagement_hourly AS h
    JOIN dim_posts AS p ON h.post_id = p.post_id AND p.is_current
    LEFT JOIN dim_creators AS c ON p.creator_id = c.creator_id AND c.is_current
WHERE h.hour >= :start AND h.hour < :end AND p.creator_id >= -4611686018427387904
GROUP BY p.creator_id
ORDER BY shares DESC, views DESC, p.creator_id
LIMIT :limit
