-- Conversions per UTC day they happened on, by what earned the credit; in a mart or not.
SELECT
  day, count(*) AS conversions, count_if(attribution = 'click') AS click, count_if(attribution = 'view') AS view,
  count_if(attribution = 'organic') AS organic
FROM fct_attributed_conversion
WHERE day >= :start AND day < :end
GROUP BY day
ORDER BY day
