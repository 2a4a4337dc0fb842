-- The shares of some posts in order of time: the edges of one level of a share tree.
SELECT share_id, original_post_id, shared_post_id, share_ts, channel FROM fct_shares
WHERE array_contains(:post_ids, original_post_id)
ORDER BY share_ts, share_id
