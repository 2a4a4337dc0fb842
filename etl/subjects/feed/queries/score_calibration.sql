-- question: Do the scores of a model say how often people react?
-- grain: one row per model and score bucket; a bucket is named by its lower end, which belongs to it
-- note: >-
--   A model is calibrated when its mean predicted score is the share of impressions with a settled like, save, share,
--   comment or follow within 24 hours. Without `model_semver`, each model version (ranker_model_id) has its own rows;
--   with it, all versions of this release are one model. The regret rate is NULL without a like.
-- inputs: [agg_ranker_position_daily, dim_ranker_models]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   model_semver: {type: STRING, default: null, meaning: "Only this released model, all its versions together"}
WITH released AS (SELECT DISTINCT ranker_model_id, model_semver FROM dim_ranker_models),
cells AS (
    SELECT r.model_semver, CASE WHEN :model_semver IS NULL THEN d.ranker_model_id END AS model_id, d.*
    FROM agg_ranker_position_daily AS d LEFT JOIN released AS r ON d.ranker_model_id = r.ranker_model_id
    WHERE d.day >= :start AND d.day < :end AND (:model_semver IS NULL OR r.model_semver = :model_semver)
)
SELECT
    model_semver,
    model_id AS ranker_model_id,
    score_bucket,
    sum(impressions) AS impressions,
    round(sum(predicted_score_sum) / sum(impressions), 5) AS mean_predicted_score,
    round(sum(engaged_impressions) / sum(impressions), 5) AS engaged_share,
    round(sum(regrets) / nullif(sum(likes_given), 0), 5) AS regret_rate
FROM cells
GROUP BY model_semver, model_id, score_bucket
ORDER BY model_semver, model_id, score_bucket
