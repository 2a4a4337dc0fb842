-- question: Which ads got the most clicks in an interval of days?
-- grain: one row per ad, most clicks first
-- note: >-
--   Users over several days are estimated from merged sketches. A session across midnight counts in both days.
-- inputs: [agg_ad_clicks]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval of UTC days, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   limit: {type: INT, default: 50, low: 1, meaning: Maximum number of ads}
SELECT
    ad_id,
    sum(ad_clicks) AS ad_clicks,
    hll_sketch_estimate(hll_union_agg(users_hll)) AS users,
    sum(sessions) AS sessions
FROM agg_ad_clicks
WHERE day >= :start AND day < :end
GROUP BY ad_id
ORDER BY ad_clicks DESC, ad_id
LIMIT :limit
