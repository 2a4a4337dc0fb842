"""The interface of the command line: formats, exit codes, one JSON document on standard output, no traceback."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.command_line import feed_etl, refused
from support.local_lake import Simulated

from etl import catalog


def test_help_lists_the_commands() -> None:
    """`--help` lists every command."""
    shown = feed_etl("--help").stdout
    for command in (
        "run",
        "simulate",
        "import",
        "tables",
        "sql",
        "ledger",
        "query",
        "queries",
        "demo",
        "impact",
        "docs",
        "register",
    ):
        assert command in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--from", "2026-06-01T12", "--to", "2026-06-01T10"), ("--from", "before")),
        (("run", "--from", "0001-01-01T00", "--to", "0001-01-01T02"), ("--from", "1900-01-01", "2261-12-31")),
        (("backfill", "plan", "--from", "2026-06-01T10", "--to", "9999-12-31T23"), ("--to", "2261-12-31")),
        (("maintain", "--now", "0001-01-01T00"), ("--now", "1900-01-01")),
        (("restore", "--to-version", "fct_shares"), ("TABLE=VERSION", "fct_shares=12")),
        (("restore", "--to-time", "2026-06-01T10", "--to-version", "fct_shares=1"), ("not both",)),
        (("report", "quality", "--day", "0001-01-01"), ("--day", "1900-01-01")),
        (("query", "top_ads", "--param", "end=0001-01-01"), ("end", "1900-01-01", "0001-01-01")),
        (("query", "top_creators", "--param", "end=0001-01-01T00"), ("end", "1900-01-01")),
        (("run", "--from", "yesterday", "--to", "2026-06-01T10"), ("--from", "yesterday", "%Y-%m-%dT%H")),
        (("run", "--from", "2026-06-01T08", "--to", "2026-06-01T10", "--table", "likes"), ("likes", "fct_shares")),
        (("--conf", "moon", "tables"), ("moon", "local")),
        (("describe", "nothing"), ("nothing", "mart_post_engagement_daily")),
        (("sql", "SELECT 1", "--format", "xml"), ("xml", "csv")),
        (("impact", "fct_shares.likes"), ("likes", "share_id")),
        (("impact", "shares.share_id"), ("shares", "landing.shares", "fct_shares")),
        (("impact",), ("fct_impressions.post_id", "--since")),
        (("impact", "fct_shares", "--since", "HEAD"), ("either", "--since")),
        (("impact", "--since", "HEAD", "--owners"), ("--owners", "lists the owners")),
        (("impact", "--since", "no-such-revision"), ("no-such-revision", "commit, branch or tag")),
        (("docs", "--format", "yaml"), ("yaml", "pages", "odcs")),
        (("new-table", "fct_shares", "--layer", "facts"), ("fct_shares", "already")),
        (("new-table", "fct_x", "--layer", "gold"), ("--layer", "gold", "dims", "facts", "rollups", "marts")),
        (("query", "top_creator"), ("top_creator", "top_creators", "virality")),
        (("query", "virality"), ("post_id", "BIGINT")),
        (("query", "virality", "--param", "post_id=one"), ("whole number", "one")),
        (("query", "virality", "--param", "post_id"), ("NAME=VALUE",)),
        (("query", "top_creators", "--format", "parquet"), ("--out",)),
        (("query", "top_creators", "--format", "xml"), ("xml", "parquet")),
    ],
)  # fmt: skip
def test_an_error_for_a_wrong_parameter_shows_valid_values(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Exit code 2, before Spark starts."""
    refused(feed_etl(*arguments), 2, *words)


