-- Impressions and engagement per released model version over a range. One row per model_semver.
WITH ids AS (SELECT DISTINCT ranker_model_id, model_semver FROM dim_ranker_models),
deployed AS (SELECT model_semver, min(valid_from) AS first_deployed FROM dim_ranker_models GROUP BY model_semver)
SELECT
  model_semver, first_deployed,
  sum(impressions) AS impressions, hll_sketch_estimate(hll_union_agg(reach_hll)) AS viewers,
  sum(likes) AS likes, sum(saves) AS saves, sum(negatives) AS negatives, sum(regrets) AS regrets,
  if(count(likes_given) = count(*), sum(likes_given), NULL) AS likes_given,
  sum(dwell_ms_sum) AS dwell_ms_sum, sum(dwell_count) AS dwell_count
FROM agg_ranker_hourly JOIN ids USING (ranker_model_id) JOIN deployed USING (model_semver)
WHERE hour >= :start AND hour < :end
GROUP BY model_semver, first_deployed
ORDER BY first_deployed, model_semver
