-- All conversions but repeats per UTC day of the conversion, by attribution, whether a mart counts them or not.
SELECT
  day, count(*) AS conversions, count_if(attribution = 'click') AS click, count_if(attribution = 'view') AS view,
  count_if(attribution = 'organic') AS organic
FROM fct_attributed_conversion
WHERE day >= :start AND day < :end AND NOT coalesce(is_repeat, false)
GROUP BY day
ORDER BY day
