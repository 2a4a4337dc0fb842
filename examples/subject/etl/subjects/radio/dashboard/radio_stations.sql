SELECT station_id, sum(plays) AS plays, sum(seconds_sum) AS seconds_sum
FROM fct_listens
WHERE play_hour >= :start AND play_hour < :end
GROUP BY station_id
ORDER BY plays DESC, station_id
