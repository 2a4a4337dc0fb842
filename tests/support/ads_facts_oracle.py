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

# A conversion counts on its own advertiser's day; on the UTC day when the advertiser is unknown or not named.
# Reports of one outcome: in the order they were received, each that is in time and within 48 hours of no report that
# counts is counted; every report within 48 hours of an earlier counted one is a repeat.
REPEATS = """
CREATE MACRO locked_after(day, zone) AS (day + 8)::TIMESTAMP AT TIME ZONE zone;

CREATE TABLE dated AS
SELECT s.* REPLACE (coalesce(event_name, 'purchase') AS event_name), coalesce(v.time_zone, 'UTC') AS zone,
    (s.conversion_ts AT TIME ZONE coalesce(v.time_zone, 'UTC'))::DATE AS local_day,
    locked_after((s.conversion_ts AT TIME ZONE coalesce(v.time_zone, 'UTC'))::DATE, coalesce(v.time_zone, 'UTC'))
        AS locked_from,
    s.received_ts < locked_after((s.conversion_ts AT TIME ZONE coalesce(v.time_zone, 'UTC'))::DATE,
        coalesce(v.time_zone, 'UTC')) AS is_in_time
FROM stg_conversions s LEFT JOIN dim_advertisers v ON v.advertiser_id = s.advertiser_id
    AND s.conversion_ts >= v.valid_from AND s.conversion_ts < coalesce(v.valid_to, 'infinity');

CREATE TABLE reports AS
SELECT advertiser_id, event_name, dedup_key, conversion_id, is_in_time, epoch_us(conversion_ts) AS us,
    row_number() OVER (PARTITION BY advertiser_id, event_name, dedup_key ORDER BY received_ts, conversion_id) AS nth
FROM dated WHERE advertiser_id IS NOT NULL AND dedup_key IS NOT NULL;

CREATE TABLE walked AS
WITH RECURSIVE walk AS (
    SELECT *, NULL::BIGINT AS instead,
        CASE WHEN is_in_time THEN [{'id': conversion_id, 'us': us}] ELSE [] END AS counted
    FROM reports WHERE nth = 1
    UNION ALL
    SELECT r.*, list_filter(w.counted, lambda c: abs(c.us - r.us) < 172800000000)[1].id AS instead,
        CASE WHEN r.is_in_time AND len(list_filter(w.counted, lambda c: abs(c.us - r.us) < 172800000000)) = 0
            THEN list_append(w.counted, {'id': r.conversion_id, 'us': r.us}) ELSE w.counted END
    FROM walk w JOIN reports r ON r.advertiser_id = w.advertiser_id AND r.event_name = w.event_name
        AND r.dedup_key = w.dedup_key AND r.nth = w.nth + 1)
SELECT conversion_id, instead FROM walk;

CREATE TABLE fct_conversion_repeat AS
SELECT conversion_id, instead AS counted_conversion_id, conversion_ts::DATE AS day
FROM walked JOIN stg_conversions USING (conversion_id) WHERE instead IS NOT NULL;
"""

# The last click in the click window, or else the last view in the view window, of the conversion's advertiser; of any
# advertiser when the conversion names none. Windows are those of the advertiser at the conversion.
CREDIT = """
CREATE TABLE touches AS
SELECT 'click' AS attribution, click_ts AS touch_ts, ad_id AS tie_1, session_id AS tie_2, click_id, ad_impression_id,
    user_id, session_id, ad_id, creative_id, campaign_id, advertiser_id AS touched
FROM fct_ad_clicks WHERE is_valid AND advertiser_id IS NOT NULL
UNION ALL
SELECT 'view', impression_ts, ad_impression_id, 0, NULL, ad_impression_id, user_id, session_id,
    ad_id, creative_id, campaign_id, advertiser_id
FROM fct_ad_impressions WHERE is_valid AND advertiser_id IS NOT NULL;

CREATE TABLE credit AS
SELECT s.conversion_id, t.* EXCLUDE (tie_1, tie_2, user_id), v.time_zone
FROM stg_conversions s JOIN touches t ON t.user_id = s.user_id AND t.touch_ts <= s.conversion_ts
        AND t.touched = coalesce(s.advertiser_id, t.touched)
    JOIN dim_advertisers v ON v.advertiser_id = t.touched
        AND s.conversion_ts >= v.valid_from AND s.conversion_ts < coalesce(v.valid_to, 'infinity')
WHERE epoch_us(s.conversion_ts) - epoch_us(t.touch_ts)
    < 86400000000 * CASE t.attribution WHEN 'click' THEN v.click_window_days ELSE v.view_window_days END
QUALIFY row_number() OVER (
    PARTITION BY s.conversion_id ORDER BY t.attribution, t.touch_ts DESC, t.tie_1, t.tie_2) = 1;

CREATE TABLE fct_attributed_conversion AS
SELECT s.* EXCLUDE (conversion_hour, advertiser_id, zone, local_day, locked_from, is_in_time),
    k.* EXCLUDE (conversion_id, attribution, time_zone, touched, legacy_day, legacy),
    coalesce(s.advertiser_id, k.touched) AS advertiser_id, coalesce(k.attribution, 'organic') AS attribution,
    CASE WHEN legacy THEN legacy_day ELSE s.local_day END AS local_day,
    CASE WHEN legacy THEN locked_after(legacy_day, k.time_zone) ELSE s.locked_from END AS locked_from,
    CASE WHEN legacy THEN s.received_ts < locked_after(legacy_day, k.time_zone) ELSE s.is_in_time END AS is_in_time,
    r.conversion_id IS NOT NULL AS is_repeat,
    CASE WHEN k.campaign_id IS NOT NULL THEN s.event_name = coalesce(c.objective_event, 'purchase') END AS is_objective,
    CASE WHEN s.advertiser_id IS NULL THEN 1 ELSE 2 END AS rule_version, s.conversion_ts::DATE AS day
FROM dated s LEFT JOIN (
        SELECT k.*, (conversion_ts AT TIME ZONE time_zone)::DATE AS legacy_day, advertiser_id IS NULL AS legacy
        FROM credit k JOIN stg_conversions USING (conversion_id)) k USING (conversion_id)
    LEFT JOIN fct_conversion_repeat r USING (conversion_id)
    LEFT JOIN dim_campaigns c ON c.campaign_id = k.campaign_id
        AND s.conversion_ts >= c.valid_from AND s.conversion_ts < coalesce(c.valid_to, 'infinity');
"""
