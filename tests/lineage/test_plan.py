"""Lineage of single plan nodes: the sources of a value, and what influences it."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from etl.errors import ContractViolation
from etl.lineage.plan import empty_input, lineage


@pytest.fixture
def posts(spark: SparkSession) -> DataFrame:
    """An empty table of posts: (post, author, likes, tags)."""
    return empty_input(spark, "posts", "post BIGINT, author BIGINT, likes INT, tags ARRAY<STRING>")


@pytest.fixture
def views(spark: SparkSession) -> DataFrame:
    """An empty table of views: (post, viewer, seconds)."""
    return empty_input(spark, "views", "post BIGINT, viewer BIGINT, seconds INT")


def sources_of(frame: DataFrame, column: str) -> set[str]:
    """The sources of a column's value."""
    return {str(source) for source in lineage(frame).columns[column].value}


def influences_on(frame: DataFrame, column: str | None = None) -> set[str]:
    """`how: column` of everything that influences a column, or which rows exist."""
    found = lineage(frame)
    uses = found.columns[column].through if column else found.rows
    return {f"{how}: {source}" for how, source in uses}


def test_a_renamed_column_keeps_its_source(posts: DataFrame) -> None:
    assert sources_of(posts.withColumnRenamed("likes", "hearts"), "hearts") == {"posts.likes"}


def test_an_expression_has_all_its_columns_as_sources_through_every_step(posts: DataFrame) -> None:
    result = posts.withColumn("a", F.col("likes") + 1).withColumn("b", F.col("a") * F.col("author")).select("b")
    assert sources_of(result, "b") == {"posts.likes", "posts.author"}
    assert influences_on(result, "b") == set()


def test_a_reused_column_name_is_not_confused_with_the_old_column(posts: DataFrame) -> None:
    result = posts.withColumn("likes", F.col("author")).withColumn("author", F.lit(1))
    assert sources_of(result, "likes") == {"posts.author"}
    assert sources_of(result, "author") == set()


def test_a_filter_influences_rows_but_no_value(posts: DataFrame) -> None:
    result = posts.where("likes > 3").select("post")
    assert influences_on(result) == {"rows: rows of posts", "filter: posts.likes"}
    assert sources_of(result, "post") == {"posts.post"}
    assert influences_on(result, "post") == set()


def test_a_sum_is_influenced_by_the_filter_and_the_groups_below_it(posts: DataFrame) -> None:
    result = posts.where("post > 0").groupBy("author").agg(F.sum("likes").alias("likes"))
    assert sources_of(result, "likes") == {"posts.likes"}
    assert influences_on(result, "likes") == {"rows: rows of posts", "filter: posts.post", "group: posts.author"}
    assert influences_on(result, "author") == set()


def test_a_count_of_rows_has_no_source_column(posts: DataFrame) -> None:
    result = posts.groupBy("author").count()
    assert sources_of(result, "count") == set()
    assert influences_on(result, "count") == {"rows: rows of posts", "group: posts.author"}


def test_a_filter_above_a_sum_does_not_influence_the_sum(posts: DataFrame) -> None:
    result = posts.groupBy("author").agg(F.sum("likes").alias("likes"), F.max("post").alias("last")).where("last > 9")
    assert "filter: posts.post" in influences_on(result)
    assert "filter: posts.post" not in influences_on(result, "likes")


def test_an_inner_join_influences_rows(posts: DataFrame, views: DataFrame) -> None:
    result = posts.join(views, "post").select("author", "seconds")
    assert {"join: posts.post", "join: views.post"} <= influences_on(result)
    assert influences_on(result, "seconds") == set()


def test_the_optional_side_of_an_outer_join_is_influenced_by_the_condition(posts: DataFrame, views: DataFrame) -> None:
    result = posts.join(views.where("viewer > 0"), "post", "left").select("author", "seconds")
    match = {"join: posts.post", "join: views.post", "filter: views.viewer", "rows: rows of views"}
    assert influences_on(result, "seconds") == match
    assert influences_on(result, "author") == set()


def test_the_key_of_a_full_join_comes_from_both_sides(posts: DataFrame, views: DataFrame) -> None:
    assert sources_of(posts.join(views, "post", "full_outer"), "post") == {"posts.post", "views.post"}


def test_a_self_join_distinguishes_both_sides(posts: DataFrame) -> None:
    """Spark renumbers the attributes of one side; both sides are still posts."""
    other = posts.select(F.col("author").alias("post"), F.col("likes").alias("given"))
    result = posts.join(other, "post").select("likes", "given")
    assert sources_of(result, "given") == {"posts.likes"}
    assert {"join: posts.post", "join: posts.author"} <= influences_on(result)


