-- Conversions received in a range of hours, those received after their day was locked, and repeats.
SELECT
  count(*) AS received, count_if(NOT is_in_time) AS too_late,
  count_if(NOT is_in_time AND attribution <> 'organic') AS too_late_attributed,
  count_if(is_repeat) AS repeats
FROM fct_attributed_conversion
WHERE received_ts >= :start AND received_ts < :end
HAVING count(*) > 0
