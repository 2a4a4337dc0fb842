-- The first and the newest hour anything landed in.
SELECT min(landed_hour) AS oldest, max(landed_hour) AS newest FROM agg_ingest_hourly
