-- question: How do rates and dwell fall with the position in the feed?
-- grain: one row per model, surface and position bucket; a bucket is named by its first position, the last one has no end
-- note: >-
--   Without `model_semver`, each model version (ranker_model_id) has its own rows; with it, all versions of this release
--   are one model. Buckets: 0, 1, 2, 3–5, 6–10, 11–20, 21 and later.
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
    surface,
    position_bucket,
    sum(impressions) AS impressions,
    round(sum(likes) / sum(impressions), 5) AS like_rate,
    round(sum(negatives) / sum(impressions), 5) AS negative_rate,
    round(sum(dwell_ms_sum) / sum(impressions), 1) AS dwell_per_impression
FROM cells
GROUP BY model_semver, model_id, surface, position_bucket
ORDER BY model_semver, model_id, surface, position_bucket
