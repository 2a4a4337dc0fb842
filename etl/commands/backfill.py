"""`feed-etl backfill`: rebuild published hours (plan, run, status, cancel, diff)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl import terminal
from etl.commands import completion
from etl.commands.cli_context import CliContext, From, Json, OptionalFrom, OptionalTo, To, errors, interval
from etl.commands.watch import watched
from etl.errors import ConfigError
from etl.operations.backfill import request as requests

if TYPE_CHECKING:
    from etl.operations.backfill.register import Backfill

backfill = typer.Typer(
    no_args_is_help=True,
    help="Rebuild hours in a staging area, compare them with the published hours, then replace these.",
)

Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="Only this table (may be repeated).", autocompletion=completion.tables),
]
Only = Annotated[requests.Only, typer.Option(help="Which hours.")]
Version = Annotated[
    str | None, typer.Option("--from-version", help="Build one table with another version of its logic: v2")
]
AdFrom = Annotated[int | None, typer.Option(help="Rebuild only ads with this id or a greater one.")]
AdTo = Annotated[int | None, typer.Option(help="End of the range of ad ids (exclusive).")]
Id = Annotated[str, typer.Argument(help="Id of the backfill, as printed by `run` and `status`.")]


@backfill.command()
def plan(
    context: typer.Context,
    start: From,
    end: To,
    table: Tables = None,
    only: Only = "all",
    version: Version = None,
    ad_from: AdFrom = None,
    ad_to: AdTo = None,
    as_json: Json = False,
) -> None:
    """Show what a run would rebuild, which tables read it, and the estimated cost. Writes nothing."""
    request = requests.make(interval(start, end), table, only, version, (ad_from, ad_to))
    from etl.operations.backfill import driver
    from etl.operations.backfill import plan as plans

    cli: CliContext = context.obj
    run_context, _ = driver.open_lake(cli.query_session(), cli.settings)
    planned = plans.make(run_context, request)
    if as_json:
        return terminal.print_document(planned.as_json())
    _print_plan(planned.as_json())


def _print_plan(planned: dict[str, Any]) -> None:
    for title, name in (("To rebuild", "steps"), ("Downstream, rebuilt by the next run", "downstream")):
        rows = [s | {"hours": len(s["hours"]), "which": ", ".join(h[:13] for h in s["hours"])} for s in planned[name]]
        if rows:
            terminal.print_rows(rows, False, title)
    if not planned["steps"]:
        terminal.out.print(f"Nothing to rebuild: no hour of the interval is {planned['only']}.")
    for table, why in planned["kept"].items():
        terminal.out.print(f"[yellow]kept[/] {table}: {why}")


@backfill.command()
@watched
def run(
    context: typer.Context,
    start: OptionalFrom = None,
    end: OptionalTo = None,
    reason: Annotated[str | None, typer.Option(help="Why, kept in the backfill register.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who is responsible for the backfill.")] = None,
    table: Tables = None,
    only: Only = "all",
    version: Version = None,
    ad_from: AdFrom = None,
    ad_to: AdTo = None,
    yes: Annotated[bool, typer.Option("--yes", help="Allow more than backfill_days_without_yes days.")] = False,
    accept: Annotated[bool, typer.Option("--accept-changes", help="Publish any change of a measure.")] = False,
    resume: Annotated[str | None, typer.Option(help="Continue the backfill with this id.")] = None,
    as_json: Json = False,
) -> None:
    """Rebuild hours, compare them, and publish them. After a crash at any point, continue with --resume ID."""
    given: dict[str, Any] = {"--from": start, "--to": end, "--reason": reason, "--owner": owner}
    if resume is None:
        request = requests.make(_required_interval(given), table, only, version, (ad_from, ad_to))
    elif any(given.values()) or table or version or only != "all" or (ad_from, ad_to) != (None, None):
        raise ConfigError(f"--resume continues {resume} as declared. Add no option except --accept-changes.")
    from etl.operations.backfill import driver

    cli: CliContext = context.obj
    spark = cli.spark()
    if resume is None:
        new = driver.declare(spark, cli.settings, request, str(owner), str(reason), yes)
        if new is None:
            return _print_result(None, as_json)
        errors.print(f"Declared {new.id}", soft_wrap=True)
        resume = new.id
    with terminal.progress(errors) as show:
        done = driver.execute(spark, cli.settings, resume, accept, show)
    _print_result(done, as_json)


def _required_interval(given: dict[str, Any]) -> tuple[datetime, datetime]:
    missing = [option for option, value in given.items() if not str(value or "").strip()]
    if missing:
        raise ConfigError(f"A backfill needs {', '.join(given)}. Missing: {', '.join(missing)}.")
    return interval(given["--from"], given["--to"])


def _print_result(done: Backfill | None, as_json: bool) -> None:
    if as_json:
        terminal.print_document({"backfill": done and _row(done)})
    elif done is None:
        terminal.out.print("Nothing to rebuild in that interval.")
    else:
        hours = sum(map(len, done.hours.values()))
        terminal.out.print(f"{done.id} is {done.state}: {hours} table-hours of {', '.join(done.hours)}")


@backfill.command()
def status(
    context: typer.Context,
    backfill_id: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    as_json: Json = False,
) -> None:
    """Show every backfill and its progress, oldest first."""
    from etl.operations.backfill import driver

    cli: CliContext = context.obj
    found = driver.progress_of(cli.query_session(), cli.settings, backfill_id)
    rows = [_row(b) | counts for b, counts in found]
    terminal.print_rows(rows, as_json, "Backfills", hide=("range_from", "range_to", "accepted", "at"))


def _row(b: Backfill) -> dict[str, Any]:
    return {
        "id": b.id,
        "state": b.state,
        "at": b.at,
        "owner": b.owner,
        "reason": b.reason,
        "range_from": b.range_from,
        "range_to": b.range_to,
        "only": b.choice,
        "logic": f"v{b.logic}" if b.logic else None,
        "ads": f"{b.ads[0]} to {b.ads[1]}" if b.ads else None,
        "tables": list(b.hours),
        "accepted": b.accepted,
        "note": b.note,
    }


@backfill.command()
@watched
def cancel(context: typer.Context, backfill_id: Id) -> None:
    """Cancel a backfill that is not finished. Hours that it has already published stay."""
    from etl.operations.backfill import driver

    cli: CliContext = context.obj
    over, switched = driver.cancel(cli.query_session(), cli.settings, backfill_id)
    stay = ", ".join(f"{count} of {table}" for table, count in switched.items() if count) or "none"
    terminal.out.print(f"{over.id} is cancelled. Published hours that stay: {stay}.", soft_wrap=True)


@backfill.command()
def diff(context: typer.Context, backfill_id: Id, as_json: Json = False) -> None:
    """Compare staged with published hours of each table: rows, checksums, measures, and changes over the budget."""
    from etl.operations.backfill import driver

    cli: CliContext = context.obj
    budget = cli.settings.backfill_change_budget
    found = [d.as_json(budget) for d in driver.differences(cli.query_session(), cli.settings, backfill_id)]
    if as_json:
        return terminal.print_document(found)
    changed = [d for d in found if d["changed"]]
    rows = [
        {"table": d["table"], "hour": d["hour"][:13], "measure": name, **m, "over budget": name in d["over_budget"]}
        for d in changed
        for name, m in d["measures"].items()
        if m["change"] or name == "rows"
    ]
    if rows:
        terminal.print_rows(rows, False, "Changed")
    terminal.out.print(f"{len(changed)} of {len(found)} table-hours change; the budget is {budget:.2%} of a measure.")
