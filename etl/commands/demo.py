"""The demo: three simulated hours and, if set-up downloaded it, a real public log, from landing to marts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from etl import terminal
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.jobs.progress import Progress
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
    """Settings with less overhead for many small jobs in one short process."""
    return session.with_options(settings, session.SMALL_HOURS)


def run(spark: SparkSession, settings: Settings, impressions_per_hour: int, console: Console) -> None:
    """Simulate a feed, run it and show it; then do the same for the Open Bandit log in a second lake."""
    console.rule("A simulated feed, three hours")
    simulated, real = _subfolder(settings, "simulated"), _subfolder(settings, "open_bandit")
    keys.create_demo_keys([simulated.lake, real.lake])
    simulate(local_folder(simulated.landing), START, END, impressions_per_hour, 7)
    _run(spark, simulated, START, END, TOP_POSTS, console)
    _dashboard(spark, simulated, console)
    console.rule("Open Bandit: 60,000 real impressions, two policies")
    if not any(PUBLIC_LOG.glob("*.tar.gz")):
        console.print("Not downloaded: set-up could not reach the package index. Run `make setup` to try again.")
        return
    summary = import_open_bandit(PUBLIC_LOG, local_folder(real.landing))
    _run(spark, real, summary.first_hour, summary.end_hour, BY_MODEL, console)
    _dashboard(spark, real, console)
    console.print(f"Next: .venv/bin/feed-etl --lake {simulated.lake} tables")


def _subfolder(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"landing": f"{settings.landing}/{name}", "lake": f"{settings.lake}/{name}"})


def _run(
    spark: SparkSession, settings: Settings, start: datetime, end: datetime, question: str, console: Console
) -> None:
    with terminal.progress(console) as show:
        summary = runner.run(spark, settings, start, end, progress=Progress(show))
    terminal.print_summary(summary, as_json=False)
    for error in summary.errors.values():
        raise error
    answer = views.query(spark, settings, question)
    terminal.print_frame(answer.columns, printable.rows(answer), "table")


def _dashboard(spark: SparkSession, settings: Settings, console: Console) -> None:
    """Write the dashboard next to the local lake folder, so that the lake contains only tables."""
    lake = local_folder(settings.lake)
    page = dashboard.write(spark, settings, lake.with_name(f"{lake.name}-dashboard.html"))
    console.print(f"Dashboard: {page.as_uri()}", soft_wrap=True)
