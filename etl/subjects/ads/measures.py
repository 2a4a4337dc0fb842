"""What counts in ads: valid traffic, how things stood at an instant, days of the advertiser. Shared by facts and marts.

Source: the ads specification, Rules. The limits of invalid traffic are ours: no source names any.
"""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.transforms.as_of import as_of

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
SESSION_HOURS = 6  # how long a session lasts at most: as far as the events of one are looked for
MACHINE_CLICKS = 30  # more clicks of a user in a clock hour are a machine's
DOUBLE_CLICK_US = SECOND_US
LOCK_DAYS = 7
CLICK_DAYS, VIEW_DAYS = 7, 1  # the longest windows an advertiser may have
EAST_HOURS, WEST_HOURS = 14, 12  # how far a local day begins before the UTC day of its name, and ends after it
WINDOW_US = 300 * SECOND_US


def click_id(at: str) -> Callable[[Column], Column]:
    """User -> the id of a click at an instant: half a SHA-256 of its grain, the same in any engine, run and order."""

    def of(user: Column) -> Column:
        grain = F.concat_ws("|", "ad_id", user, "session_id", F.unix_micros(at))
        return F.left(F.sha2(grain, 256), F.lit(32))

    return of


def stamp(
    rows: DataFrame, at: str, dim_ads: DataFrame, dim_campaigns: DataFrame, dim_advertisers: DataFrame
) -> DataFrame:
    """Rows of ads with creative, campaign, advertiser and time zone as of an instant, and the day there."""
    ads = as_of(rows, dim_ads, "ad_id", at, "creative_id", "campaign_id")
    campaigns = as_of(ads, dim_campaigns, "campaign_id", at, "advertiser_id")
    zoned = as_of(campaigns, dim_advertisers, "advertiser_id", at, "time_zone")
    return zoned.withColumn("local_day", local_day(at))


def local_day(at: str) -> Column:
    """The day of an instant in `time_zone`."""
    return F.expr(f"to_date(from_utc_timestamp({at}, time_zone))")


def locked_from(day: str = "local_day") -> Column:
    """The instant a day in `time_zone` is locked: LOCK_DAYS after its end there, whatever the clocks did meanwhile."""
    return F.expr(f"to_utc_timestamp(CAST(date_add({day}, {LOCK_DAYS + 1}) AS TIMESTAMP), time_zone)")


def judge_traffic(clicks: DataFrame) -> DataFrame:
    """Clicks with `is_valid`: neither a machine's nor the second of a double click.

    Clicks of whole hours, those of the hour before given too, or a double click over the hour goes unseen. Of a burst
    that never pauses for a second only the first click is valid. Rows that are no clicks, without ad and hour, may
    lie among them: no click is judged by those.
    """
    per_hour = Window.partitionBy("user_id", "click_hour")
    same_ad = Window.partitionBy("user_id", "ad_id").orderBy("click_ts", "session_id")
    since = "unix_micros(click_ts) - unix_micros(_before)"
    return (
        clicks.withColumn("_clicks", F.count("*").over(per_hour))
        .withColumn("_before", F.lag("click_ts").over(same_ad))
        .withColumn("_double", F.expr(f"coalesce({since} < {DOUBLE_CLICK_US}, false)"))
        .withColumn("is_valid", F.expr(f"_clicks <= {MACHINE_CLICKS} AND NOT _double"))
        .drop("_clicks", "_before", "_double")
    )
