-- question: Is one ranking model better than another for viewers?
-- grain: one row per metric, each with the verdict over all metrics
-- note: >-
--   A ramp creates new model versions, so each pair of versions that are live at the same time is one stage of a split.
--   Stages are not pooled, because their mix of days differs between the arms. The query uses the stage with the most
--   impressions in its smaller arm.
-- inputs: [mart_ranker_viewer_daily, dim_ranker_models]
-- once: [verdict, reason, control_viewers, treatment_viewers, crossovers, sample_ratio_p, cuped]
-- parameters:
--   control: {type: STRING, meaning: model_semver of the current model}
--   treatment: {type: STRING, meaning: model_semver of the model that may replace it}
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 30 days, meaning: First day of the interval}
--   pre_days: {type: INT, default: 14, low: 0, meaning: Days before start that CUPED may use}
--   minimum_effect: {type: DOUBLE, default: 0.05, low: 0, meaning: Smallest relative lift that matters}
WITH versions AS (
    SELECT
        ranker_model_id, model_semver, deployed_pct, valid_from, coalesce(valid_to, TIMESTAMP'9999-12-31') AS valid_to
    FROM dim_ranker_models
    WHERE model_semver IN (:control, :treatment)
),
days AS (
    SELECT * FROM mart_ranker_viewer_daily WHERE day >= date_sub(:start, :pre_days) AND day < :end
),
served AS (
    SELECT ranker_model_id, sum(impressions) AS impressions FROM days WHERE day >= :start GROUP BY ranker_model_id
),
stage AS (
    SELECT
        c.ranker_model_id AS control_id,
        t.ranker_model_id AS treatment_id,
        t.deployed_pct / nullif(c.deployed_pct + t.deployed_pct, 0) AS treatment_share
    FROM versions AS c
        JOIN versions AS t ON c.valid_from < t.valid_to AND t.valid_from < c.valid_to
        JOIN served AS cs ON c.ranker_model_id = cs.ranker_model_id
        JOIN served AS ts ON t.ranker_model_id = ts.ranker_model_id
    WHERE c.model_semver = :control AND t.model_semver = :treatment
    ORDER BY least(cs.impressions, ts.impressions) DESC, greatest(c.valid_from, t.valid_from) DESC
    LIMIT 1
),
before AS (
    SELECT
        viewer_id,
        sum(impressions) AS pre_impressions,
        sum(likes) AS pre_likes,
        sum(saves) AS pre_saves,
        sum(negatives) AS pre_negatives,
        sum(regrets) AS pre_regrets,
        coalesce(sum(likes_given), 0) AS pre_likes_given,
        sum(dwell_ms_sum) AS pre_dwell_ms_sum,
        sum(dwell_count) AS pre_dwell_count,
        bool_or(ranker_model_id IN (SELECT ranker_model_id FROM versions WHERE model_semver = :treatment)) AS pre_treated
    FROM days
    WHERE day < :start
    GROUP BY viewer_id
),
viewers AS (
    SELECT
        d.viewer_id,
        CASE count(DISTINCT d.ranker_model_id) WHEN 2 THEN 'both'
            ELSE CASE WHEN any_value(d.ranker_model_id = s.treatment_id) THEN 'treatment' ELSE 'control' END
        END AS arm,
        any_value(s.treatment_share) AS treatment_share,
        sum(d.impressions) AS impressions,
        sum(d.likes) AS likes,
        sum(d.saves) AS saves,
        sum(d.negatives) AS negatives,
        sum(d.regrets) AS regrets,
        sum(d.likes_given) AS likes_given,
        sum(d.dwell_ms_sum) AS dwell_ms_sum,
        sum(d.dwell_count) AS dwell_count,
        date_add(max(CASE WHEN d.likes_given IS NULL THEN d.day END), 1) AS known_from
    FROM days AS d JOIN stage AS s ON d.ranker_model_id IN (s.control_id, s.treatment_id)
    WHERE d.day >= :start
    GROUP BY d.viewer_id
)
SELECT
    v.*,
    coalesce(b.pre_impressions, 0) AS pre_impressions,
    coalesce(b.pre_likes, 0) AS pre_likes,
    coalesce(b.pre_saves, 0) AS pre_saves,
    coalesce(b.pre_negatives, 0) AS pre_negatives,
    coalesce(b.pre_regrets, 0) AS pre_regrets,
    coalesce(b.pre_likes_given, 0) AS pre_likes_given,
    coalesce(b.pre_dwell_ms_sum, 0) AS pre_dwell_ms_sum,
    coalesce(b.pre_dwell_count, 0) AS pre_dwell_count,
    coalesce(b.pre_treated, false) AS pre_treated
FROM viewers AS v LEFT JOIN before AS b ON v.viewer_id = b.viewer_id
