-- question: How did each post of a creator perform in an interval of days, and how many people did the creator reach?
-- grain: one row per post of the creator with impressions, most impressions first; is_deleted marks deleted posts
-- note: >-
--   A rate is settled reactions / impressions, whether or not the reaction names an impression. Reactions through deep
--   links count, so a rate may exceed 1. It is at most 99.99999; a rate at this limit was cut.
-- inputs: [mart_post_engagement_daily, dim_posts]
-- once: [creator_reach, creator_impressions]
-- parameters:
--   creator_id: {type: BIGINT, meaning: The creator}
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 30 days, meaning: First day of the interval}
WITH posts AS (
    SELECT post_id, max_by(creator_id, valid_from) AS creator_id, NOT bool_or(is_current) AS is_deleted
    FROM dim_posts
    GROUP BY post_id
    HAVING max_by(creator_id, valid_from) = :creator_id
),
post_days AS (
    SELECT m.*, p.is_deleted
    FROM mart_post_engagement_daily AS m JOIN posts AS p ON m.post_id = p.post_id
    WHERE m.day >= :start AND m.day < :end
),
per_post AS (
    SELECT
        post_id,
        sum(impressions) AS impressions,
        hll_union_agg(reach_hll) AS reach_hll,
        sum(likes) AS likes,
        sum(saves) AS saves,
        sum(shares) AS shares,
        sum(dwell_ms_sum) AS dwell_ms_sum,
        sum(dwell_count) AS dwell_count,
        bool_and(is_deleted) AS is_deleted
    FROM post_days
    GROUP BY post_id
),
creator AS (
    SELECT hll_sketch_estimate(hll_union_agg(reach_hll)) AS creator_reach, sum(impressions) AS creator_impressions
    FROM per_post
)
SELECT
    post_id,
    impressions,
    hll_sketch_estimate(reach_hll) AS reach,
    likes,
    saves,
    shares,
    CAST(least(round(CAST(likes AS DECIMAL(20, 0)) / CAST(impressions AS DECIMAL(18, 0)), 5), 99.99999) AS DECIMAL(7, 5)) AS like_rate,
    CAST(least(round(CAST(saves AS DECIMAL(20, 0)) / CAST(impressions AS DECIMAL(18, 0)), 5), 99.99999) AS DECIMAL(7, 5)) AS save_rate,
    CAST(least(round(CAST(shares AS DECIMAL(20, 0)) / CAST(impressions AS DECIMAL(18, 0)), 5), 99.99999) AS DECIMAL(7, 5)) AS share_rate,
    CASE WHEN dwell_count = 0 THEN 0 ELSE (2 * dwell_ms_sum + dwell_count) DIV (2 * dwell_count) END AS avg_dwell_ms,
    is_deleted,
    creator_reach,
    creator_impressions
FROM per_post CROSS JOIN creator
ORDER BY impressions DESC, post_id
