"""`feed-etl dq`: rules about the history of tables (list, accept)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl import catalog, terminal
from etl.commands.cli_context import CliContext, From, Json, errors, in_utc
from etl.commands.watch import watched

if TYPE_CHECKING:
    from etl.engine.quality.rule import Rule
    from etl.engine.state.ledger import Ledger
    from etl.model.contract import Table

dq = typer.Typer(no_args_is_help=True, help="Rules that compare a table-hour with earlier ones.")

Name = Annotated[
    str, typer.Argument(metavar="RULE", help="The rule, as `dq rules` lists it: fct_impressions.row_count")
]
Reason = Annotated[str, typer.Option(help="Why the new level is right. It stays in the ledger.")]


@dq.command()
def rules(context: typer.Context, as_json: Json = False) -> None:
    """List the rules about history, with their severity and the newest judged hour."""
    from etl.engine.quality import suites
    from etl.engine.spark.files import absolute
    from etl.engine.state.ledger import Ledger

    cli: CliContext = context.obj
    ledger = Ledger.existing(cli.query_session(), absolute(cli.settings.lake))
    rows = [_row(ledger, table, rule) for table in catalog.tables() for rule in suites.history(table)]
    terminal.print_rows(rows, as_json, title="Rules about history")


def _row(ledger: Ledger, table: Table, rule: Rule) -> dict[str, Any]:
    """A rule and its newest judged hour."""
    from etl.engine.state import measures

    name = rule.history.name
    hours = measures.known_hours(ledger.published(table.name)).measures.get(name, {})
    newest = max(hours, default=None)
    return {
        "rule": f"{table.name}.{name}",
        "severity": rule.severity,
        "since": rule.since,
        "newest hour": newest,
        "verdict": (hours[newest].get("verdict") or "none") if newest else "",
        "accepted from": measures.accepted_from(ledger, table.name, name),
    }


@dq.command()
@watched
def accept(context: typer.Context, rule: Name, start: From, reason: Reason = "") -> None:
    """Accept a level shift: only hours from --from on are history of the rule.

    The rule has no verdict until three weeks of the new level are known.
    """
    from etl.engine.jobs import acceptance, runner

    acceptance.find(rule)  # before Spark starts
    cli: CliContext = context.obj
    start = in_utc(start, "--from")
    acceptance.accept(runner.open_context(cli.spark(), cli.settings), rule, start, reason)
    errors.print(f"{rule}: hours before {start:%Y-%m-%dT%H} are no history any more.")
