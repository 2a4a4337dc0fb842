-- question: How does a creative's click rate fall the more often the same people see it?
-- grain: one row per creative and frequency of the day, the most shown creatives first
-- inputs: [agg_creative_daily]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the range, not in it"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the range}
--   min_impressions: {type: BIGINT, default: 1000, low: 0, meaning: Creatives shown less often are left out}
WITH per_bucket AS (
    SELECT advertiser_id, creative_id, frequency_bucket, sum(impressions) AS impressions, sum(ad_clicks) AS ad_clicks
    FROM agg_creative_daily
    WHERE day >= :start AND day < :end
    GROUP BY advertiser_id, creative_id, frequency_bucket
),
whole AS (
    SELECT *, sum(impressions) OVER (PARTITION BY advertiser_id, creative_id) AS shown FROM per_bucket
)
SELECT
    advertiser_id,
    creative_id,
    frequency_bucket,
    impressions,
    ad_clicks,
    CASE WHEN impressions > 0 THEN round(CAST(ad_clicks AS DECIMAL(20, 0)) / CAST(impressions AS DECIMAL(18, 0)), 7) END AS ctr
FROM whole
WHERE shown >= :min_impressions
ORDER BY shown DESC, creative_id, advertiser_id, frequency_bucket
