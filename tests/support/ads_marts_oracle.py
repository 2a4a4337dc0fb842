"""DuckDB statements for the rollups and marts of ads, from the facts."""

# Durations are computed between instants that are truncated to milliseconds.
ROLLUPS = """
CREATE MACRO share(part, whole) AS CASE WHEN whole > 0 THEN
    ((2000000::HUGEINT * part + whole) // (2 * whole) * 0.000001::DECIMAL(7, 6))::DECIMAL(24, 6) END;

CREATE TABLE agg_ad_clicks_5min AS
SELECT ad_id, time_bucket(INTERVAL 5 MINUTE, click_ts) AS window_start, count(*) AS ad_clicks,
    count(DISTINCT user_id) AS users, click_hour AS hour
FROM fct_ad_clicks WHERE is_valid GROUP BY ALL;

CREATE TABLE agg_ad_clicks AS
SELECT ad_id, click_ts::DATE AS day, count(*) AS ad_clicks, count(DISTINCT user_id) AS users,
    count(DISTINCT (user_id, session_id)) AS sessions
FROM fct_ad_clicks WHERE is_valid GROUP BY ALL;

CREATE TABLE agg_session_data AS
WITH converted AS (
    SELECT DISTINCT s.user_id, s.session_id, s.day, true AS has_converted
    FROM fct_user_session s JOIN fct_attributed_conversion k ON k.attribution = 'click' AND NOT k.is_repeat
        AND epoch_us(k.conversion_ts) - epoch_us(k.touch_ts) < 604800000000
        AND k.user_id = s.user_id AND k.session_id = s.session_id
        AND k.touch_ts >= s.session_start AND k.touch_ts <= s.session_end),
counted AS (
    SELECT day, coalesce(region, 'unknown') AS region, coalesce(device, 'unknown') AS device, count(*) AS sessions,
        sum(epoch_us(session_end) // 1000 - epoch_us(session_start) // 1000)::BIGINT AS session_ms_sum,
        count(DISTINCT user_id) AS users, count(DISTINCT user_id) FILTER (has_ad_clicked) AS users_ad_clicked,
        sum(clicks)::BIGINT AS clicks, sum(ad_clicks)::BIGINT AS ad_clicks,
        count(*) FILTER (has_ad_clicked) AS sessions_ad_clicked,
        count(*) FILTER (has_converted) AS sessions_converted
    FROM fct_user_session LEFT JOIN converted USING (user_id, session_id, day) GROUP BY ALL)
SELECT *, share(users_ad_clicked, users) AS ctr_users, share(ad_clicks, clicks + ad_clicks) AS ctr_clicks,
    share(sessions_converted, sessions_ad_clicked) AS cvr
FROM counted;
"""

# An impression is the user's nth of the creative on the advertiser's day. A click counts in the bucket that the user
# had reached. Scores are computed from whole numbers: CTR in ten-millionths, its sum and its sum of squares.
CREATIVES = """
CREATE MACRO ctr(clicks, shown) AS
    CASE WHEN shown > 0 THEN
        ((20000000 * clicks + shown) // (2 * shown) * 0.0000001::DECIMAL(8, 7))::DECIMAL(24, 7) END;

CREATE TABLE agg_creative_daily AS
WITH acts AS (
    SELECT advertiser_id, creative_id, user_id, local_day AS day, impression_ts AS ts, 1 AS is_shown
    FROM fct_ad_impressions WHERE is_valid
    UNION ALL
    SELECT advertiser_id, creative_id, user_id, local_day, click_ts, 0 FROM fct_ad_clicks WHERE is_valid),
placed AS (
    SELECT *, sum(is_shown) OVER (PARTITION BY advertiser_id, creative_id, user_id, day
        ORDER BY ts, is_shown DESC ROWS UNBOUNDED PRECEDING) AS nth
    FROM acts WHERE day IS NOT NULL)
SELECT advertiser_id, creative_id, day,
    CASE WHEN nth <= 1 THEN '1' WHEN nth <= 3 THEN '2-3' WHEN nth <= 7 THEN '4-7' ELSE '8+' END AS frequency_bucket,
    sum(is_shown)::BIGINT AS impressions, sum(1 - is_shown)::BIGINT AS ad_clicks
FROM placed GROUP BY ALL;

CREATE TABLE mart_creative_daily AS
WITH days AS (
    SELECT advertiser_id, creative_id, day, sum(impressions)::BIGINT AS impressions,
        sum(ad_clicks)::BIGINT AS ad_clicks, ctr(sum(ad_clicks), sum(impressions)) AS ctr,
        coalesce(sum(impressions) FILTER (frequency_bucket = '1'), 0) AS fresh,
        coalesce(sum(ad_clicks) FILTER (frequency_bucket = '1'), 0) AS fresh_clicks,
        coalesce(sum(impressions) FILTER (frequency_bucket IN ('4-7', '8+')), 0) AS tired,
        coalesce(sum(ad_clicks) FILTER (frequency_bucket IN ('4-7', '8+')), 0) AS tired_clicks
    FROM agg_creative_daily GROUP BY ALL),
scored AS (
    SELECT advertiser_id, creative_id, day, (ctr * 10000000)::HUGEINT AS c FROM days WHERE impressions >= 1000),
baselines AS (
    SELECT d.advertiser_id, d.creative_id, d.day, count(b.c) AS n, sum(b.c) AS total, sum(b.c * b.c) AS squares
    FROM days d LEFT JOIN scored b ON b.advertiser_id = d.advertiser_id AND b.day >= d.day - 28 AND b.day < d.day
    GROUP BY ALL)
SELECT d.advertiser_id, d.creative_id, d.day, d.impressions, d.ad_clicks, d.ctr, b.n AS baseline_days,
    CASE WHEN b.n * b.squares > b.total * b.total
        THEN round((b.n * s.c - b.total) / sqrt(b.n * b.squares - b.total * b.total), 4) END::DECIMAL(12, 4) AS z_score,
    CASE WHEN tired > 0 AND fresh_clicks > 0
        THEN round(1 - tired_clicks * fresh / (tired * fresh_clicks), 5) END::DECIMAL(7, 5) AS fatigue
FROM days d JOIN baselines b USING (advertiser_id, creative_id, day)
    LEFT JOIN scored s USING (advertiser_id, creative_id, day);
"""

