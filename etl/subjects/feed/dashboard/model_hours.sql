-- Impressions and engagement per released model version and hour of the impression.
WITH ids AS (SELECT DISTINCT ranker_model_id, model_semver FROM dim_ranker_models)
SELECT
  model_semver, hour,
  sum(impressions) AS impressions, hll_sketch_estimate(hll_union_agg(reach_hll)) AS viewers,
  sum(likes) AS likes, sum(saves) AS saves, sum(negatives) AS negatives, sum(regrets) AS regrets,
  if(count(likes_given) = count(*), sum(likes_given), NULL) AS likes_given,
  sum(dwell_ms_sum) AS dwell_ms_sum, sum(dwell_count) AS dwell_count
FROM agg_ranker_hourly JOIN ids USING (ranker_model_id)
WHERE hour >= :start AND hour < :end
GROUP BY model_semver, hour
ORDER BY model_semver, hour
