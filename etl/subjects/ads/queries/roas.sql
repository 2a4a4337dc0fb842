-- question: What is the return on ad spend of each campaign, by window, and is it final?
-- grain: one row per campaign, most spend first
-- note: >-
--   Days are in the time zone of the advertiser. Conversions of the campaign's objective_event count, each outcome once,
--   when they are received within seven days after their day. is_final is true when every day of the interval is locked
--   (see locked_from), including days without a row: no conversion changes the figures any more. A conversion counts in
--   the click window or, without a click, in the view window, so roas is the sum of both except for rounding.
-- inputs: [mart_campaign_daily, dim_advertisers]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 28 days, meaning: First day of the interval}
--   as_of: {type: DATE, default: latest - 1 days, meaning: "Days locked by the start of this day (UTC) are final"}
WITH closing AS (
    SELECT advertiser_id, max(to_utc_timestamp(CAST(date_add(:end, 7) AS TIMESTAMP), time_zone)) AS closed_from
    FROM dim_advertisers  -- time zones that hold while the last day ends
    WHERE valid_from < CAST(:end AS TIMESTAMP) + INTERVAL 12 HOURS
        AND (valid_to IS NULL OR valid_to > CAST(:end AS TIMESTAMP) - INTERVAL 14 HOURS)
    GROUP BY advertiser_id
),
sums AS (
    SELECT
        advertiser_id,
        campaign_id,
        CAST(sum(spend_usd) AS DECIMAL(18, 6)) AS spend_usd,
        sum(conversions_click) AS conversions_click,
        sum(conversions_view) AS conversions_view,
        CAST(sum(value_usd_sum) AS DECIMAL(18, 2)) AS value_usd,
        CAST(sum(value_click_usd) AS DECIMAL(18, 2)) AS value_click_usd,
        CAST(sum(value_view_usd) AS DECIMAL(18, 2)) AS value_view_usd,
        max(locked_from) AS locked_from
    FROM mart_campaign_daily
    WHERE day >= :start AND day < :end
    GROUP BY advertiser_id, campaign_id
)
SELECT
    advertiser_id,
    campaign_id,
    spend_usd,
    conversions_click,
    conversions_view,
    value_usd,
    value_click_usd,
    value_view_usd,
    round(value_usd / nullif(spend_usd, 0), 6) AS roas,
    round(value_click_usd / nullif(spend_usd, 0), 6) AS roas_click,
    round(value_view_usd / nullif(spend_usd, 0), 6) AS roas_view,
    greatest(locked_from, closed_from) AS locked_from,
    greatest(locked_from, closed_from) <= CAST(:as_of AS TIMESTAMP) AS is_final
FROM sums LEFT JOIN closing USING (advertiser_id)
ORDER BY spend_usd DESC, campaign_id, advertiser_id
