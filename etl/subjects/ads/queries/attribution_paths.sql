-- question: Which ads do people see and click before they convert?
-- grain: one row per path, most conversions first
-- note: >-
--   A path is the last valid touches (clicks and views) of any campaign in the seven days before a conversion, oldest
--   first. The credit still goes to the last click or view. A conversion without a touch is `organic`. Clicks and
--   impressions are kept for 30 days, so paths of conversions older than 23 days may lack their first touches.
-- inputs: [fct_attributed_conversion, fct_ad_clicks, fct_ad_impressions]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval of UTC days of conversions, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   touches: {type: INT, default: 3, low: 1, meaning: Number of last touches in a path}
--   limit: {type: INT, default: 50, low: 1, meaning: Maximum number of paths}
WITH touches AS (
    SELECT user_id, click_ts AS touch_ts, 'click' AS kind, campaign_id
    FROM fct_ad_clicks
    WHERE is_valid AND campaign_id IS NOT NULL AND advertiser_id IS NOT NULL
        AND click_hour >= CAST(:start AS TIMESTAMP) - INTERVAL 7 DAYS AND click_hour < CAST(:end AS TIMESTAMP)
    UNION ALL
    SELECT user_id, impression_ts, 'view', campaign_id
    FROM fct_ad_impressions
    WHERE is_valid AND campaign_id IS NOT NULL AND advertiser_id IS NOT NULL
        AND ad_impression_hour >= CAST(:start AS TIMESTAMP) - INTERVAL 7 DAYS AND ad_impression_hour < CAST(:end AS TIMESTAMP)
),
paths AS (
    SELECT
        c.conversion_id,
        any_value(c.value_usd) AS value_usd,
        array_sort(collect_list(CASE WHEN t.user_id IS NOT NULL THEN struct(t.touch_ts, t.kind, t.campaign_id) END)) AS path
    FROM fct_attributed_conversion AS c
        LEFT JOIN touches AS t ON c.user_id = t.user_id
            AND t.touch_ts <= c.conversion_ts AND t.touch_ts > c.conversion_ts - INTERVAL 7 DAYS
    WHERE c.day >= :start AND c.day < :end
    GROUP BY c.conversion_id
)
SELECT
    CASE WHEN size(path) = 0 THEN 'organic' ELSE array_join(
        transform(slice(path, greatest(size(path) - :touches + 1, 1), :touches), t -> concat(t.kind, ' ', t.campaign_id)), ' > '
    ) END AS path,
    count(*) AS conversions,
    sum(value_usd) AS value_usd
FROM paths
GROUP BY 1
ORDER BY conversions DESC, path
LIMIT :limit
