"""Lineage of single plan nodes: what a value is made of, and what decides it."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from etl.errors import ContractViolation
from etl.lineage.plan import empty_input, lineage


@pytest.fixture
def posts(spark: SparkSession) -> DataFrame:
    """No posts: (post, author, likes, tags)."""
    return empty_input(spark, "posts", "post BIGINT, author BIGINT, likes INT, tags ARRAY<STRING>")


@pytest.fixture
def views(spark: SparkSession) -> DataFrame:
    """No views: (post, viewer, seconds)."""
    return empty_input(spark, "views", "post BIGINT, viewer BIGINT, seconds INT")


def made_of(frame: DataFrame, column: str) -> set[str]:
    """The columns in a column's value."""
    return {str(source) for source in lineage(frame).columns[column].value}


def decided_by(frame: DataFrame, column: str | None = None) -> set[str]:
    """`how: column` of all that decides a column, or which rows there are."""
    found = lineage(frame)
    uses = found.columns[column].through if column else found.rows
    return {f"{how}: {source}" for how, source in uses}


def test_a_renamed_column_is_the_same_column(posts: DataFrame) -> None:
    assert made_of(posts.withColumnRenamed("likes", "hearts"), "hearts") == {"posts.likes"}


def test_an_expression_is_made_of_all_its_columns_through_every_step(posts: DataFrame) -> None:
    made = posts.withColumn("a", F.col("likes") + 1).withColumn("b", F.col("a") * F.col("author")).select("b")
    assert made_of(made, "b") == {"posts.likes", "posts.author"}
    assert decided_by(made, "b") == set()


def test_a_name_used_again_is_not_confused_with_the_old_one(posts: DataFrame) -> None:
    made = posts.withColumn("likes", F.col("author")).withColumn("author", F.lit(1))
    assert made_of(made, "likes") == {"posts.author"}
    assert made_of(made, "author") == set()


def test_a_filter_decides_rows_and_no_value(posts: DataFrame) -> None:
    made = posts.where("likes > 3").select("post")
    assert decided_by(made) == {"rows: rows of posts", "filter: posts.likes"}
    assert made_of(made, "post") == {"posts.post"}
    assert decided_by(made, "post") == set()


def test_a_sum_is_decided_by_the_filter_and_the_groups_below_it(posts: DataFrame) -> None:
    made = posts.where("post > 0").groupBy("author").agg(F.sum("likes").alias("likes"))
    assert made_of(made, "likes") == {"posts.likes"}
    assert decided_by(made, "likes") == {"rows: rows of posts", "filter: posts.post", "group: posts.author"}
    assert decided_by(made, "author") == set()


def test_a_count_of_rows_is_made_of_no_column(posts: DataFrame) -> None:
    made = posts.groupBy("author").count()
    assert made_of(made, "count") == set()
    assert decided_by(made, "count") == {"rows: rows of posts", "group: posts.author"}


def test_a_filter_above_a_sum_does_not_decide_the_sum(posts: DataFrame) -> None:
    made = posts.groupBy("author").agg(F.sum("likes").alias("likes"), F.max("post").alias("last")).where("last > 9")
    assert "filter: posts.post" in decided_by(made)
    assert "filter: posts.post" not in decided_by(made, "likes")


def test_an_inner_join_decides_rows(posts: DataFrame, views: DataFrame) -> None:
    made = posts.join(views, "post").select("author", "seconds")
    assert {"join: posts.post", "join: views.post"} <= decided_by(made)
    assert decided_by(made, "seconds") == set()


def test_the_side_of_a_join_that_may_be_missing_is_decided_by_the_match(posts: DataFrame, views: DataFrame) -> None:
    made = posts.join(views.where("viewer > 0"), "post", "left").select("author", "seconds")
    match = {"join: posts.post", "join: views.post", "filter: views.viewer", "rows: rows of views"}
    assert decided_by(made, "seconds") == match
    assert decided_by(made, "author") == set()


def test_the_key_of_a_full_join_comes_from_both_sides(posts: DataFrame, views: DataFrame) -> None:
    assert made_of(posts.join(views, "post", "full_outer"), "post") == {"posts.post", "views.post"}


def test_a_table_joined_with_itself_keeps_both_apart(posts: DataFrame) -> None:
    """Spark renumbers the attributes of one side; both are still posts."""
    other = posts.select(F.col("author").alias("post"), F.col("likes").alias("given"))
    made = posts.join(other, "post").select("likes", "given")
    assert made_of(made, "given") == {"posts.likes"}
    assert {"join: posts.post", "join: posts.author"} <= decided_by(made)


