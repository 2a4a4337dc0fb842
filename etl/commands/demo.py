"""The demo: three made-up hours and, when set-up could fetch it, a real public log, from landing to marts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from etl import terminal
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.people import keys
from etl.engine.spark import session
from etl.engine.spark.files import local_folder
from etl.engine.sql import printable, views
from etl.reports import dashboard
from etl.sources.open_bandit import import_open_bandit
from etl.subjects.feed.simulate import simulate

START, END = datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 1, 11, tzinfo=UTC)
PUBLIC_LOG = Path(sys.prefix) / "share" / "feed-etl" / "open-bandit"
TOP_POSTS = """
    SELECT post_id, day, impressions, reach, like_rate, negative_rate, avg_dwell_ms
    FROM mart_post_engagement_daily ORDER BY impressions DESC LIMIT 5
"""
BY_MODEL = """
    SELECT model_semver, sum(impressions) AS impressions, sum(likes) AS likes,
           round(sum(likes) / sum(impressions), 5) AS like_rate
    FROM agg_ranker_hourly JOIN dim_ranker_models USING (ranker_model_id)
    GROUP BY model_semver ORDER BY model_semver
"""


def for_small_hours(settings: Settings) -> Settings:
    """Settings that do many small jobs in one short process with less work."""
    return session.with_options(settings, session.SMALL_HOURS)


def run(spark: SparkSession, settings: Settings, impressions_per_hour: int, console: Console) -> None:
    """Simulate, run, show; then the same for the Open Bandit log in a lake beside."""
    console.rule("A made-up feed, three hours")
    made_up, real = _beside(settings, "simulated"), _beside(settings, "open_bandit")
    keys.create_demo_keys([made_up.lake, real.lake])
    simulate(local_folder(made_up.landing), START, END, impressions_per_hour, 7)
    _run(spark, made_up, START, END, TOP_POSTS, console)
    _dashboard(spark, made_up, console)
    console.rule("Open Bandit: 60,000 real impressions, two policies")
    if not any(PUBLIC_LOG.glob("*.tar.gz")):
        console.print("Not fetched: set-up could not reach the package index. `make setup` tries again.")
        return
    summary = import_open_bandit(PUBLIC_LOG, local_folder(real.landing))
    _run(spark, real, summary.first_hour, summary.end_hour, BY_MODEL, console)
    _dashboard(spark, real, console)
    console.print(f"Look around: .venv/bin/feed-etl --lake {made_up.lake} tables")


def _beside(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"landing": f"{settings.landing}/{name}", "lake": f"{settings.lake}/{name}"})


def _run(
    spark: SparkSession, settings: Settings, start: datetime, end: datetime, question: str, console: Console
) -> None:
    with terminal.progress(console) as show:
        summary = runner.run(spark, settings, start, end, progress=show)
    terminal.print_summary(summary, as_json=False)
    for error in summary.errors.values():
        raise error
    answer = views.query(spark, settings, question)
    terminal.print_frame(answer.columns, printable.rows(answer), "table")


def _dashboard(spark: SparkSession, settings: Settings, console: Console) -> None:
    """Beside the lake, where it is local, so that a lake holds nothing but tables."""
    lake = local_folder(settings.lake)
    page = dashboard.write(spark, settings, lake.with_name(f"{lake.name}-dashboard.html"))
    console.print(f"Its dashboard: {page.as_uri()}", soft_wrap=True)
