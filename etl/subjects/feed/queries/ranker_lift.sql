-- question: Is one ranking model better than another for viewers?
-- grain: one row per metric, each with the verdict over all metrics
-- note: >-
--   Only days on which both models served with one share each count; days on which a share changed are left out, and
--   times of equal shares are stages. A viewer, with all impressions of these days, belongs to the model of the first
--   one. `standardized_difference` compares within positions of the feed, weighed by the positions of the control;
--   `left_out` is the control's share of impressions at positions without the other model. Without a pseudonym key an
--   interval has at most 16 days, because marts per viewer are then kept for 30.
-- max_days_without_key: 16
-- inputs: [mart_ranker_viewer_daily, agg_ranker_position_daily, dim_ranker_models]
-- once: [verdict, reason, control_viewers, treatment_viewers, crossovers, sample_ratio_p, cuped, days, days_left_out]
-- parameters:
--   control: {type: STRING, meaning: model_semver of the current model}
--   treatment: {type: STRING, meaning: model_semver of the model that may replace it}
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 16 days, meaning: First day of the interval}
--   pre_days: {type: INT, default: 14, low: 0, meaning: Days before start that CUPED may use}
--   minimum_effect: {type: DOUBLE, default: 0.05, low: 0, meaning: Smallest relative lift that matters}
WITH versions AS (
    SELECT
        ranker_model_id,
        model_semver = :treatment AS is_treatment,
        deployed_pct,
        valid_from,
        coalesce(valid_to, TIMESTAMP'9999-12-31') AS valid_to
    FROM dim_ranker_models
    WHERE model_semver IN (:control, :treatment)
),
models AS (
    SELECT DISTINCT ranker_model_id, is_treatment FROM versions
),
calendar AS (
    SELECT explode(sequence(:start, date_sub(:end, 1))) AS day
),
live AS (
    SELECT
        c.day,
        v.is_treatment,
        CASE WHEN min(v.deployed_pct) = max(v.deployed_pct) AND sum(
            unix_micros(least(v.valid_to, CAST(date_add(c.day, 1) AS TIMESTAMP)))
            - unix_micros(greatest(v.valid_from, CAST(c.day AS TIMESTAMP)))
        ) = 86400000000 THEN min(v.deployed_pct) END AS pct
    FROM calendar AS c
        JOIN versions AS v ON v.valid_from < CAST(date_add(c.day, 1) AS TIMESTAMP) AND v.valid_to > CAST(c.day AS TIMESTAMP)
    WHERE v.deployed_pct > 0
    GROUP BY c.day, v.is_treatment
),
both_live AS (
    SELECT c.day, c.pct AS control_pct, t.pct AS treatment_pct, t.pct / (c.pct + t.pct) AS treatment_share
    FROM live AS c JOIN live AS t ON c.day = t.day AND t.is_treatment AND NOT c.is_treatment
),
stages AS (
    SELECT * FROM both_live WHERE treatment_share IS NOT NULL
),
before AS (
    SELECT
        d.viewer_id,
        sum(d.impressions) AS pre_impressions,
        sum(d.likes) AS pre_likes,
        sum(d.saves) AS pre_saves,
        sum(d.negatives) AS pre_negatives,
        sum(d.regrets) AS pre_regrets,
        coalesce(sum(d.likes_given), 0) AS pre_likes_given,
        sum(d.dwell_ms_sum) AS pre_dwell_ms_sum,
        sum(d.dwell_count) AS pre_dwell_count,
        coalesce(bool_or(m.is_treatment), false) AS pre_treated
    FROM mart_ranker_viewer_daily AS d LEFT JOIN models AS m ON d.ranker_model_id = m.ranker_model_id
    WHERE d.day >= date_sub(:start, :pre_days) AND d.day < :start
    GROUP BY d.viewer_id
),
viewers AS (
    SELECT
        d.viewer_id,
        min(struct(
            coalesce(d.first_impression_ts, CAST(d.day AS TIMESTAMP)) AS at,
            m.is_treatment, s.control_pct, s.treatment_pct, s.treatment_share
        )) AS first,
        bool_or(m.is_treatment) AND bool_or(NOT m.is_treatment) AS saw_both,
        sum(d.impressions) AS impressions,
        sum(d.likes) AS likes,
        sum(d.saves) AS saves,
        sum(d.negatives) AS negatives,
        sum(d.regrets) AS regrets,
        coalesce(sum(d.likes_given), 0) AS likes_given,
        sum(d.dwell_ms_sum) AS dwell_ms_sum,
        sum(d.dwell_count) AS dwell_count,
        date_add(max(CASE WHEN d.likes_given IS NULL THEN d.day END), 1) AS known_from
    FROM mart_ranker_viewer_daily AS d
        JOIN models AS m ON d.ranker_model_id = m.ranker_model_id
        JOIN stages AS s ON d.day = s.day
    WHERE d.day >= :start AND d.day < :end
    GROUP BY d.viewer_id
),
positions AS (
    SELECT
        m.is_treatment, s.control_pct, s.treatment_pct, any_value(s.treatment_share) AS treatment_share, p.position_bucket,
        sum(p.impressions) AS impressions,
        sum(p.likes) AS likes,
        sum(p.saves) AS saves,
        sum(p.negatives) AS negatives,
        sum(p.regrets) AS regrets,
        sum(p.likes_given) AS likes_given,
        sum(p.dwell_ms_sum) AS dwell_ms_sum,
        sum(p.dwell_count) AS dwell_count
    FROM agg_ranker_position_daily AS p
        JOIN models AS m ON p.ranker_model_id = m.ranker_model_id
        JOIN stages AS s ON p.day = s.day
    WHERE p.day >= :start AND p.day < :end
    GROUP BY m.is_treatment, s.control_pct, s.treatment_pct, p.position_bucket
)
SELECT
    'viewer' AS kind,
    v.first.is_treatment AS is_treatment,
    v.first.control_pct AS control_pct,
    v.first.treatment_pct AS treatment_pct,
    v.first.treatment_share AS treatment_share,
    CAST(NULL AS SMALLINT) AS position_bucket,
    v.impressions, v.likes, v.saves, v.negatives, v.regrets, v.likes_given, v.dwell_ms_sum, v.dwell_count,
    v.saw_both,
    v.known_from,
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
UNION ALL
SELECT
    'position', is_treatment, control_pct, treatment_pct, treatment_share, position_bucket,
    impressions, likes, saves, negatives, regrets, likes_given, dwell_ms_sum, dwell_count,
    false, NULL, 0, 0, 0, 0, 0, 0, 0, 0, false
FROM positions
UNION ALL
SELECT
    CASE WHEN treatment_share IS NULL THEN 'left out' ELSE 'compared' END, false, NULL, NULL, NULL, NULL,
    0, 0, 0, 0, 0, 0, 0, 0, false, NULL, 0, 0, 0, 0, 0, 0, 0, 0, false
FROM both_live
