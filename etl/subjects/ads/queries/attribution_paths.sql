-- question: Which ads do people see and click before they convert?
-- grain: one row per path, most conversions first
-- note: >-
--   A path is the last valid touches (clicks and views) of the conversion's advertiser in the 28 days before a
--   conversion, of any advertiser for rule version 1, oldest first. The credit still goes to the last click or view in
--   its window. A conversion without a touch is `organic`; repeats are left out. Clicks are kept for 60 days and
--   impressions for 37 days, so paths of conversions older than 9 days may lack their first views.
-- inputs: [fct_attributed_conversion, fct_ad_clicks, fct_ad_impressions]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval of UTC days of conversions, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   touches: {type: INT, default: 3, low: 1, meaning: Number of last touches in a path}
--   limit: {type: INT, default: 50, low: 1, meaning: Maximum number of paths}
WITH touches AS (
    SELECT user_id, click_ts AS touch_ts, 'click' AS kind, campaign_id, advertiser_id
    FROM fct_ad_clicks
    WHERE is_valid AND campaign_id IS NOT NULL AND advertiser_id IS NOT NULL
        AND click_hour >= CAST(:start AS TIMESTAMP) - INTERVAL 28 DAYS AND click_hour < CAST(:end AS TIMESTAMP)
    UNION ALL
    SELECT user_id, impression_ts, 'view', campaign_id, advertiser_id
    FROM fct_ad_impressions
    WHERE is_valid AND campaign_id IS NOT NULL AND advertiser_id IS NOT NULL
        AND ad_impression_hour >= CAST(:start AS TIMESTAMP) - INTERVAL 28 DAYS AND ad_impression_hour < CAST(:end AS TIMESTAMP)
),
paths AS (
    SELECT
        c.conversion_id,
        any_value(c.value_usd) AS value_usd,
        array_sort(collect_list(CASE WHEN t.user_id IS NOT NULL THEN struct(t.touch_ts, t.kind, t.campaign_id) END)) AS path
    FROM fct_attributed_conversion AS c
        LEFT JOIN touches AS t ON c.user_id = t.user_id
            AND (t.advertiser_id = c.advertiser_id OR coalesce(c.rule_version, 1) = 1)
            AND t.touch_ts <= c.conversion_ts AND t.touch_ts > c.conversion_ts - INTERVAL 28 DAYS
    WHERE c.day >= :start AND c.day < :end AND NOT coalesce(c.is_repeat, false)
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
