"""Statements for `feed-etl sql`: attempts to do more than read, and typical queries of analysts."""

# ruff: noqa: E501

REFUSED = """
DELETE FROM fct_shares
DELETE FROM fct_shares WHERE share_id = 1
delete /* SELECT */ from fct_shares
-- SELECT 1
UPDATE fct_shares SET channel = 'x'
INSERT INTO fct_shares SELECT * FROM fct_shares
INSERT OVERWRITE fct_shares SELECT * FROM fct_shares
INSERT INTO fct_shares REPLACE WHERE true SELECT * FROM fct_shares
INSERT OVERWRITE DIRECTORY '/tmp/x' USING csv SELECT 1
INSERT OVERWRITE LOCAL DIRECTORY '/tmp/x' USING parquet SELECT * FROM fct_shares
FROM fct_shares INSERT INTO a SELECT 1 INSERT INTO b SELECT 2
WITH x AS (SELECT 1) INSERT INTO y SELECT * FROM x
WITH x AS (SELECT 1) DELETE FROM fct_shares
MERGE INTO fct_shares t USING fct_shares s ON t.share_id = s.share_id WHEN MATCHED THEN DELETE
TRUNCATE TABLE fct_shares
CREATE TABLE x (a INT) USING delta
CREATE TABLE x USING parquet LOCATION '/tmp/x' AS SELECT * FROM fct_shares
CREATE OR REPLACE TABLE delta.`/tmp/x` AS SELECT 1
CREATE TABLE x SHALLOW CLONE fct_shares
CREATE VIEW x AS SELECT 1
CREATE TEMPORARY VIEW x AS SELECT 1
CREATE TEMPORARY VIEW x USING csv OPTIONS (path '/etc/passwd')
CREATE DATABASE x
CREATE FUNCTION f AS 'a.B' USING JAR '/tmp/x.jar'
CREATE TEMPORARY FUNCTION f() RETURNS INT RETURN 1
ALTER TABLE fct_shares ADD COLUMN x INT
ALTER TABLE fct_shares SET TBLPROPERTIES ('a' = 'b')
ALTER TABLE fct_shares SET LOCATION '/tmp/x'
DROP TABLE fct_shares
DROP VIEW IF EXISTS fct_shares
COMMENT ON TABLE fct_shares IS 'x'
VACUUM fct_shares RETAIN 0 HOURS
VACUUM delta.`/tmp/x`
OPTIMIZE fct_shares
RESTORE TABLE fct_shares TO VERSION AS OF 1
REORG TABLE fct_shares APPLY (PURGE)
CONVERT TO DELTA parquet.`/tmp/x`
GENERATE symlink_format_manifest FOR TABLE fct_shares
MSCK REPAIR TABLE fct_shares
LOAD DATA INPATH '/tmp/x' INTO TABLE fct_shares
ANALYZE TABLE fct_shares COMPUTE STATISTICS
CACHE TABLE fct_shares
CACHE LAZY TABLE x AS SELECT 1
UNCACHE TABLE fct_shares
CLEAR CACHE
REFRESH TABLE fct_shares
REFRESH '/etc'
ADD JAR '/tmp/x.jar'
ADD FILE '/etc/passwd'
LIST FILES
LIST JARS
SET
SET -v
SET spark.sql.shuffle.partitions
SET spark.sql.runSQLOnFiles = true
SET TIME ZONE 'Asia/Kolkata'
RESET
USE x
SHOW CREATE TABLE fct_shares
SHOW PROCEDURES
CALL x.y()
DECLARE x INT DEFAULT 1
DECLARE VARIABLE x STRING DEFAULT reflect('java.lang.System', 'getenv', 'HOME')
SET VAR x = 1
DROP TEMPORARY VARIABLE x
EXECUTE IMMEDIATE 'SELECT 1'
EXECUTE IMMEDIATE 'DELETE FROM fct_shares'
BEGIN SELECT 1; END
BEGIN DELETE FROM fct_shares; END
BEGIN DECLARE x INT; SET x = 1; SELECT x; END
SELECT reflect('java.lang.System', 'getenv', 'HOME')
SELECT ReFlEcT('java.lang.System', 'getenv', 'HOME')
SELECT `reflect`('java.lang.System', 'getenv', 'HOME')
SELECT /* a */ reflect /* b */ ('java.lang.System', 'getenv', 'HOME')
SELECT system.builtin.reflect('java.lang.System', 'getenv', 'HOME')
SELECT builtin.java_method('java.lang.System', 'getenv', 'HOME')
SELECT java_method('java.lang.Runtime', 'getRuntime')
SELECT try_reflect('java.lang.System', 'getProperty', 'user.home')
SELECT 1 WHERE reflect('java.lang.System', 'getenv', 'HOME') IS NOT NULL
SELECT (SELECT reflect('java.lang.System', 'getenv', 'HOME'))
SELECT 1 FROM fct_shares WHERE EXISTS (SELECT java_method('java.lang.System', 'getenv', 'HOME'))
SELECT 1 FROM fct_shares GROUP BY reflect('java.lang.System', 'getenv', 'HOME')
SELECT 1 FROM fct_shares ORDER BY reflect('java.lang.System', 'getenv', 'HOME')
SELECT 1 FROM fct_shares HAVING max(reflect('java.lang.System', 'getenv', 'HOME')) = 'a'
SELECT row_number() OVER w FROM fct_shares WINDOW w AS (ORDER BY reflect('java.lang.System', 'getenv', 'HOME'))
SELECT row_number() OVER (PARTITION BY reflect('java.lang.System', 'getenv', 'HOME') ORDER BY 1) FROM fct_shares
SELECT transform(array(1), x -> reflect('java.lang.System', 'getenv', 'HOME'))
SELECT count(*) FILTER (WHERE reflect('java.lang.System', 'getenv', 'HOME') = 'x') FROM fct_shares
SELECT CASE WHEN true THEN java_method('java.lang.System', 'getenv', 'HOME') END
SELECT * FROM VALUES (reflect('java.lang.System', 'getenv', 'HOME'))
VALUES (reflect('java.lang.System', 'getenv', 'HOME'))
SELECT * FROM fct_shares LATERAL VIEW explode(array(reflect('java.lang.System', 'getenv', 'HOME'))) e AS x
SELECT * FROM fct_shares LATERAL VIEW reflect('java.lang.System', 'getenv', 'HOME') e AS x
SELECT * FROM explode(array(reflect('java.lang.System', 'getenv', 'HOME')))
SELECT * FROM fct_shares JOIN fct_shares b ON reflect('java.lang.System', 'getenv', 'HOME') = 'x'
SELECT * FROM (SELECT 1 a, 2 b) PIVOT (max(reflect('java.lang.System', 'getenv', 'HOME')) FOR b IN (1, 2))
FROM fct_shares |> EXTEND reflect('java.lang.System', 'getenv', 'HOME') AS x
WITH x AS (SELECT reflect('java.lang.System', 'getenv', 'HOME')) SELECT * FROM x
SELECT 1 UNION ALL SELECT reflect('java.lang.System', 'getenv', 'HOME')
SELECT 1 LIMIT length(reflect('java.lang.System', 'getenv', 'HOME'))
SELECT * EXCEPT (share_id), reflect('java.lang.System', 'getenv', 'HOME') FROM fct_shares
SELECT IDENTIFIER('reflect')('java.lang.System', 'getenv', 'HOME')
SELECT IDENTIFIER('re' || 'flect')('java.lang.System', 'getenv', 'HOME')
SELECT * FROM IDENTIFIER('parquet.`/etc/passwd`')
SELECT * FROM IDENTIFIER('fct_' || 'shares')
SELECT :x
SELECT ?
SELECT TRANSFORM (share_id) USING 'cat' AS (x) FROM fct_shares
FROM fct_shares MAP share_id USING 'cat' AS x
FROM fct_shares REDUCE share_id USING 'cat' AS x
SELECT * FROM (SELECT TRANSFORM (share_id) USING 'env' FROM fct_shares)
SELECT unknown_function(1)
SELECT from_xml('<a/>', 'a INT', map('rowValidationXSDPath', '/etc/passwd'))
SELECT xpath_string('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', 'a')
SELECT from_protobuf(unhex('00'), 'A', '/etc/passwd')
SELECT * FROM parquet.`/etc/passwd`
SELECT * FROM text.`file:///etc/passwd`
SELECT * FROM TeXt.`/etc/passwd`
SELECT * FROM csv.`/etc/passwd`
SELECT * FROM json.`/etc/passwd`
SELECT * FROM orc.`/etc/passwd`
SELECT * FROM avro.`/etc/passwd`
SELECT * FROM binaryFile.`/etc/passwd`
SELECT * FROM delta.`/tmp/lake/facts/fct_shares`
SELECT * FROM delta.`/tmp/lake/facts/fct_shares@v0`
SELECT * FROM fct_shares, text.`/etc/passwd`
SELECT (SELECT max(value) FROM text.`/etc/passwd`)
SELECT 1 WHERE 1 IN (SELECT 1 FROM text.`/etc/passwd`)
WITH fct_shares AS (SELECT * FROM text.`/etc/passwd`) SELECT * FROM fct_shares
TABLE text.`/etc/passwd`
SELECT * FROM fct_shares WITH ('path' = '/etc/passwd')
SELECT * FROM STREAM fct_shares
SELECT * FROM spark_catalog.default.fct_shares
SELECT * FROM global_temp.fct_shares
SELECT * FROM somebody_elses
SELECT (WITH x AS (SELECT 1 AS a) SELECT a FROM x) FROM x
WITH x AS (SELECT * FROM x) SELECT * FROM x
SELECT * FROM read_files('/etc/passwd')
SELECT * FROM read_kafka('x')
SELECT * FROM table_changes('fct_shares', 0)
SELECT * FROM table_changes_by_path('/tmp/lake/facts/fct_shares', 0)
SELECT * FROM python_worker_logs()
SELECT * FROM somebody_elses_udtf(TABLE (SELECT 1))
EXPLAIN DELETE FROM fct_shares
EXPLAIN EXTENDED INSERT OVERWRITE DIRECTORY '/tmp/x' USING csv SELECT 1
EXPLAIN CODEGEN SELECT * FROM text.`/etc/passwd`
EXPLAIN SELECT reflect('java.lang.System', 'getenv', 'HOME')
EXPLAIN SET -v
EXPLAIN EXPLAIN CREATE TABLE x AS SELECT 1
DESCRIBE QUERY SELECT reflect('java.lang.System', 'getenv', 'HOME')
DESCRIBE delta.`/tmp/x`
DESCRIBE EXTENDED parquet.`/etc/passwd`
DESCRIBE HISTORY delta.`/tmp/x`
DESCRIBE HISTORY '/tmp/x'
DESCRIBE DETAIL '/tmp/x'
SHOW COLUMNS IN delta.`/tmp/x`
SHOW TBLPROPERTIES fct_shares
"""

