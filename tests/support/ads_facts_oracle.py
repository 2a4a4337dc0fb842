"""DuckDB statements for the facts of ads, from staged tables: owners, valid traffic, sessions, attribution credit."""

_OWNERS = """
    LEFT JOIN dim_ads a ON a.ad_id = e.ad_id AND {ts} >= a.valid_from AND {ts} < coalesce(a.valid_to, 'infinity')
    LEFT JOIN dim_campaigns c ON c.campaign_id = a.campaign_id
        AND {ts} >= c.valid_from AND {ts} < coalesce(c.valid_to, 'infinity')
    LEFT JOIN dim_advertisers v ON v.advertiser_id = c.advertiser_id
        AND {ts} >= v.valid_from AND {ts} < coalesce(v.valid_to, 'infinity')"""

IMPRESSIONS = f"""
CREATE TABLE fct_ad_impressions AS
SELECT e.*, a.creative_id, a.campaign_id, c.advertiser_id, v.time_zone,
    (e.impression_ts AT TIME ZONE v.time_zone)::DATE AS local_day
FROM stg_ad_impressions e {_OWNERS.format(ts="e.impression_ts")};
"""

# A second click of a user on an ad within a second is invalid traffic. So are more than 30 clicks in a clock hour.
# Device and region of a session are valid for less than six hours, the longest session.
CLICKS = f"""
CREATE TABLE judged AS
SELECT *, count(*) OVER (PARTITION BY user_id, click_hour) <= 30
    AND (click_ts - lag(click_ts) OVER (PARTITION BY user_id, ad_id ORDER BY click_ts, session_id)
         < INTERVAL 1 SECOND) IS NOT TRUE AS is_valid
FROM stg_ad_clicks;

CREATE TABLE placed AS
SELECT user_id, session_id, click_ts,
    max_by(device, event_ts) FILTER (device IS NOT NULL) AS device,
    max_by(region, event_ts) FILTER (region IS NOT NULL) AS region
FROM (SELECT DISTINCT user_id, session_id, click_ts FROM stg_ad_clicks)
JOIN stg_page_events USING (user_id, session_id)
WHERE event_ts <= click_ts AND event_ts > click_ts - INTERVAL 6 HOUR GROUP BY ALL;

CREATE TABLE fct_ad_clicks AS
SELECT left(sha256(concat_ws('|', e.ad_id, e.user_id, e.session_id, epoch_us(e.click_ts))), 32) AS click_id,
    e.*, p.device, p.region, a.creative_id, a.campaign_id, c.advertiser_id, v.time_zone,
    (e.click_ts AT TIME ZONE v.time_zone)::DATE AS local_day
FROM judged e LEFT JOIN placed p USING (user_id, session_id, click_ts) {_OWNERS.format(ts="e.click_ts")};
"""

# Events of a session before 06:00 belong to the day before, if the session was seen after 18:00 on that day.
SESSIONS = """
CREATE TABLE fct_user_session AS
WITH events AS (
    SELECT user_id, session_id, event_ts AS ts, event_name, NULL::BIGINT AS ad_id, device, region FROM stg_page_events
    UNION ALL
    SELECT user_id, session_id, click_ts, NULL, ad_id, NULL, NULL FROM fct_ad_clicks WHERE is_valid),
dated AS (
    SELECT *, ts::DATE AS today, hour(ts) < 6 AS is_early,
        hour(ts) >= 18 AS is_evening
    FROM events),
evenings AS (SELECT DISTINCT user_id, session_id, today + 1 AS today, true AS was_open FROM dated WHERE is_evening),
placed_events AS (
    SELECT *, CASE WHEN is_early AND was_open THEN today - 1 ELSE today END AS day
    FROM dated LEFT JOIN evenings USING (user_id, session_id, today))
SELECT user_id, session_id, min(ts) AS session_start, max(ts) AS session_end,
    count(event_name) AS page_events, count(*) FILTER (event_name = 'click') AS clicks,
    count(ad_id) AS ad_clicks, count(DISTINCT ad_id) AS distinct_ads, count(ad_id) > 0 AS has_ad_clicked,
    min_by(device, ts) FILTER (device IS NOT NULL) AS device,
    min_by(region, ts) FILTER (region IS NOT NULL) AS region, day
FROM placed_events GROUP BY user_id, session_id, day;
"""

# The last click in the click window, or else the last view in the view window. Windows and time zone are those of the
# advertiser at the conversion.
CREDIT = """
CREATE TABLE touches AS
SELECT 'click' AS attribution, click_ts AS touch_ts, click_id AS tie, click_id, ad_impression_id, user_id, session_id,
    ad_id, creative_id, campaign_id, advertiser_id
FROM fct_ad_clicks WHERE is_valid AND advertiser_id IS NOT NULL
UNION ALL
SELECT 'view', impression_ts, lpad(ad_impression_id::VARCHAR, 20, '0'), NULL, ad_impression_id, user_id, session_id,
    ad_id, creative_id, campaign_id, advertiser_id
FROM fct_ad_impressions WHERE is_valid AND advertiser_id IS NOT NULL;

CREATE TABLE credit AS
SELECT s.conversion_id, t.* EXCLUDE (tie, user_id), v.time_zone
FROM stg_conversions s JOIN touches t ON t.user_id = s.user_id AND t.touch_ts <= s.conversion_ts
    JOIN dim_advertisers v ON v.advertiser_id = t.advertiser_id
        AND s.conversion_ts >= v.valid_from AND s.conversion_ts < coalesce(v.valid_to, 'infinity')
WHERE epoch_us(s.conversion_ts) - epoch_us(t.touch_ts)
    < 86400000000 * CASE t.attribution WHEN 'click' THEN v.click_window_days ELSE v.view_window_days END
QUALIFY row_number() OVER (PARTITION BY s.conversion_id ORDER BY t.attribution, t.touch_ts DESC, t.tie) = 1;

CREATE MACRO locked_after(day, zone) AS (day + 8)::TIMESTAMP AT TIME ZONE zone;

CREATE TABLE fct_attributed_conversion AS
SELECT s.* EXCLUDE (conversion_hour), k.* EXCLUDE (conversion_id, attribution, time_zone),
    coalesce(k.attribution, 'organic') AS attribution,
    (s.conversion_ts AT TIME ZONE coalesce(k.time_zone, 'UTC'))::DATE AS local_day,
    locked_after(local_day, coalesce(k.time_zone, 'UTC')) AS locked_from, s.received_ts < locked_from AS is_in_time,
    s.conversion_ts::DATE AS day
FROM stg_conversions s LEFT JOIN credit k USING (conversion_id);
"""
