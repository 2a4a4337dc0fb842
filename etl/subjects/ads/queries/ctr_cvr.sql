-- question: How many users and clicks go to ads, and how many sessions with an ad click lead to a conversion?
-- grain: one row per day, region and device, latest day first
-- note: >-
--   ctr_users is the share of users who clicked an ad. ctr_clicks is the share of clicks that are on ads. cvr is the
--   share of sessions with an ad click that earned a conversion. Conversions of the week after a day still count for the
--   day; they are accepted for 23 days.
-- inputs: [agg_session_data]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval of UTC days, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   min_sessions: {type: INT, default: 1, low: 0, meaning: Rows with fewer sessions are left out}
SELECT day, region, device, sessions, users, ctr_users, clicks, ad_clicks, ctr_clicks, sessions_ad_clicked, sessions_converted, cvr
FROM agg_session_data
WHERE day >= :start AND day < :end AND sessions >= :min_sessions
ORDER BY day DESC, region, device
