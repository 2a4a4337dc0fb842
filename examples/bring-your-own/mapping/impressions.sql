SELECT snowflake_id(ts, number) AS impression_id,
       user_id AS viewer_id,
       item_id AS post_id,
       position AS feed_position,
       'feed' AS surface,
       CASE model WHEN 'control' THEN 1 ELSE 2 END AS ranker_model_id,
       score AS predicted_score,
       ts AS impression_ts
FROM (SELECT *, row_number() OVER (ORDER BY ts, user_id, position) AS number FROM log)
