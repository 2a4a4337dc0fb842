-- question: How did a post spread through shares and shares of shares?
-- grain: one row per level of the share tree and hour; level 1 is the shares of the post itself
-- note: >-
--   depth is the number of levels, breadth the number of shares on the widest level, and reshare_factor the mean number
--   of shares of a share.
-- inputs: [fct_shares]
-- once: [total_shares, depth, breadth, reshare_factor]
-- parameters:
--   post_id: {type: BIGINT, meaning: The post at the root of the tree}
--   end: {type: HOUR, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: HOUR, default: end - 720 hours, meaning: First hour of the interval}
SELECT
    shared_post_id AS post_id,
    min_by(original_post_id, struct(share_ts, share_id)) AS parent_post_id,
    min(share_hour) AS hour
FROM fct_shares
WHERE share_hour >= :start AND share_hour < :end
GROUP BY shared_post_id
