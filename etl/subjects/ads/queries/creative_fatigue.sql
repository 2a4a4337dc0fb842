-- question: How much does the CTR of a creative fall when the same people see it more often?
-- grain: one row per creative and frequency bucket, creatives with the most impressions first
-- inputs: [agg_creative_daily]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   min_impressions: {type: BIGINT, default: 1000, low: 0, meaning: Creatives with fewer impressions are left out}
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
