-- question: Where do the batch spend, the streaming counter and the invoice differ, and why?
-- grain: one row per campaign and day of its advertiser, largest difference first
-- note: >-
--   ad_usd + unallocated_usd = campaign_usd, to the cent.
-- inputs: [rec_spend_daily]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   at_least: {type: DECIMAL, default: "0.01", low: 0, meaning: "Smaller absolute differences (USD) are left out"}
SELECT
    campaign_id,
    day,
    batch_usd,
    streaming_usd,
    billed_usd,
    difference_usd,
    streaming_difference_usd,
    invalid_usd,
    ad_usd,
    unallocated_usd,
    campaign_usd,
    explanation,
    streaming_explanation
FROM rec_spend_daily
WHERE day >= :start AND day < :end
    AND greatest(abs(coalesce(difference_usd, batch_usd)), abs(coalesce(streaming_difference_usd, 0))) >= :at_least
ORDER BY greatest(abs(coalesce(difference_usd, batch_usd)), abs(coalesce(streaming_difference_usd, 0))) DESC, campaign_id, day
