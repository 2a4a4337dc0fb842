"""Ads computed a second time, by DuckDB, straight from the landing files: clicks, credit, campaigns and spend.

Nothing here comes from the pipeline's transforms or from the simulator: the statements follow the ads specification
alone. Landing files are taken as lawful, as the simulator writes them; what is set aside is tested elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

READ = {
    "ad_impressions": """ad_impression_id::BIGINT AS ad_impression_id, user_id::BIGINT AS user_id,
        ad_id::BIGINT AS ad_id, spend_micros::BIGINT AS spend_micros, is_valid::BOOLEAN AS is_valid,
        impression_ts::TIMESTAMPTZ AS ts""",
    "ad_clicks": "ad_id, user_id, session_id, click_ts::TIMESTAMPTZ AS ts",
    "conversions": """conversion_id::BIGINT AS conversion_id, user_id::BIGINT AS user_id,
        conversion_ts::TIMESTAMPTZ AS ts, value_usd::DECIMAL(12, 2) AS value_usd, received_ts::TIMESTAMPTZ AS told""",
    "ads": "ad_id, creative_id, campaign_id, effective_ts::TIMESTAMPTZ AS since, op",
    "campaigns": "campaign_id, advertiser_id, effective_ts::TIMESTAMPTZ AS since, op",
    "advertisers": """advertiser_id, time_zone, click_window_days, view_window_days,
        effective_ts::TIMESTAMPTZ AS since, op""",
    "spend_ledger": """campaign_id::BIGINT AS campaign_id, "day"::DATE AS "day",
        billed_usd::DECIMAL(18, 2) AS billed_usd, streaming_usd::DECIMAL(18, 2) AS streaming_usd""",
}

STATEMENTS = """
CREATE TABLE impressions AS
SELECT i.*, a.creative_id, a.campaign_id, c.advertiser_id, v.time_zone, (ts AT TIME ZONE v.time_zone)::DATE AS local_day
FROM ad_impressions i
    ASOF LEFT JOIN ads a ON i.ad_id = a.ad_id AND i.ts >= a.since
    ASOF LEFT JOIN campaigns c ON a.campaign_id = c.campaign_id AND i.ts >= c.since
    ASOF LEFT JOIN advertisers v ON c.advertiser_id = v.advertiser_id AND i.ts >= v.since;

CREATE TABLE clicks AS
SELECT k.*, a.creative_id, a.campaign_id, c.advertiser_id, v.time_zone,
    (k.ts AT TIME ZONE v.time_zone)::DATE AS local_day,
    left(sha256(concat_ws('|', k.ad_id, k.user_id, k.session_id, epoch_us(k.ts))), 32) AS click_id
FROM (
    SELECT *, count(*) OVER (PARTITION BY user_id, date_trunc('hour', ts)) <= 30 AND coalesce(ts - lag(ts) OVER (
        PARTITION BY user_id, ad_id ORDER BY ts, session_id
    ) >= INTERVAL 1 SECOND, true) AS is_valid
    FROM ad_clicks
) k
    ASOF LEFT JOIN ads a ON k.ad_id = a.ad_id AND k.ts >= a.since
    ASOF LEFT JOIN campaigns c ON a.campaign_id = c.campaign_id AND k.ts >= c.since
    ASOF LEFT JOIN advertisers v ON c.advertiser_id = v.advertiser_id AND k.ts >= v.since;

CREATE TABLE touches AS
SELECT user_id, 0 AS kind, ts, click_id AS id, campaign_id, advertiser_id
FROM clicks WHERE is_valid AND advertiser_id IS NOT NULL
UNION ALL
SELECT user_id, 1, ts, lpad(ad_impression_id::VARCHAR, 20, '0'), campaign_id, advertiser_id
FROM impressions WHERE is_valid AND advertiser_id IS NOT NULL;

CREATE TABLE credit AS
WITH candidates AS (
    SELECT c.conversion_id, c.ts AS bought, t.* FROM conversions c JOIN touches t USING (user_id)
    WHERE t.ts <= c.ts AND t.ts > c.ts - INTERVAL 7 DAY
),
windowed AS (
    SELECT k.*, v.time_zone, CASE kind WHEN 0 THEN click_window_days ELSE view_window_days END AS days
    FROM candidates k ASOF JOIN advertisers v ON k.advertiser_id = v.advertiser_id AND k.bought >= v.since
)
SELECT * FROM windowed WHERE epoch_us(bought) - epoch_us(ts) < days * 86400000000
QUALIFY row_number() OVER (PARTITION BY conversion_id ORDER BY kind, ts DESC, id) = 1;

