"""Commands that show the lake: tables, contracts, the ledger, and SQL queries."""

from __future__ import annotations

from typing import Annotated

import typer

from etl import catalog, terminal
from etl.commands import completion
from etl.commands.cli_context import AsTeam, CliContext, Json, Yes
from etl.commands.producers import print_event
from etl.errors import ConfigError, first_line, no_such


def tables(context: typer.Context, as_json: Json = False) -> None:
    """List all tables, inputs before the tables that read them."""
    from etl.engine.sql import views

    cli: CliContext = context.obj
    spark = cli.query_session()
    rows = [
        {
            "name": t.name,
            "layer": t.layer.name.lower(),
            "uri": views.uri(cli.settings, t),
            "key": list(t.key),
            "partition": list(t.partition),
            "owner": t.owner,
            "rows": views.table_rows(spark, cli.settings, t),
        }
        for t in catalog.tables()
    ]
    terminal.print_rows([*rows, views.results_row(spark, cli.settings)], as_json, title="Tables", hide=("uri",))


def describe(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="TABLE|EVENT",
            help="A table, or an event of the landing zone.",
            autocompletion=completion.tables_and_events,
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show the contract of a table (columns, rules, owner, inputs) or of an event (fields, limits, an example)."""
    from etl.engine.people import keys, pseudonyms
    from etl.engine.quality import suites

    events = {event.name: event for event in catalog.landing_events()}
    if name not in catalog.entries():
        if name not in events:
            raise no_such("table or event", name, [*catalog.entries(), *events], "Tables and events:")
        return print_event(events[name], context.obj, as_json)
    entry = catalog.entry(name)
    keys.use_demo_key(context.obj.settings.lake)
    terminal.print_contract(entry, suites.all_rules(entry.table), pseudonyms.describe(entry.table), as_json)


def sql(
    context: typer.Context,
    query: str,
    format: Annotated[terminal.Format, typer.Option(help="How the rows are printed.")] = "table",
    team: AsTeam = None,
    yes: Yes = False,
) -> None:
    """Run a SQL query. Every table, the ledger, and the costs of questions (fct_query_cost, cost_daily) are views."""
    from pyspark.errors import PySparkException

    from etl.engine.sql import cost, printable, question_log, views

    cli: CliContext = context.obj
    spark = cli.query_session()
    try:
        with cost.asked(spark, cli.settings, "sql", question_log.fingerprint(query), team, yes) as question:
            frame = views.query(spark, cli.settings, query)
            question.plan(frame)
            terminal.print_frame(frame.columns, printable.rows(frame), format)
    except PySparkException as error:
        raise ConfigError(f"The query is not valid: {first_line(error)}") from error


def ledger(context: typer.Context, as_json: Json = False) -> None:
    """Show what every run did to every table, oldest first."""
    from dataclasses import asdict

    from etl.engine.spark.files import absolute
    from etl.engine.state import ledger_table
    from etl.engine.state.ledger import Ledger

    cli: CliContext = context.obj
    rows = [
        ledger_table.as_row(asdict(entry))
        for entry in Ledger.existing(cli.query_session(), absolute(cli.settings.lake)).entries
    ]
    if as_json:
        terminal.print_rows(rows, True, title="Ledger")
    else:
        terminal.print_ledger(rows)
