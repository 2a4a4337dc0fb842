-- Spend on valid impressions of ads without a known advertiser, in a range of hours. It belongs to no advertiser day.
SELECT
  count_if(local_day IS NULL) AS impressions, count(DISTINCT IF(local_day IS NULL, ad_id, NULL)) AS ads,
  CAST(sum(IF(local_day IS NULL, spend_micros, 0)) AS DECIMAL(20, 0)) * 0.000001 AS usd
FROM fct_ad_impressions
WHERE is_valid AND ad_impression_hour >= :start AND ad_impression_hour < :end
HAVING count(*) > 0