# A conversion that arrived after its day was locked counts in no day.
CAMPAIGNS = """
CREATE MACRO usd(micros) AS micros * 0.000001::DECIMAL(7, 6);

CREATE TABLE mart_campaign_daily AS
WITH acts AS (
    SELECT advertiser_id, campaign_id, local_day AS day, locked_after(local_day, time_zone) AS lock,
        'impression' AS what, user_id, spend_micros AS micros
    FROM fct_ad_impressions WHERE is_valid AND local_day IS NOT NULL
    UNION ALL
    SELECT advertiser_id, campaign_id, local_day, locked_after(local_day, time_zone), 'ad_click', user_id, 0
    FROM fct_ad_clicks WHERE is_valid AND local_day IS NOT NULL
    UNION ALL
    SELECT advertiser_id, campaign_id, local_day, locked_from, attribution, user_id,
        (value_usd * 1000000)::BIGINT
    FROM fct_attributed_conversion WHERE is_in_time AND NOT is_repeat AND is_objective),
counted AS (
    SELECT advertiser_id, campaign_id, day, max(lock) AS locked_from,
        count(*) FILTER (what = 'impression') AS impressions,
        count(DISTINCT user_id) FILTER (what = 'impression') AS reach,
        count(*) FILTER (what = 'ad_click') AS ad_clicks, count(*) FILTER (what = 'click') AS conversions_click,
        count(*) FILTER (what = 'view') AS conversions_view,
        coalesce(sum(micros) FILTER (what = 'impression'), 0)::BIGINT AS spent,
        coalesce(sum(micros) FILTER (what = 'click'), 0)::BIGINT AS by_click,
        coalesce(sum(micros) FILTER (what = 'view'), 0)::BIGINT AS by_view
    FROM acts GROUP BY ALL)
SELECT * EXCLUDE (spent, by_click, by_view), ctr(ad_clicks, impressions) AS ctr, usd(spent) AS spend_usd,
    share(conversions_click + conversions_view, ad_clicks) AS cvr,
    share(spent, 1000000::HUGEINT * (conversions_click + conversions_view)) AS cpa,
    usd(by_click + by_view)::DECIMAL(18, 2) AS value_usd_sum, share(by_click + by_view, spent) AS roas,
    usd(by_click)::DECIMAL(18, 2) AS value_click_usd, share(by_click, spent) AS roas_click,
    usd(by_view)::DECIMAL(18, 2) AS value_view_usd, share(by_view, spent) AS roas_view,
    list_filter([CASE WHEN impressions = 0 THEN 'ctr:no_impressions' END,
        CASE WHEN ad_clicks = 0 THEN 'cvr:no_clicks' END,
        CASE WHEN conversions_click + conversions_view = 0 THEN 'cpa:no_conversions' END,
        CASE WHEN spent = 0 THEN 'roas:no_spend' END, CASE WHEN spent = 0 THEN 'roas_click:no_spend' END,
        CASE WHEN spent = 0 THEN 'roas_view:no_spend' END], lambda why: why IS NOT NULL) AS null_reasons
FROM counted;

CREATE TABLE mart_campaign_event_daily AS
WITH counted AS (
    SELECT *, local_day AS local FROM fct_attributed_conversion
    WHERE is_in_time AND NOT is_repeat AND advertiser_id IS NOT NULL),
totals AS (
    SELECT advertiser_id, event_name, local, count(*) AS event_conversions,
        count(*) FILTER (attribution = 'organic') AS event_organic
    FROM counted GROUP BY ALL),
earned AS (
    SELECT advertiser_id, campaign_id, event_name, local,
        count(*) FILTER (attribution = 'click') AS conversions_click,
        count(*) FILTER (attribution = 'view') AS conversions_view,
        coalesce(sum(value_usd) FILTER (attribution = 'click'), 0)::DECIMAL(18, 2) AS value_click_usd,
        coalesce(sum(value_usd) FILTER (attribution = 'view'), 0)::DECIMAL(18, 2) AS value_view_usd
    FROM counted WHERE campaign_id IS NOT NULL GROUP BY ALL),
delivered AS (
    SELECT e.*, (value_click_usd + value_view_usd)::DECIMAL(18, 2) AS value_usd_sum, event_conversions, event_organic,
        coalesce(ad_clicks, 0) AS clicks, (coalesce(spend_usd, 0) * 1000000)::HUGEINT AS spent
    FROM earned e JOIN totals USING (advertiser_id, event_name, local)
        LEFT JOIN (SELECT advertiser_id, campaign_id, day AS local, ad_clicks, spend_usd FROM mart_campaign_daily) d
            USING (advertiser_id, campaign_id, local))
SELECT * EXCLUDE (local, clicks, spent), local AS day, share(conversions_click + conversions_view, clicks) AS cvr,
    share(spent, 1000000::HUGEINT * (conversions_click + conversions_view)) AS cpa,
    share((value_usd_sum * 1000000)::HUGEINT, spent) AS roas,
    list_filter([CASE WHEN clicks = 0 THEN 'cvr:no_clicks' END, CASE WHEN spent = 0 THEN 'roas:no_spend' END],
        lambda why: why IS NOT NULL) AS null_reasons
FROM delivered;
"""