# Spark's own parser accepts none of these, so they are refused as invalid SQL.
MALFORMED = """
SELECT 1; DROP TABLE fct_shares
SELECT 1; SELECT 2
COPY INTO fct_shares FROM '/tmp/x'
WITH x AS (DELETE FROM fct_shares) SELECT * FROM x
SHOW CONF
EXPLAIN ANALYZE SELECT 1
SELECT ${env:HOME}
!ls
"""

ALLOWED = """
SELECT 1;
SELECT * FROM fct_shares
SELECT * FROM FCT_SHARES AS s
select share_id, s.channel from `fct_shares` s where s.share_id > 1 order by 1 desc nulls last limit 3 offset 0
SELECT count(*), count(DISTINCT channel), sum(share_id) FROM fct_shares
SELECT channel, count(*) FROM fct_shares GROUP BY ALL HAVING count(*) > 0 ORDER BY ALL
SELECT channel, count(*) FROM fct_shares GROUP BY ROLLUP (channel)
SELECT channel, count(*) FROM fct_shares GROUP BY GROUPING SETS ((channel), ())
SELECT channel, row_number() OVER (PARTITION BY channel ORDER BY share_id ROWS UNBOUNDED PRECEDING) AS n FROM fct_shares
SELECT lag(share_id) OVER w FROM fct_shares WINDOW w AS (PARTITION BY channel ORDER BY share_id)
SELECT share_id, rank() OVER (ORDER BY share_id) AS n FROM fct_shares QUALIFY n = 1
WITH x AS (SELECT 1 AS a), y (b) AS (SELECT a FROM x) SELECT * FROM x JOIN y ON a = b
WITH a AS (WITH b AS (SELECT 1 AS c) SELECT c FROM b) SELECT * FROM a WHERE c IN (WITH d AS (SELECT 1 AS e) SELECT e FROM d)
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r
WITH fct_shares AS (SELECT 1 AS a) SELECT * FROM fct_shares
SELECT * FROM fct_shares LATERAL VIEW OUTER explode(array(1, 2)) e AS x
SELECT * FROM fct_shares, LATERAL (SELECT share_id + 1 AS next)
SELECT * FROM explode(array(1, 2)) AS t (x)
SELECT * FROM range(3) JOIN stack(2, 1, 2) AS s
SELECT explode(sequence(1, 3)), typeof(1)
SELECT inline(array(struct(1, 'a'), struct(2, 'b')))
SELECT * FROM (SELECT channel, share_id FROM fct_shares) PIVOT (count(share_id) AS n FOR channel IN ('link', 'sms'))
SELECT * FROM (SELECT 1 AS a, 2 AS b) UNPIVOT (v FOR n IN (a, b))
SELECT transform(array(1, 2), x -> x + 1), filter(array(1), x -> x > 0), aggregate(array(1), 0, (a, x) -> a + x)
SELECT map_filter(map('a', 1), (k, v) -> v > 0)['a'], named_struct('a', 1).a, array(1, 2)[0]
SELECT count(*) FILTER (WHERE share_id > 1), percentile_cont(0.5) WITHIN GROUP (ORDER BY share_id) FROM fct_shares
SELECT listagg(channel, ',') WITHIN GROUP (ORDER BY channel), mode(channel), max_by(channel, share_id) FROM fct_shares
SELECT DISTINCT channel FROM fct_shares UNION SELECT 'x' EXCEPT SELECT 'y' INTERSECT SELECT 'z'
SELECT * EXCEPT (channel) FROM fct_shares
SELECT a.* FROM fct_shares a LEFT ANTI JOIN fct_shares b USING (share_id)
SELECT (SELECT max(share_id) FROM fct_shares), EXISTS (SELECT 1 FROM fct_shares b WHERE b.share_id = a.share_id) FROM fct_shares a
SELECT CAST('1' AS INT), '1'::INT, DATE'2026-06-01' + INTERVAL 1 DAY, CASE WHEN true THEN 1 ELSE 2 END, 1 BETWEEN 0 AND 2
SELECT date_trunc('hour', TIMESTAMP'2026-06-01 10:30:00Z'), hour(current_timestamp()), extract(DAY FROM current_date())
SELECT 'a' LIKE 'A' ESCAPE '!', 'a' ILIKE ANY ('A', 'b'), 'a' RLIKE 'a.*', 'a' || 'b', 1 <=> NULL, NOT true, 5 DIV 2, 5 % 2
SELECT 'a' COLLATE UTF8_LCASE = 'A', position('a' IN 'ba'), substring('abc' FROM 2 FOR 1), trim(BOTH 'x' FROM 'xax')
SELECT approx_count_distinct(share_id), hll_sketch_estimate(hll_sketch_agg(share_id)) FROM fct_shares
SELECT from_json('{"a":1}', 'a INT').a, get_json_object('{"a":1}', '$.a'), parse_json('{"a":1}'):a
SELECT uuid() IS NOT NULL, version(), input_file_name(), current_database(), md5('a'), system.builtin.upper('a')
SELECT /*+ BROADCAST(b), COALESCE(1) */ a.share_id FROM fct_shares a JOIN fct_shares b USING (share_id)
SELECT * FROM fct_shares TABLESAMPLE (50 PERCENT) REPEATABLE (7)
SELECT * FROM fct_shares DISTRIBUTE BY channel SORT BY share_id
FROM fct_shares |> WHERE share_id > 0 |> AGGREGATE count(*) AS n GROUP BY channel |> ORDER BY n
VALUES (1, 'a'), (2, 'b')
TABLE fct_shares
SELECT run_id, table_name FROM ledger ORDER BY started_at
SELECT 'delete from fct_shares; ${env:HOME}', "SET -v" -- DROP TABLE x
DESCRIBE fct_shares
DESCRIBE EXTENDED fct_shares
DESCRIBE fct_shares share_id
DESCRIBE QUERY SELECT channel FROM fct_shares
DESCRIBE FUNCTION EXTENDED upper
DESCRIBE HISTORY fct_shares
DESCRIBE HISTORY fct_shares LIMIT 1
DESCRIBE DETAIL fct_shares
SHOW TABLES
SHOW TABLES LIKE 'fct*'
SHOW VIEWS
SHOW COLUMNS IN fct_shares
SHOW FUNCTIONS LIKE 'upper'
SHOW DATABASES
EXPLAIN SELECT * FROM fct_shares
EXPLAIN FORMATTED SELECT channel, count(*) FROM fct_shares GROUP BY channel
EXPLAIN EXTENDED WITH x AS (SELECT 1) SELECT * FROM x
"""


def listed(text: str) -> list[str]:
    """The statements of a text, one per line."""
    return [line for line in text.splitlines() if line.strip() and not line.startswith("--")]
