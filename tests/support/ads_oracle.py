"""Oracle for ads: DuckDB computes every table a second time, straight from the landing files.

The statements use nothing of the pipeline's transforms or of the simulator. They follow the ads specification, its
decisions and the meaning of the columns, so an error would have to be made twice to stay undetected. All landing files
are assumed valid, as the simulator writes them. Other tests cover quarantine.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from support.ads_facts_oracle import CLICKS, CREDIT, IMPRESSIONS, REPEATS, SESSIONS
from support.ads_marts_oracle import CAMPAIGNS, CREATIVES, ROLLUPS, SPEND
from support.duckdb_oracle import dimension
from support.landed_oracle import LANDED_HOUR, MACROS, canonical

EVENTS = {
    "ad_impressions": "ad_impression_id BIGINT, user_id BIGINT, ad_id BIGINT, session_id BIGINT, surface VARCHAR,"
    " clearing_cpm DECIMAL(12,6), spend_micros BIGINT, is_valid BOOLEAN, experiment_ids BIGINT[],"
    " impression_ts TIMESTAMPTZ",
    "ad_clicks": "ad_id BIGINT, user_id BIGINT, session_id BIGINT, click_ts TIMESTAMPTZ, ad_impression_id BIGINT",
    "page_events": "user_id BIGINT, session_id BIGINT, event_name VARCHAR, event_ts TIMESTAMPTZ, device VARCHAR,"
    " region VARCHAR",
    "conversions": "conversion_id BIGINT, advertiser_id BIGINT, event_name VARCHAR, source VARCHAR, dedup_key VARCHAR,"
    " user_id BIGINT, conversion_ts TIMESTAMPTZ, value_usd DECIMAL(12,2), received_ts TIMESTAMPTZ, sdk_version VARCHAR",
    "ads": "ad_id BIGINT, creative_id BIGINT, campaign_id BIGINT, effective_ts TIMESTAMPTZ, op VARCHAR",
    "campaigns": "campaign_id BIGINT, advertiser_id BIGINT, objective VARCHAR, objective_event VARCHAR,"
    " bid_strategy VARCHAR, daily_budget_usd DECIMAL(12,2), effective_ts TIMESTAMPTZ, op VARCHAR",
    "advertisers": "advertiser_id BIGINT, time_zone VARCHAR, click_window_days INTEGER, view_window_days INTEGER,"
    " effective_ts TIMESTAMPTZ, op VARCHAR",
    "spend_ledger": "campaign_id BIGINT, day DATE, billed_usd DECIMAL(12,2), streaming_usd DECIMAL(12,2)",
}

# Dimension -> (change log, natural key, tracked columns).
DIMENSIONS = {
    "dim_ads": ("ads", "ad_id", "creative_id campaign_id"),
    "dim_campaigns": (
        "campaigns",
        "campaign_id",
        "advertiser_id objective bid_strategy daily_budget_usd objective_event",
    ),
    "dim_advertisers": ("advertisers", "advertiser_id", "time_zone click_window_days view_window_days"),
}

# Table -> (event, grain, derived column). Of records with one grain, the smallest (landed hour, text) is kept.
STAGED = {
    "stg_ad_clicks": (
        "ad_clicks",
        "ad_id, user_id, session_id, click_ts",
        "date_trunc('hour', click_ts) AS click_hour",
    ),
    "stg_ad_impressions": (
        "ad_impressions",
        "ad_impression_id",
        "date_trunc('hour', impression_ts) AS ad_impression_hour",
    ),
    "stg_page_events": (
        "page_events",
        "user_id, session_id, event_name, event_ts",
        "date_trunc('hour', event_ts) AS event_hour",
    ),
    "stg_conversions": ("conversions", "conversion_id", "date_trunc('hour', conversion_ts) AS conversion_hour"),
    "fct_spend_ledger": ("spend_ledger", "campaign_id, day", "day::TIMESTAMP AT TIME ZONE 'UTC' AS day_start"),
}


def _landed(event: str, landing: Path) -> str:
    """The statement that creates table `event`: its records with their landed hours, duplicates included."""
    files = [str(path) for path in sorted(landing.glob(f"{event}/hour=*/*"))]
    json_lines = [name for name in files if ".jsonl" in name]
    parquet = [name for name in files if name.endswith(".parquet")]
    fields = dict(field.split(" ", 1) for field in EVENTS[event].split(", "))
    values = ", ".join(f"{name}::{type_} AS {name}" for name, type_ in fields.items())
    options = "filename = true, hive_partitioning = false"
    sources = []
    if json_lines:
        sources.append(f"read_json({json_lines}, format = 'newline_delimited', columns = {fields}, {options})")
    if parquet:
        sources.append(f"read_parquet({parquet}, union_by_name = true, {options})")
    selects = (f"SELECT {values}, {LANDED_HOUR} FROM {source}" for source in sources)
    return f"CREATE TABLE {event} AS {' UNION ALL '.join(selects)}"


def _staged(table: str) -> str:
    event, grain, more = STAGED[table]
    text = canonical(dict(field.split(" ", 1) for field in EVENTS[event].split(", ")))
    return f"""
        CREATE TABLE {table} AS
        SELECT DISTINCT ON ({grain}) * EXCLUDE (landed_hour), {more} FROM {event}
        ORDER BY {grain}, landed_hour, {text}"""


def connect_oracle(landing: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory database with every table of ads above bronze, computed from the landing files."""
    connection = duckdb.connect()
    connection.execute(MACROS)
    for event in EVENTS:
        connection.execute(_landed(event, landing))
    for name, log in DIMENSIONS.items():
        connection.execute(dimension(name, *log))
    for table in STAGED:
        connection.execute(_staged(table))
    for statements in (IMPRESSIONS, CLICKS, SESSIONS, REPEATS, CREDIT, ROLLUPS, CREATIVES, CAMPAIGNS, SPEND):
        connection.execute(statements)
    return connection
