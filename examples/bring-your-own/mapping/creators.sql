SELECT seller_id AS creator_id, concat('seller-', seller_id) AS handle, 0 AS follower_count,
       min(ts) AS effective_ts, 'upsert' AS op
FROM log
GROUP BY seller_id
