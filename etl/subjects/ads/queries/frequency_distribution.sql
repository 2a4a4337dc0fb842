-- question: How often did the people that a campaign reached see it in a week, and did it exceed its cap?
-- grain: one row per campaign and frequency (1, 2-3, 4-6, 7-10, 11+), campaigns with the largest reach first
-- note: >-
--   The week is the seven complete days before `end` in the time zone of the advertiser. All surfaces count together,
--   valid impressions only, and people are counted exactly. Shares are of the campaign's people and impressions.
--   is_over_capping is true when the campaign reached more than 10,000 people and more than 20 % of them saw it more
--   often than the cap.
-- inputs: [fct_ad_impressions, dim_advertisers]
-- parameters:
--   end: {type: HOUR, default: latest, meaning: "The week ends with the last day that is complete at this hour"}
--   cap: {type: INT, default: 10, low: 1, meaning: Maximum number of impressions per person and week}
--   campaign_id: {type: BIGINT, default: null, meaning: Only this campaign}
WITH weeks AS (
    SELECT advertiser_id, to_date(from_utc_timestamp(:end, time_zone)) AS after
    FROM dim_advertisers
    WHERE valid_from <= :end AND (valid_to IS NULL OR valid_to > :end)
),
seen AS (
    SELECT advertiser_id, campaign_id, user_id, count(*) AS impressions
    FROM fct_ad_impressions JOIN weeks USING (advertiser_id)
    WHERE is_valid AND campaign_id IS NOT NULL
        AND ad_impression_hour >= :end - INTERVAL 10 DAYS AND ad_impression_hour < :end
        AND local_day >= date_sub(after, 7) AND local_day < after
        AND (:campaign_id IS NULL OR campaign_id = :campaign_id)
    GROUP BY advertiser_id, campaign_id, user_id
),
counted AS (
    SELECT
        advertiser_id,
        campaign_id,
        CASE
            WHEN impressions = 1 THEN '1'
            WHEN impressions <= 3 THEN '2-3'
            WHEN impressions <= 6 THEN '4-6'
            WHEN impressions <= 10 THEN '7-10'
            ELSE '11+'
        END AS frequency,
        min(impressions) AS least,
        count(*) AS people,
        sum(impressions) AS impressions,
        count_if(impressions > :cap) AS over_cap
    FROM seen
    GROUP BY advertiser_id, campaign_id, frequency
),
campaigns AS (
    SELECT
        *,
        sum(people) OVER of_campaign AS reach,
        sum(impressions) OVER of_campaign AS shown,
        sum(over_cap) OVER of_campaign AS people_over_cap
    FROM counted
    WINDOW of_campaign AS (PARTITION BY advertiser_id, campaign_id)
)
SELECT
    advertiser_id,
    campaign_id,
    frequency,
    people,
    round(CAST(people AS DECIMAL(18, 0)) / CAST(reach AS DECIMAL(18, 0)), 6) AS people_share,
    impressions,
    round(CAST(impressions AS DECIMAL(18, 0)) / CAST(shown AS DECIMAL(18, 0)), 6) AS impressions_share,
    reach,
    people_over_cap,
    reach > 10000 AND people_over_cap * 5 > reach AS is_over_capping
FROM campaigns
ORDER BY reach DESC, campaign_id, advertiser_id, least
