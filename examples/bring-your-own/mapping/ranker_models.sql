SELECT DISTINCT CASE model WHEN 'control' THEN 1 ELSE 2 END AS ranker_model_id,
       model AS model_semver, 'all' AS feature_set, 50.0 AS deployed_pct,
       min(ts) OVER () AS effective_ts, 'upsert' AS op
FROM log
