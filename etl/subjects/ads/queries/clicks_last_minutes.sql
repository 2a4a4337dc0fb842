-- question: How many clicks did each ad get in the last minutes, and from how many people?
-- grain: one row per ad with clicks, most clicks first
-- note: >-
--   The window is half-open and ends `ago` minutes before `end`. Only valid clicks count.
-- inputs: [fct_ad_clicks]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "The window ends at this hour, or `ago` minutes before it"}
--   ago: {type: INT, default: 0, low: 0, meaning: Minutes between the end of the window and `end`}
--   minutes: {type: INT, default: 5, low: 1, meaning: Length of the window in minutes}
--   limit: {type: INT, default: 50, low: 1, meaning: Maximum number of ads}
SELECT ad_id, count(*) AS ad_clicks, count(DISTINCT user_id) AS users
FROM fct_ad_clicks
WHERE is_valid
    AND click_hour >= date_trunc('hour', :end - make_dt_interval(0, 0, :ago + :minutes)) AND click_hour < :end
    AND click_ts >= :end - make_dt_interval(0, 0, :ago + :minutes) AND click_ts < :end - make_dt_interval(0, 0, :ago)
GROUP BY ad_id
ORDER BY ad_clicks DESC, ad_id
LIMIT :limit
