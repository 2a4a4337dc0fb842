-- Ad clicks per hour of the click, valid and invalid.
SELECT click_hour AS hour, count_if(is_valid) AS valid, count_if(NOT is_valid) AS invalid
FROM fct_ad_clicks
WHERE click_hour >= :start AND click_hour < :end
GROUP BY click_hour
ORDER BY click_hour