def test_an_anti_join_decides_rows_by_the_other_table(posts: DataFrame, views: DataFrame) -> None:
    assert "join: views.post" in decided_by(posts.join(views, "post", "left_anti"))


def test_a_rank_is_made_of_nothing_and_decided_by_its_window(posts: DataFrame) -> None:
    rank = F.row_number().over(Window.partitionBy("author").orderBy("likes"))
    made = posts.withColumn("rank", rank).where("rank = 1").select("post", "rank")
    by_window = {"window: posts.author", "window: posts.likes", "rows: rows of posts"}
    assert made_of(made, "rank") == set()
    assert decided_by(made, "rank") == by_window
    assert by_window <= decided_by(made)


def test_the_value_before_is_made_of_that_column(posts: DataFrame) -> None:
    before = F.lag("likes").over(Window.partitionBy("author").orderBy("post"))
    made = posts.select(before.alias("before"))
    assert made_of(made, "before") == {"posts.likes"}
    assert {"window: posts.author", "window: posts.post"} <= decided_by(made, "before")


def test_a_union_is_made_of_the_columns_in_the_same_place(posts: DataFrame, views: DataFrame) -> None:
    made = posts.select("post", "likes").union(views.select("post", "seconds"))
    assert made_of(made, "likes") == {"posts.likes", "views.seconds"}


def test_an_exploded_array_is_the_value_and_decides_the_rows(posts: DataFrame) -> None:
    made = posts.select("post", F.explode("tags").alias("tag"))
    assert made_of(made, "tag") == {"posts.tags"}
    assert "explode: posts.tags" in decided_by(made)


def test_the_fields_of_the_best_row_are_kept_apart(posts: DataFrame) -> None:
    """max_by of a struct: each field is its own column, what is maximal decides."""
    best = F.max_by(F.struct("post", "tags"), "likes").alias("best")
    made = posts.groupBy("author").agg(best).select("best.*")
    assert made_of(made, "tags") == {"posts.tags"}
    assert "order: posts.likes" in decided_by(made, "tags")


def test_the_filter_of_an_aggregate_decides(posts: DataFrame) -> None:
    made = posts.groupBy("author").agg(F.expr("sum(likes) FILTER (WHERE post > 0)").alias("n"))
    assert made_of(made, "n") == {"posts.likes"}
    assert "filter: posts.post" in decided_by(made, "n")


def test_dropping_duplicates_decides_rows_by_the_key(posts: DataFrame) -> None:
    assert "group: posts.author" in decided_by(posts.dropDuplicates(["author"]))
    assert "group: posts.likes" in decided_by(posts.distinct())


def test_sql_with_named_parts_and_a_subquery(spark: SparkSession, posts: DataFrame, views: DataFrame) -> None:
    posts.createOrReplaceTempView("lineage_posts")
    views.createOrReplaceTempView("lineage_views")
    made = spark.sql("""
        WITH seen AS (SELECT post, sum(seconds) AS s FROM lineage_views GROUP BY post)
        SELECT author, s, (SELECT max(likes) FROM lineage_posts) AS best
        FROM lineage_posts JOIN seen USING (post)
        WHERE author IN (SELECT viewer FROM lineage_views WHERE seconds > 5)
        ORDER BY s LIMIT 10""")
    assert made_of(made, "s") == {"views.seconds"}
    assert made_of(made, "best") == {"posts.likes"}
    assert {"filter: posts.author", "filter: views.viewer", "filter: views.seconds"} <= decided_by(made)
    assert "group: views.post" in decided_by(made, "s")


def test_a_correlated_subquery_is_decided_by_what_it_is_matched_with(
    spark: SparkSession, posts: DataFrame, views: DataFrame
) -> None:
    posts.createOrReplaceTempView("lineage_posts")
    views.createOrReplaceTempView("lineage_views")
    made = spark.sql(
        "SELECT author, (SELECT max(seconds) FROM lineage_views v WHERE v.post = p.post) AS longest "
        "FROM lineage_posts p"
    )
    assert made_of(made, "longest") == {"views.seconds"}
    assert {"filter: views.post", "filter: posts.post"} <= decided_by(made, "longest")


def test_a_plan_that_hides_its_columns_is_refused(posts: DataFrame) -> None:
    hidden = posts.mapInPandas(lambda batches: batches, posts.schema)
    with pytest.raises(ContractViolation, match="MapInPandas"):
        lineage(hidden)
