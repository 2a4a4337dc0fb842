-- Conversions received in a range of hours, and those received after their day was locked.
SELECT
  count(*) AS received, count_if(NOT is_in_time) AS too_late,
  count_if(NOT is_in_time AND attribution <> 'organic') AS too_late_attributed
FROM fct_attributed_conversion
WHERE received_ts >= :start AND received_ts < :end
HAVING count(*) > 0
