SELECT item_id AS post_id, any_value(seller_id) AS creator_id, 'photo' AS media_type,
       min(ts) AS effective_ts, 'upsert' AS op
FROM log
GROUP BY item_id
