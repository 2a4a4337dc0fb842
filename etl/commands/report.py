"""`feed-etl report`: what people read. Each group is a module of its own."""

from __future__ import annotations

import typer

from etl.commands import report_dashboard

report = typer.Typer(no_args_is_help=True, help="Pages and reports for people.")
report.command("dashboard")(report_dashboard.dashboard)
report.command("virality")(report_dashboard.virality)
