-- question: How many of the people that a campaign reached saw it more often in a day than the cap allows?
-- grain: one row per campaign and day of its advertiser, largest share first
-- note: >-
--   Deprecated: frequency_distribution has the frequency of a whole week.
-- inputs: [fct_ad_impressions]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "The last day, inclusive, is the date of the hour before this one"}
--   start: {type: HOUR, default: end - 168 hours, meaning: The first day is the date of this hour}
--   cap: {type: INT, default: 10, low: 1, meaning: Maximum number of impressions per user and day}
--   min_users: {type: INT, default: 1, low: 1, meaning: Rows with fewer users are left out}
WITH seen AS (
    SELECT campaign_id, local_day, user_id, count(*) AS impressions
    FROM fct_ad_impressions
    WHERE is_valid AND campaign_id IS NOT NULL AND local_day IS NOT NULL
        AND ad_impression_hour >= :start - INTERVAL 38 HOURS AND ad_impression_hour < :end + INTERVAL 36 HOURS
        AND local_day >= to_date(:start) AND local_day <= to_date(:end - INTERVAL 1 HOUR)
    GROUP BY campaign_id, local_day, user_id
)
SELECT
    campaign_id,
    local_day AS day,
    count(*) AS users,
    count_if(impressions > :cap) AS users_over_cap,
    round(CAST(count_if(impressions > :cap) AS DECIMAL(18, 0)) / CAST(count(*) AS DECIMAL(18, 0)), 5) AS share_over_cap,
    max(impressions) AS most
FROM seen
GROUP BY campaign_id, local_day
HAVING count(*) >= :min_users
ORDER BY share_over_cap DESC, users_over_cap DESC, campaign_id, day
