"""Rules that ads facts and marts share: valid traffic, joins as of an event, and days of the advertiser.

Source: the ads specification, Rules. This project chose the limits of invalid traffic; no source gives any.
"""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.transforms.as_of import as_of
from etl.transforms.ratios import exact_ratio

SECOND_US = MICROS = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
SESSION_HOURS = 6  # the maximum length of a session
MAX_CLICKS_PER_HOUR = 30  # a user with more clicks in a clock hour is a bot
DOUBLE_CLICK_US = SECOND_US
LOCK_DAYS = 7
IMPRESSIONS_DAYS, CLICKS_DAYS, CONVERSIONS_DAYS = 37, 60, 90
"""Days that facts are kept: a conversion may come 23 days late, and earlier touches of a whole window may earn it."""
CLICK_DAYS, VIEW_DAYS = 28, 7  # the longest windows an advertiser may have
EAST_HOURS, WEST_HOURS = 14, 12  # a local day starts up to 14 h before the UTC day of its date, ends up to 12 h after
WINDOW_US = 300 * SECOND_US
COUNTED = "is_in_time AND NOT coalesce(is_repeat, false)"
"""Predicate of the conversions that marts count. Rows of earlier releases have no is_repeat."""
PURCHASE = "purchase"
"""The event_name of a conversion, and the objective_event of a campaign, that name none."""


def click_id(at: str) -> Callable[[Column], Column]:
    """A function from user id to click_id: the first 32 hex digits of the SHA-256 of the grain of the click.

    `at` names the column with the time of the click. The id is the same in every engine, run and order.
    """

    def of(user: Column) -> Column:
        grain = F.concat_ws("|", "ad_id", user, "session_id", F.unix_micros(at))
        return F.left(F.sha2(grain, 256), F.lit(32))

    return of


def stamp(
    rows: DataFrame, at: str, dim_ads: DataFrame, dim_campaigns: DataFrame, dim_advertisers: DataFrame
) -> DataFrame:
    """Add creative, campaign, advertiser and time zone as of the time in column `at`, and local_day."""
    ads = as_of(rows, dim_ads, "ad_id", at, "creative_id", "campaign_id")
    campaigns = as_of(ads, dim_campaigns, "campaign_id", at, "advertiser_id")
    zoned = as_of(campaigns, dim_advertisers, "advertiser_id", at, "time_zone")
    return zoned.withColumn("local_day", local_day(at))


def local_day(at: str) -> Column:
    """The date of the time in column `at`, in the time zone of column `time_zone`."""
    return F.expr(f"to_date(from_utc_timestamp({at}, time_zone))")


def locked_from(day: str = "local_day") -> Column:
    """The time at which a day in `time_zone` is locked: LOCK_DAYS local days after its end (clock changes included)."""
    return F.expr(f"to_utc_timestamp(CAST(date_add({day}, {LOCK_DAYS + 1}) AS TIMESTAMP), time_zone)")


def on_own_day(conversions: DataFrame, dim_advertisers: DataFrame) -> DataFrame:
    """Add local_day, locked_from and is_in_time of the conversion's advertiser; those of UTC when it is unknown."""
    zoned = as_of(conversions, dim_advertisers, "advertiser_id", "conversion_ts", "time_zone")
    dated = zoned.withColumn("time_zone", F.coalesce("time_zone", F.lit("UTC")))
    locked = dated.withColumn("local_day", local_day("conversion_ts")).withColumn("locked_from", locked_from())
    return locked.withColumn("is_in_time", F.expr("received_ts < locked_from")).drop("time_zone")


def event_ratios(conversions: str) -> dict[str, Column]:
    """cvr, cpa and roas of some conversions, from columns ad_clicks, spend_usd and value_usd_sum."""
    return {
        "cvr": exact_ratio(conversions, "ad_clicks"),
        "cpa": exact_ratio(_micros("spend_usd"), f"({conversions}) * {MICROS}"),
        "roas": per_dollar("value_usd_sum"),
    }


def per_dollar(value: str) -> Column:
    """value / spend_usd, from two columns in USD."""
    return exact_ratio(_micros(value), _micros("spend_usd"))


def _micros(usd: str) -> str:
    return f"CAST({usd} * {MICROS} AS DECIMAL(24,0))"


def judge_traffic(clicks: DataFrame) -> DataFrame:
    """Add `is_valid`: false for clicks of a bot and for the second click of a double click.

    `clicks` must contain whole hours and the hour before, so that a double click across the hour is found. In a burst
    of clicks less than a second apart, only the first click is valid. Rows that are not clicks, with NULL ad_id and
    click_hour, do not influence any click.
    """
    per_hour = Window.partitionBy("user_id", "click_hour")
    same_ad = Window.partitionBy("user_id", "ad_id").orderBy("click_ts", "session_id")
    since = "unix_micros(click_ts) - unix_micros(_before)"
    return (
        clicks.withColumn("_clicks", F.count("*").over(per_hour))
        .withColumn("_before", F.lag("click_ts").over(same_ad))
        .withColumn("_double", F.expr(f"coalesce({since} < {DOUBLE_CLICK_US}, false)"))
        .withColumn("is_valid", F.expr(f"_clicks <= {MAX_CLICKS_PER_HOUR} AND NOT _double"))
        .drop("_clicks", "_before", "_double")
    )
