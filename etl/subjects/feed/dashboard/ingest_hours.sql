-- Landed records per landed hour. `facts` are the records that can be late. Lag in seconds, NULL without facts.
SELECT
  landed_hour AS hour,
  sum(if(event = 'impressions', records_accepted, 0)) AS impressions,
  sum(records_accepted) AS accepted, sum(records_quarantined) AS quarantined,
  sum(if(lag_kll IS NULL, 0, records_accepted)) AS facts, sum(records_late) AS late,
  if(count(lag_kll) > 0, kll_sketch_get_quantile_bigint(kll_merge_agg_bigint(lag_kll), 0.5D), NULL) AS lag_p50,
  if(count(lag_kll) > 0, kll_sketch_get_quantile_bigint(kll_merge_agg_bigint(lag_kll), 0.9D), NULL) AS lag_p90,
  if(count(lag_kll) > 0, kll_sketch_get_quantile_bigint(kll_merge_agg_bigint(lag_kll), 0.99D), NULL) AS lag_p99
FROM agg_ingest_hourly
WHERE landed_hour >= :start AND landed_hour < :end
GROUP BY landed_hour
ORDER BY landed_hour