def test_an_anti_join_influences_rows_by_the_other_table(posts: DataFrame, views: DataFrame) -> None:
    assert "join: views.post" in influences_on(posts.join(views, "post", "left_anti"))


def test_a_rank_has_no_source_and_is_influenced_by_its_window(posts: DataFrame) -> None:
    rank = F.row_number().over(Window.partitionBy("author").orderBy("likes"))
    result = posts.withColumn("rank", rank).where("rank = 1").select("post", "rank")
    by_window = {"window: posts.author", "window: posts.likes", "rows: rows of posts"}
    assert sources_of(result, "rank") == set()
    assert influences_on(result, "rank") == by_window
    assert by_window <= influences_on(result)


def test_lag_has_its_column_as_source(posts: DataFrame) -> None:
    before = F.lag("likes").over(Window.partitionBy("author").orderBy("post"))
    result = posts.select(before.alias("before"))
    assert sources_of(result, "before") == {"posts.likes"}
    assert {"window: posts.author", "window: posts.post"} <= influences_on(result, "before")


def test_a_union_combines_columns_by_position(posts: DataFrame, views: DataFrame) -> None:
    result = posts.select("post", "likes").union(views.select("post", "seconds"))
    assert sources_of(result, "likes") == {"posts.likes", "views.seconds"}


def test_an_exploded_array_is_the_source_and_influences_the_rows(posts: DataFrame) -> None:
    result = posts.select("post", F.explode("tags").alias("tag"))
    assert sources_of(result, "tag") == {"posts.tags"}
    assert "explode: posts.tags" in influences_on(result)


def test_the_fields_of_max_by_of_a_struct_have_separate_sources(posts: DataFrame) -> None:
    """Each field has its own source; the ordering column only influences it."""
    best = F.max_by(F.struct("post", "tags"), "likes").alias("best")
    result = posts.groupBy("author").agg(best).select("best.*")
    assert sources_of(result, "tags") == {"posts.tags"}
    assert "order: posts.likes" in influences_on(result, "tags")


def test_the_filter_of_an_aggregate_influences_it(posts: DataFrame) -> None:
    result = posts.groupBy("author").agg(F.expr("sum(likes) FILTER (WHERE post > 0)").alias("n"))
    assert sources_of(result, "n") == {"posts.likes"}
    assert "filter: posts.post" in influences_on(result, "n")


def test_dropping_duplicates_influences_rows_by_the_key(posts: DataFrame) -> None:
    assert "group: posts.author" in influences_on(posts.dropDuplicates(["author"]))
    assert "group: posts.likes" in influences_on(posts.distinct())


def test_sql_with_a_common_table_expression_and_a_subquery(
    spark: SparkSession, posts: DataFrame, views: DataFrame
) -> None:
    posts.createOrReplaceTempView("lineage_posts")
    views.createOrReplaceTempView("lineage_views")
    result = spark.sql("""
        WITH seen AS (SELECT post, sum(seconds) AS s FROM lineage_views GROUP BY post)
        SELECT author, s, (SELECT max(likes) FROM lineage_posts) AS best
        FROM lineage_posts JOIN seen USING (post)
        WHERE author IN (SELECT viewer FROM lineage_views WHERE seconds > 5)
        ORDER BY s LIMIT 10""")
    assert sources_of(result, "s") == {"views.seconds"}
    assert sources_of(result, "best") == {"posts.likes"}
    assert {"filter: posts.author", "filter: views.viewer", "filter: views.seconds"} <= influences_on(result)
    assert "group: views.post" in influences_on(result, "s")


def test_a_correlated_subquery_is_influenced_by_its_condition(
    spark: SparkSession, posts: DataFrame, views: DataFrame
) -> None:
    posts.createOrReplaceTempView("lineage_posts")
    views.createOrReplaceTempView("lineage_views")
    result = spark.sql(
        "SELECT author, (SELECT max(seconds) FROM lineage_views v WHERE v.post = p.post) AS longest "
        "FROM lineage_posts p"
    )
    assert sources_of(result, "longest") == {"views.seconds"}
    assert {"filter: views.post", "filter: posts.post"} <= influences_on(result, "longest")


def test_an_unsupported_plan_node_is_refused(posts: DataFrame) -> None:
    hidden = posts.mapInPandas(lambda batches: batches, posts.schema)
    with pytest.raises(ContractViolation, match="MapInPandas"):
        lineage(hidden)
