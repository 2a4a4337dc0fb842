-- Impressions, clicks and distinct people over a range of advertiser days.
SELECT
  sum(impressions) AS impressions, sum(ad_clicks) AS ad_clicks, hll_sketch_estimate(hll_union_agg(reach_hll)) AS viewers
FROM mart_campaign_daily
WHERE day >= :start AND day < :end
HAVING count(*) > 0