SPEND = """
CREATE MACRO cents(micros) AS
    ((coalesce(micros, 0) + 5000) // 10000)::DECIMAL(18, 0) * 0.01::DECIMAL(3, 2);

CREATE TABLE rec_spend_daily AS
WITH per_ad AS (
    SELECT campaign_id, local_day AS day, ad_id, sum(spend_micros) FILTER (is_valid) AS micros,
        sum(spend_micros) FILTER (NOT is_valid) AS invalid
    FROM fct_ad_impressions WHERE local_day IS NOT NULL GROUP BY ALL),
spent AS (
    SELECT campaign_id, day, count(*) AS ads, sum(cents(micros)) AS ad_usd, cents(sum(micros)) AS batch_usd,
        cents(sum(invalid)) AS invalid_usd
    FROM per_ad GROUP BY ALL),
compared AS (
    SELECT campaign_id, day, ads, coalesce(ad_usd, 0) AS ad_usd, coalesce(batch_usd, 0) AS batch_usd,
        coalesce(invalid_usd, 0) AS invalid_usd, billed_usd, streaming_usd,
        coalesce(billed_usd, batch_usd) AS campaign_usd, campaign_usd - coalesce(ad_usd, 0) AS unallocated_usd,
        billed_usd - coalesce(batch_usd, 0) AS difference_usd,
        streaming_usd - coalesce(batch_usd, 0) AS streaming_difference_usd
    FROM spent FULL JOIN fct_spend_ledger USING (campaign_id, day))
SELECT * EXCLUDE (ads), CASE
    WHEN billed_usd IS NULL THEN 'no_invoice'
    WHEN ads IS NULL THEN 'no_delivery'
    WHEN difference_usd = 0 THEN 'agrees'
    WHEN difference_usd = invalid_usd THEN 'invalid_traffic'
    WHEN abs(difference_usd) <= 0.005 * (ads + 1) THEN 'rounding'
    ELSE 'unallocated' END AS explanation, CASE
    WHEN streaming_usd IS NULL THEN 'no_counter'
    WHEN ads IS NULL THEN 'no_delivery'
    WHEN streaming_difference_usd = 0 THEN 'agrees'
    WHEN streaming_difference_usd = invalid_usd THEN 'invalid_traffic'
    WHEN abs(streaming_difference_usd) <= 0.005 * (ads + 1) THEN 'rounding'
    ELSE 'unexplained' END AS streaming_explanation
FROM compared;
"""
