-- question: Does each campaign spend its daily budget evenly over the hours of the advertiser's day?
-- grain: one row per campaign, local day and local hour in which it was live, in time order
-- note: >-
--   The pace is the spend of the day so far, divided by the spend that an even pace would have by the end of the hour
--   (even_usd). 1 is on pace; 0 means no delivery. The budget is the one that holds at the end of the hour. A day has as
--   many hours as local time gives it, and an hour that the clocks show twice is one row.
-- inputs: [fct_ad_impressions, dim_campaigns, dim_advertisers]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "The last day, inclusive, is the date of the hour before this one"}
--   start: {type: HOUR, default: end - 24 hours, meaning: The first day is the date of this hour}
--   as_of: {type: HOUR, default: latest, meaning: "Only hours that start before this one (UTC); later ones have no data"}
--   campaign_id: {type: BIGINT, default: null, meaning: Only this campaign}
WITH days AS (
    SELECT explode(sequence(to_date(:start), to_date(:end - INTERVAL 1 HOUR))) AS day
),
zoned AS (
    SELECT
        v.*,
        d.day,
        to_utc_timestamp(CAST(d.day AS TIMESTAMP), v.time_zone) AS day_from,
        to_utc_timestamp(CAST(date_add(d.day, 1) AS TIMESTAMP), v.time_zone) AS day_to
    FROM dim_advertisers AS v CROSS JOIN days AS d
),
slots AS (  -- half hours: no clock change is shorter
    SELECT *, explode(sequence(day_from, day_to - INTERVAL 30 MINUTES, INTERVAL 30 MINUTES)) AS slot_from
    FROM zoned
    WHERE day_from < day_to
),
live AS (
    SELECT
        c.campaign_id,
        s.day,
        hour(from_utc_timestamp(s.slot_from, s.time_zone)) AS local_hour,
        max_by(c.daily_budget_usd, struct(s.slot_from, c.valid_from)) AS daily_budget_usd,
        CAST(max(timestampdiff(MINUTE, s.day_from, s.slot_from) + 30) AS DECIMAL(5, 0)) AS minutes,
        CAST(max(timestampdiff(MINUTE, s.day_from, s.day_to)) AS DECIMAL(5, 0)) AS day_minutes
    FROM slots AS s
        JOIN dim_campaigns AS c ON s.advertiser_id = c.advertiser_id
    WHERE s.slot_from < :as_of AND (:campaign_id IS NULL OR c.campaign_id = :campaign_id)
        AND s.slot_from + INTERVAL 30 MINUTES > c.valid_from AND (c.valid_to IS NULL OR s.slot_from < c.valid_to)
        AND s.slot_from + INTERVAL 30 MINUTES > s.valid_from AND (s.valid_to IS NULL OR s.slot_from < s.valid_to)
    GROUP BY c.campaign_id, s.day, local_hour
),
hours AS (
    SELECT
        campaign_id,
        local_day AS day,
        hour(from_utc_timestamp(impression_ts, time_zone)) AS local_hour,
        CAST(CAST(sum(spend_micros) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(18, 6)) AS spend_usd
    FROM fct_ad_impressions
    WHERE is_valid AND campaign_id IS NOT NULL AND local_day IS NOT NULL
        AND ad_impression_hour >= :start - INTERVAL 38 HOURS AND ad_impression_hour < :end + INTERVAL 36 HOURS
        AND local_day >= to_date(:start) AND local_day <= to_date(:end - INTERVAL 1 HOUR)
        AND (:campaign_id IS NULL OR campaign_id = :campaign_id)
    GROUP BY campaign_id, local_day, local_hour
),
so_far AS (
    SELECT
        l.*,
        coalesce(h.spend_usd, 0) AS spend_usd,
        CAST(coalesce(sum(h.spend_usd) OVER (PARTITION BY campaign_id, day ORDER BY local_hour), 0) AS DECIMAL(18, 6))
            AS spent_usd
    FROM live AS l
        LEFT JOIN hours AS h USING (campaign_id, day, local_hour)
)
SELECT
    campaign_id,
    day,
    local_hour,
    spend_usd,
    spent_usd,
    daily_budget_usd,
    CAST(daily_budget_usd * minutes / day_minutes AS DECIMAL(18, 6)) AS even_usd,
    round(spent_usd * day_minutes / nullif(daily_budget_usd * minutes, 0), 4) AS pace
FROM so_far
ORDER BY campaign_id, day, local_hour
