-- question: Does each campaign spend its daily budget evenly, hour by hour where the advertiser is?
-- grain: one row per campaign, day and local hour with spend, in order
-- note: >-
--   Spent so far in the day over the share of the budget that an even pace would have spent by the end of the hour;
--   1 is on pace. The budget is the one at the last impression of the hour.
-- inputs: [fct_ad_impressions, dim_campaigns]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "Days that begin before this hour's day, UTC by name"}
--   start: {type: HOUR, default: end - 24 hours, meaning: Days from this hour's day on}
--   campaign_id: {type: BIGINT, default: null, meaning: Only this campaign}
WITH hours AS (
    SELECT
        campaign_id,
        local_day,
        hour(from_utc_timestamp(impression_ts, time_zone)) AS local_hour,
        CAST(sum(spend_micros) AS DECIMAL(20, 0)) * 0.000001 AS spend_usd,
        max(impression_ts) AS last_ts
    FROM fct_ad_impressions
    WHERE is_valid AND campaign_id IS NOT NULL AND local_day IS NOT NULL
        AND ad_impression_hour >= :start - INTERVAL 38 HOURS AND ad_impression_hour < :end + INTERVAL 36 HOURS
        AND local_day >= to_date(:start) AND local_day <= to_date(:end - INTERVAL 1 HOUR)
        AND (:campaign_id IS NULL OR campaign_id = :campaign_id)
    GROUP BY campaign_id, local_day, local_hour
),
so_far AS (
    SELECT *, sum(spend_usd) OVER (PARTITION BY campaign_id, local_day ORDER BY local_hour) AS spent_usd FROM hours
)
SELECT
    s.campaign_id,
    s.local_day AS day,
    s.local_hour,
    s.spend_usd,
    s.spent_usd,
    c.daily_budget_usd,
    round(s.spent_usd * 24 / (nullif(c.daily_budget_usd, 0) * (s.local_hour + 1)), 4) AS pace
FROM so_far AS s
    LEFT JOIN dim_campaigns AS c ON s.campaign_id = c.campaign_id
        AND s.last_ts >= c.valid_from AND (c.valid_to IS NULL OR s.last_ts < c.valid_to)
ORDER BY s.campaign_id, s.local_day, s.local_hour
