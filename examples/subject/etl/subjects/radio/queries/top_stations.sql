-- question: Which stations had the most listeners?
-- grain: one row per station and day, most listeners first
-- inputs: [mart_station_daily, dim_stations]
-- parameters:
--   end: {type: DATE, default: latest, meaning: "End of the interval, exclusive"}
--   start: {type: DATE, default: end - 7 days, meaning: First day of the interval}
--   limit: {type: INT, default: 10, low: 1, meaning: Maximum number of rows}
SELECT m.day, m.station_id, s.station_name, m.listeners, m.plays
FROM mart_station_daily AS m
    LEFT JOIN dim_stations AS s ON m.station_id = s.station_id AND s.is_current
WHERE m.day >= :start AND m.day < :end
ORDER BY m.listeners DESC, m.plays DESC, m.station_id, m.day
LIMIT :limit
