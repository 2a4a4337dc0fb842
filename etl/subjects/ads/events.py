"""The events of ads, and the rules that quarantine a record. Source: the ads specification, Events.

A click has no id; its grain is (ad_id, user_id, session_id, click_ts). A conversion may be reported weeks later, so
conversions are accepted for 23 days. A conversion that is too late to count is still stored.
"""

from etl.model.contract import LATENESS, Event
from etl.subjects.ads.columns import columns

_NO_RETIRE = ("out_of_set:op", "op = 'retire'")
_ZONE = r"^(UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+)+)\\z"  # not `$`, which also matches before a line break


def _cents(field: str) -> tuple[str, str]:
    """The rule that quarantines an amount with a fraction of a cent, instead of rounding it."""
    return f"fraction_of_a_cent:{field}", f"{field} != round({field}, 2)"


AD_IMPRESSIONS = Event(
    "ad_impressions",
    columns("ad_impression_id", "user_id", "ad_id", "session_id?", "surface", "clearing_cpm", "spend_micros",
            "is_valid", "experiment_ids", "impression_ts"),
    times=(("impression_ts", LATENESS),),
)  # fmt: skip
AD_CLICKS = Event(
    "ad_clicks",
    columns("ad_id", "user_id", "session_id", "click_ts", "ad_impression_id?"),
    times=(("click_ts", LATENESS),),
)
PAGE_EVENTS = Event(
    "page_events",
    columns("user_id", "session_id", "event_name", "event_ts", "device?", "region?"),
    times=(("event_ts", LATENESS),),
)
CONVERSIONS = Event(
    "conversions",
    columns("conversion_id", "advertiser_id?", "event_name?", "source?", "dedup_key?", "user_id?", "conversion_ts",
            "value_usd?", "received_ts", "sdk_version?"),
    times=(("conversion_ts", LATENESS), ("received_ts", LATENESS)),
    lateness_days=23,
    required_unless=(("advertiser_id", "ads.legacy_attribution"),),
    rules=(_cents("value_usd"), ("out_of_range:received_ts", "received_ts < conversion_ts")),
)  # fmt: skip
ADS = Event(
    "ads",
    columns("ad_id", "creative_id", "campaign_id", "effective_ts", "op"),
    rules=(_NO_RETIRE,),
    optional_on_close=("creative_id", "campaign_id"),
)
CAMPAIGNS = Event(
    "campaigns",
    columns("campaign_id", "advertiser_id", "objective", "objective_event?", "bid_strategy", "daily_budget_usd",
            "effective_ts", "op"),
    rules=(_NO_RETIRE, _cents("daily_budget_usd")),
    optional_on_close=("advertiser_id", "objective", "bid_strategy", "daily_budget_usd"),
)  # fmt: skip
ADVERTISERS = Event(
    "advertisers",
    columns("advertiser_id", "time_zone", "click_window_days", "view_window_days", "effective_ts", "op"),
    rules=(
        _NO_RETIRE,
        (
            "unknown:time_zone",
            f"time_zone NOT RLIKE '{_ZONE}' OR time_zone IS NOT NULL AND "
            "try_cast(concat('2026-01-01 00:00:00 ', time_zone) AS TIMESTAMP) IS NULL",
        ),
    ),
    optional_on_close=("time_zone", "click_window_days", "view_window_days"),
)
SPEND_LEDGER = Event(
    "spend_ledger",
    columns("campaign_id", "day", "billed_usd", "streaming_usd?"),
    rules=(_cents("billed_usd"), _cents("streaming_usd")),
    not_ahead=("day",),
)
EVENTS = (AD_IMPRESSIONS, AD_CLICKS, PAGE_EVENTS, CONVERSIONS, ADS, CAMPAIGNS, ADVERTISERS, SPEND_LEDGER)