def test_the_error_for_a_typo_in_conf_names_the_key(tmp_path: Path) -> None:
    """The error for an unknown key also lists the known keys."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "base.yaml").write_text("lakee: x\n")
    (tmp_path / "conf" / "local.yaml").write_text("")
    refused(feed_etl("tables", FEED_ETL_HOME=str(tmp_path)), 2, "lake")


def test_commands_without_spark_need_no_java(tmp_path: Path) -> None:
    """`describe` works on a machine without Java."""
    done = feed_etl("describe", "fct_shares", PATH=str(tmp_path), JAVA_HOME=str(tmp_path))
    assert done.returncode == 0


def run_an_hour(folder: Path, landing: str) -> subprocess.CompletedProcess[str]:
    """Run one hour, with lake and landing zone below a folder."""
    options = ["--lake", str(folder / "lake"), "--landing", str(folder / landing)]
    return feed_etl(*options, "run", "--from", "2026-06-01T08", "--to", "2026-06-01T09")


def test_a_missing_landing_zone_is_an_error(tmp_path: Path) -> None:
    """Exit code 3 and the path."""
    refused(run_an_hour(tmp_path, "nowhere"), 3, "nowhere")


def test_an_unwritable_lake_is_an_error(tmp_path: Path) -> None:
    """Exit code 7: the path of the lake is a file."""
    (tmp_path / "landing").mkdir()
    (tmp_path / "lake").write_text("a file")
    refused(run_an_hour(tmp_path, "landing"), 7, "lake")


def test_tables_and_ledger_are_one_json_document(simulated: Simulated) -> None:
    """Every table with its fields, and a ledger row for each table of the run."""
    environment = {"FEED_ETL_LAKE": str(simulated.lake)}
    listed = json.loads(feed_etl("tables", "--json", **environment).stdout)
    assert [t["name"] for t in listed] == [*(t.name for t in catalog.tables()), "dq_result"]
    assert set(listed[0]) == {"name", "layer", "uri", "key", "partition", "owner", "rows"}
    feed = set(catalog.of_subjects(["feed"]))
    assert all(t["rows"] if t["name"] in {*feed, "dq_result"} else t["rows"] is None for t in listed)
    ledger = json.loads(feed_etl("ledger", "--json", **environment).stdout)
    assert {row["table_name"] for row in ledger} == feed
    assert all(row["verdict"] == "passed" for row in ledger)


def test_sql_reads_every_table_by_its_name(simulated: Simulated) -> None:
    """CSV and JSON of a query over a mart."""
    query = "SELECT count(*) AS n, sum(impressions) AS i FROM mart_post_engagement_daily"
    options = ["--lake", str(simulated.lake)]
    assert feed_etl(*options, "sql", query, "--format", "csv").stdout.splitlines()[0] == "n,i"
    (row,) = json.loads(feed_etl(*options, "sql", query, "--format", "json").stdout)
    assert row["n"] > 0 and row["i"] > row["n"]
    refused(feed_etl(*options, "sql", "SELECT nope FROM fct_shares"), 2, "nope")


def test_a_named_query_is_explained_and_written_to_a_file(simulated: Simulated, tmp_path: Path) -> None:
    """`--explain` shows the partitions read; then the typed rows are written to Parquet."""
    query = ["--lake", str(simulated.lake), "query", "top_creators", "--param"]

    (explained,) = json.loads(feed_etl(*query, "end=2026-06-01T09", "--explain", "--format", "json").stdout)
    answered = feed_etl(*query, "limit=3", "--format", "parquet", "--out", str(tmp_path / "top.parquet"))

    hours = explained["reads"][0]
    assert (explained["parameters"]["end"], len(hours["partitions"])) == ("2026-06-01T09:00:00+00:00", 1)
    assert hours["of_partitions"] == 3
    assert answered.returncode == 0 and answered.stdout == ""
    top = pq.read_table(tmp_path / "top.parquet")
    assert top.num_rows == 3 and str(top.schema.field("share_rate").type) == "decimal128(7, 5)"


def test_the_named_queries_are_one_json_document() -> None:
    """Each query is listed with its parameters, without Spark."""
    listed = {q["name"]: q for q in json.loads(feed_etl("queries", "--json").stdout)}
    assert "half_life_hours DOUBLE = 24" in listed["feed_signals"]["parameters"]
