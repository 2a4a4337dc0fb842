"""The peer for ad clicks: PySpark and Delta as in tutorials, one job per table, without gate, quarantine or bronze."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

from bench import plain_pyspark

EVENTS = ("ad_clicks", "page_events", "ads", "campaigns", "advertisers")
ONCE = {"stg_ad_clicks": "ad_clicks", "stg_page_events": "page_events"}
STATEMENTS = {
    "stg_ad_clicks": "SELECT *, date_trunc('hour', click_ts) AS click_hour FROM ad_clicks_once",
    "stg_page_events": "SELECT *, date_trunc('hour', event_ts) AS event_hour FROM page_events_once",
    "fct_ad_clicks": """
        WITH validated AS (
            SELECT *, count(*) OVER (PARTITION BY user_id, click_hour) <= 30 AND NOT coalesce(click_ts <
                lag(click_ts) OVER (PARTITION BY user_id, ad_id ORDER BY click_ts, session_id) + INTERVAL 1 SECOND,
                false) AS is_valid
            FROM stg_ad_clicks),
        session_values AS (
            SELECT c.ad_id, c.user_id, c.session_id, c.click_ts, max_by(p.device, p.event_ts) AS device,
                max_by(p.region, p.event_ts) AS region
            FROM stg_ad_clicks c JOIN stg_page_events p
            ON c.user_id = p.user_id AND c.session_id = p.session_id AND p.event_ts <= c.click_ts
            GROUP BY c.ad_id, c.user_id, c.session_id, c.click_ts)
        SELECT left(sha2(concat_ws('|', j.ad_id, j.user_id, j.session_id, unix_micros(j.click_ts)), 256), 32)
                AS click_id,
            j.ad_id, j.user_id, j.session_id, j.click_ts, a.creative_id, a.campaign_id, k.advertiser_id, t.device,
            t.region, j.is_valid, to_date(from_utc_timestamp(j.click_ts, v.time_zone)) AS local_day, j.click_hour
        FROM validated j
        LEFT JOIN session_values t ON j.ad_id = t.ad_id AND j.user_id = t.user_id AND j.session_id = t.session_id
            AND j.click_ts = t.click_ts
        LEFT JOIN ads a ON j.ad_id = a.ad_id AND j.click_ts >= a.effective_ts
        LEFT JOIN campaigns k ON a.campaign_id = k.campaign_id AND j.click_ts >= k.effective_ts
        LEFT JOIN advertisers v ON k.advertiser_id = v.advertiser_id AND j.click_ts >= v.effective_ts""",
    "agg_ad_clicks_5min": """
        SELECT ad_id, window(click_ts, '5 minutes').start AS window_start, click_hour AS hour, count(*) AS ad_clicks,
            approx_count_distinct(user_id) AS users FROM fct_ad_clicks WHERE is_valid GROUP BY 1, 2, 3""",
    "agg_ad_clicks": """
        SELECT ad_id, to_date(click_hour) AS day, count(*) AS ad_clicks, count(DISTINCT user_id) AS users,
            count(DISTINCT user_id, session_id) AS sessions FROM fct_ad_clicks WHERE is_valid GROUP BY 1, 2""",
}


def _prepared(spark: SparkSession, name: str, text: str) -> str:
    if name in ONCE:
        spark.table(ONCE[name]).dropDuplicates().createOrReplaceTempView(f"{ONCE[name]}_once")
    return text


def main(landing: str, lake: str) -> None:
    """Build the tables of ad clicks."""
    plain_pyspark.run(landing, lake, EVENTS, STATEMENTS, _prepared)


if __name__ == "__main__":
    main(*sys.argv[1:])
