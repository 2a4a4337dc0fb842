"""Rules that ads facts and marts share: valid traffic, joins as of an event, and days of the advertiser.

Source: the ads specification, Rules. This project chose the limits of invalid traffic; no source gives any.
"""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.transforms.as_of import as_of

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
SESSION_HOURS = 6  # the maximum length of a session
MAX_CLICKS_PER_HOUR = 30  # a user with more clicks in a clock hour is a bot
DOUBLE_CLICK_US = SECOND_US
LOCK_DAYS = 7
CLICK_DAYS, VIEW_DAYS = 7, 1  # the longest windows an advertiser may have
EAST_HOURS, WEST_HOURS = 14, 12  # a local day starts up to 14 h before the UTC day of its date, ends up to 12 h after
WINDOW_US = 300 * SECOND_US


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
