-- question: What did each campaign earn for what it spent, and is the number final?
-- grain: one row per campaign, most spend first
-- note: >-
--   Days are the advertiser's. Conversions are those that came within seven days of their day; is_final says that every
--   day of the range is locked, so that nothing changes any more.
-- inputs: [mart_campaign_daily]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the range, not in it"}
--   start: {type: DATE, default: end - 28 days, meaning: First day of the range}
--   as_of: {type: DATE, default: end - 0 days, meaning: "Days locked before this day (UTC) are final"}
SELECT
    advertiser_id,
    campaign_id,
    sum(spend_usd) AS spend_usd,
    sum(conversions_click) AS conversions_click,
    sum(conversions_view) AS conversions_view,
    sum(value_usd_sum) AS value_usd,
    CASE WHEN sum(spend_usd) > 0 THEN round(sum(value_usd_sum) / sum(spend_usd), 4) END AS roas,
    max(locked_from) AS locked_from,
    max(locked_from) <= CAST(:as_of AS TIMESTAMP) AS is_final
FROM mart_campaign_daily
WHERE day >= :start AND day < :end
GROUP BY advertiser_id, campaign_id
ORDER BY spend_usd DESC, campaign_id, advertiser_id
