SELECT snowflake_id(ts, number) AS engagement_id,
       snowflake_id(ts, number) AS impression_id,
       user_id AS viewer_id,
       item_id AS post_id,
       'like' AS event_type,
       'do' AS action,
       ts AS event_ts
FROM (SELECT *, row_number() OVER (ORDER BY ts, user_id, position) AS number FROM log)
WHERE clicked
