-- question: How often were ads clicked in the last minutes, and by how many people?
-- grain: one row per ad that was clicked, most clicks first
-- note: >-
--   The minutes before an instant, half-open, sliding: `ago` moves the instant back from `end`. Valid clicks only.
-- inputs: [fct_ad_clicks]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "The instant is this hour, or before it by `ago`"}
--   ago: {type: INT, default: 0, low: 0, meaning: Minutes before `end`}
--   minutes: {type: INT, default: 5, low: 1, meaning: How many minutes before the instant}
--   limit: {type: INT, default: 50, low: 1, meaning: At most so many ads}
SELECT ad_id, count(*) AS ad_clicks, count(DISTINCT user_id) AS users
FROM fct_ad_clicks
WHERE is_valid
    AND click_hour >= date_trunc('hour', :end - make_dt_interval(0, 0, :ago + :minutes)) AND click_hour < :end
    AND click_ts >= :end - make_dt_interval(0, 0, :ago + :minutes) AND click_ts < :end - make_dt_interval(0, 0, :ago)
GROUP BY ad_id
ORDER BY ad_clicks DESC, ad_id
LIMIT :limit
