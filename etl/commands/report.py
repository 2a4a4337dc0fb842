"""`feed-etl report`: reports by mail to owners and on-call, and HTML pages."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from etl import terminal
from etl.commands import report_dashboard, sending
from etl.commands.cli_context import CliContext, Json, errors, in_utc
from etl.commands.report_cost import costed
from etl.commands.watch import watched
from etl.errors import MailError

if TYPE_CHECKING:
    from etl.reports.quality_mail import OwnerReport

report = typer.Typer(no_args_is_help=True, help="Reports about the lake, by mail and as HTML pages.")
report.command("dashboard")(report_dashboard.dashboard)
report.command("virality")(report_dashboard.virality)
Send = Annotated[bool, typer.Option("--send", help="Send all mails of the outbox now.")]


@report.command()
@watched
@costed
def quality(
    context: typer.Context,
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the runs, UTC: 2026-06-01; default: today.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Only this owner.")] = None,
    send: Send = False,
    as_json: Json = False,
) -> None:
    """Write a mail to each owner with the audit results of a day, only for that owner's tables."""
    from etl.reports import quality_mail, quality_reports

    cli: CliContext = context.obj
    of_day = in_utc(day or datetime.now(UTC), "--day").date()
    quality_mail.check_addresses(cli.settings)
    entries = quality_reports.ledger_rows(cli.query_session(), cli.settings)
    _write(cli, quality_reports.of_day(entries, of_day, owner), send, as_json)


@report.command()
@watched
def failures(
    context: typer.Context,
    run: Annotated[str | None, typer.Option(help="Only the failed gates of this run.")] = None,
    failed_command: Annotated[
        str | None,
        typer.Option(help="A feed-etl command that failed in a scheduler; recorded before mails are written."),
    ] = None,
    code: Annotated[int | None, typer.Option(help="The exit code of that command.")] = None,
    send: Send = False,
    as_json: Json = False,
) -> None:
    """Write mails about failures to owners and on-call: when one begins, daily while it lasts, and when it ends.

    With --run: the failed gates of that run, to the owners concerned.
    """
    from etl.reports import notify, problem_search, quality_mail, quality_reports

    cli: CliContext = context.obj
    quality_mail.check_addresses(cli.settings)
    if run:
        entries = quality_reports.ledger_rows(cli.query_session(), cli.settings)
        return _write(cli, quality_reports.of_run(entries, run), send, as_json)
    if failed_command:
        problem_search.note(cli.settings, failed_command, code)
    problem_search.require_lake(cli.query_session, cli.settings)
    rows = notify.write(cli.settings, lambda: problem_search.find(cli.query_session, cli.settings))
    terminal.print_rows(rows, as_json, title="Reports")
    if send:
        sending.send(cli)


@report.command()
@costed
def lateness(
    context: typer.Context,
    allowed: Annotated[float, typer.Option(min=0, max=1, help="Share of records that a look-back may miss.")] = 0.001,
    by_hour: Annotated[bool, typer.Option(help="Also show delays by hour of day.")] = False,
    as_json: Json = False,
) -> None:
    """Show how late records land per source, what look-backs of 1 to 48 hours would miss, and the recommended one."""
    from etl.reports import lateness as lateness_report

    cli: CliContext = context.obj
    found = lateness_report.of_lake(cli.query_session(), cli.settings, allowed)
    if as_json:
        return terminal.print_document(asdict(found))
    delays = [row for row in found.delays if by_hour or row["hour_of_day"] is None]
    terminal.print_rows(delays, False, title="Seconds from event to the end of its landed hour")
    shares = [
        {"source": source}
        | {f"{x} h": f"{missed[x]:.3%}" for x in (1, 2, 3, 6, 12, 24, 48)}
        | {"recommended": f"{found.recommended[source]} h" if found.recommended[source] else "more than 48 h"}
        for source, missed in found.missed.items()
    ]
    terminal.print_rows(shares, False, title="Share of records that a look-back misses")


@report.command()
@costed
def headroom(context: typer.Context, as_json: Json = False) -> None:
    """Show how long each table takes for its busiest hour, now and with 2 and 10 times the rows."""
    from etl.reports import headroom as headroom_report
    from etl.reports import quality_reports

    cli: CliContext = context.obj
    found = headroom_report.of_ledger(quality_reports.ledger_rows(cli.query_session(), cli.settings))
    rows = [
        {
            "table": each.table.name,
            "rows": each.rows,
            "seconds": round(each.seconds, 1),
            **{f"seconds at {factor} x": round(each.at(factor), 1) for factor in headroom_report.FACTORS},
            "fills the hour at": f"{each.limit:,.0f} x",
        }
        for each in found
    ]
    terminal.print_rows(rows, as_json, title="Headroom of the busiest hour")


@report.command()
@watched
@costed
def data_docs(
    context: typer.Context,
    out: Annotated[str | None, typer.Option(help="Output folder; default: _data_docs of the lake.")] = None,
) -> None:
    """Write Great Expectations Data Docs for the latest runs of every table (data_docs_runs in conf/)."""
    from etl.engine.spark.files import local_folder
    from etl.operations.erasure import written_pages
    from etl.reports import quality_docs, quality_reports

    cli: CliContext = context.obj
    folder = local_folder(out or f"{cli.settings.lake}/_data_docs")
    spark = cli.query_session()
    entries = quality_reports.ledger_rows(spark, cli.settings)
    written_pages.record(spark, cli.settings, folder)
    pages = quality_docs.build(entries, cli.settings.data_docs_runs, folder)
    errors.print(f"{len(pages)} pages in {folder / 'index.html'}", soft_wrap=True)


@report.command()
@watched
def send(context: typer.Context) -> None:
    """Send every mail of the outbox. Exit code 8 when some mails could not be sent."""
    cli: CliContext = context.obj
    if waiting := sending.flush(cli):
        raise MailError(waiting)


def _write(cli: CliContext, reports: list[OwnerReport], send: bool, as_json: bool) -> None:
    from etl.reports import quality_reports

    rows = [
        {"owner": r.owner, "verdict": r.verdict, "run": r.run_id, "mail": str(path) if path else "written before"}
        for r, path in quality_reports.write(cli.settings, reports)
    ]
    terminal.print_rows(rows, as_json, title="Reports")
    if send:
        sending.send(cli)
