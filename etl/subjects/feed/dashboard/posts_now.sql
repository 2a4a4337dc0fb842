-- Creator and caption of some posts, and whether they are deleted, as of an instant.
WITH latest AS (
  SELECT post_id, max_by(creator_id, valid_from) AS creator_id, max_by(caption, valid_from) AS caption,
    NOT bool_or(is_current) AND bool_or(is_deleted) AS is_deleted,
        min(valid_from) AS published
  FROM dim_posts WHERE array_contains(:post_ids, post_id) GROUP BY post_id
),
creators AS (SELECT creator_id, max_by(handle, valid_from) AS handle FROM dim_creators GROUP BY creator_id)
SELECT post_id, is_deleted, published, caption, handle FROM latest LEFT JOIN creators USING (creator_id) ORDER BY post_id
