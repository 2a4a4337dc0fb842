-- question: Which ads were clicked most over a range of days?
-- grain: one row per ad, most clicks first
-- note: >-
--   Users over several days are estimated from merged sketches; a session over midnight counts in both days.
-- inputs: [agg_ad_clicks]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the range of UTC days, not in it"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the range}
--   limit: {type: INT, default: 50, low: 1, meaning: At most so many ads}
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
