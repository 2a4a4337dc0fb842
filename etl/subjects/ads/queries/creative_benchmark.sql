-- question: Which creatives performed unusually well or badly for their advertiser?
-- grain: one row per creative and day in the top or bottom share of the advertiser's day, best first
-- note: >-
--   Only creatives with a score are ranked: 1,000 impressions, and two such creative-days of the advertiser in the 28
--   days before. The only creative of an advertiser on a day is left out, because there is nothing to compare it with.
-- inputs: [mart_creative_daily]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   share: {type: DECIMAL, default: "0.05", low: 0, meaning: Share of creatives at the top and at the bottom}
WITH ranked AS (
    SELECT
        *,
        percent_rank() OVER (PARTITION BY advertiser_id, day ORDER BY z_score) AS place,
        count(*) OVER (PARTITION BY advertiser_id, day) AS scored
    FROM mart_creative_daily
    WHERE day >= :start AND day < :end AND z_score IS NOT NULL
)
SELECT advertiser_id, creative_id, day, impressions, ad_clicks, ctr, z_score, z_score >= 0 AS is_good
FROM ranked
WHERE scored > 1 AND (place <= :share OR place >= 1 - :share)
ORDER BY z_score DESC, day, creative_id, advertiser_id
