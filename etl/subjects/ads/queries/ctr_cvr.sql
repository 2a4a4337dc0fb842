-- question: How many users and clicks go to ads, and how many clicked sessions lead to a conversion?
-- grain: one row per day, region and device, newest day first
-- note: >-
--   ctr_users is the share of users who clicked an ad, ctr_clicks the share of clicks that are on ads, cvr the share of
--   sessions with an ad click that earned a conversion. A day may gain conversions of the week after it for as long as
--   word of them is accepted: 23 days.
-- inputs: [agg_session_data]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the range of UTC days, not in it"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the range}
--   min_sessions: {type: INT, default: 1, low: 0, meaning: Cells of fewer sessions are left out}
SELECT day, region, device, sessions, users, ctr_users, clicks, ad_clicks, ctr_clicks, sessions_ad_clicked, sessions_converted, cvr
FROM agg_session_data
WHERE day >= :start AND day < :end AND sessions >= :min_sessions
ORDER BY day DESC, region, device