CREATE TABLE fct_attributed_conversion AS
SELECT * EXCLUDE (told, lock), told < lock AS is_in_time FROM (
    SELECT c.conversion_id, c.value_usd, c.told, k.campaign_id, k.advertiser_id,
        CASE k.kind WHEN 0 THEN 'click' WHEN 1 THEN 'view' ELSE 'organic' END AS attribution,
        CASE k.kind WHEN 0 THEN k.id END AS click_id, k.ts AS touch_ts,
        (c.ts AT TIME ZONE coalesce(k.time_zone, 'UTC'))::DATE AS local_day,
        (local_day + 8)::TIMESTAMP AT TIME ZONE coalesce(k.time_zone, 'UTC') AS lock
    FROM conversions c LEFT JOIN credit k USING (conversion_id)
);

CREATE TABLE mart_campaign_daily AS
WITH acts AS (
    SELECT advertiser_id, campaign_id, local_day AS day, 1 AS impressions, spend_micros AS micros, 0 AS ad_clicks,
        0 AS conversions_click, 0 AS conversions_view, 0.00 AS value_usd_sum FROM impressions WHERE is_valid
    UNION ALL SELECT advertiser_id, campaign_id, local_day, 0, 0, 1, 0, 0, 0 FROM clicks WHERE is_valid
    UNION ALL SELECT advertiser_id, campaign_id, local_day, 0, 0, 0, (attribution = 'click')::INT,
        (attribution = 'view')::INT, value_usd FROM fct_attributed_conversion WHERE is_in_time
)
SELECT advertiser_id, campaign_id, day, sum(impressions)::BIGINT AS impressions, sum(ad_clicks)::BIGINT AS ad_clicks,
    (sum(micros)::DECIMAL(18, 0) * 0.000001)::DECIMAL(18, 6) AS spend_usd,
    sum(conversions_click)::BIGINT AS conversions_click, sum(conversions_view)::BIGINT AS conversions_view,
    sum(value_usd_sum)::DECIMAL(18, 2) AS value_usd_sum,
    sum(if(conversions_click = 1, value_usd_sum, 0))::DECIMAL(18, 2) AS value_click_usd,
    sum(if(conversions_view = 1, value_usd_sum, 0))::DECIMAL(18, 2) AS value_view_usd
FROM acts WHERE advertiser_id IS NOT NULL GROUP BY ALL;

CREATE TABLE rec_spend_daily AS
WITH per_ad AS (
    SELECT campaign_id, ad_id, local_day AS day, sum(if(is_valid, spend_micros, 0)) AS micros,
        sum(if(is_valid, 0, spend_micros)) AS invalid
    FROM impressions WHERE local_day IS NOT NULL GROUP BY ALL
),
spent AS (
    SELECT campaign_id, day, sum(cents(micros)) AS ad_usd, cents(sum(micros)) AS batch_usd,
        cents(sum(invalid)) AS invalid_usd
    FROM per_ad GROUP BY ALL
)
SELECT campaign_id, day, coalesce(ad_usd, 0)::DECIMAL(18, 2) AS ad_usd,
    coalesce(batch_usd, 0)::DECIMAL(18, 2) AS batch_usd, coalesce(invalid_usd, 0)::DECIMAL(18, 2) AS invalid_usd,
    billed_usd, streaming_usd, coalesce(billed_usd, batch_usd)::DECIMAL(18, 2) AS campaign_usd,
    (coalesce(billed_usd, batch_usd) - coalesce(ad_usd, 0))::DECIMAL(18, 2) AS unallocated_usd
FROM spent FULL JOIN spend_ledger USING (campaign_id, day);
"""

TABLES = ("fct_attributed_conversion", "mart_campaign_daily", "rec_spend_daily")


def twin(landing: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that holds TABLES and what they are made from."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE MACRO cents(micros) AS ((micros + 5000) // 10000)::DECIMAL(18, 0) * 0.01::DECIMAL(3, 2)")
    for event, columns in READ.items():
        files = [str(file) for file in sorted(landing.glob(f"{event}/hour=*/*"))]
        read = "read_parquet" if files[0].endswith(".parquet") else "read_json"
        more = "" if read == "read_parquet" else ", format = 'newline_delimited'"
        options = f"union_by_name = true, hive_partitioning = false{more}"
        connection.execute(f"CREATE TABLE {event} AS SELECT DISTINCT {columns} FROM {read}({files}, {options})")
    connection.execute(STATEMENTS)
    return connection
