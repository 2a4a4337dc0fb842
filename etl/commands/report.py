"""`feed-etl report`: what people read. Each report is a module of its own."""

from __future__ import annotations

import typer

from etl.commands import report_dashboard

reports = typer.Typer(no_args_is_help=True, help="Pages and reports for people.")
reports.command("dashboard")(report_dashboard.dashboard)
reports.command("virality")(report_dashboard.virality)
