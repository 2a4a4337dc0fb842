"""`feed-etl query` and `feed-etl queries`: run a named query, or list all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl.commands import completion
from etl.commands.cli_context import AsTeam, CliContext, Json, Yes
from etl.errors import ConfigError
from etl.terminal import FileFormat


def query(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="Name of the query; `feed-etl queries` lists all names.", autocompletion=completion.queries
        ),
    ],
    param: Annotated[
        list[str] | None,
        typer.Option(help="A parameter, NAME=VALUE (may be repeated).", autocompletion=completion.parameters),
    ] = None,
    format: Annotated[FileFormat, typer.Option(help="How the result is written; parquet needs --out.")] = "table",
    out: Annotated[Path | None, typer.Option(help="Write the result to this file.")] = None,
    explain: Annotated[bool, typer.Option(help="Only show inputs, grain and partitions read.")] = False,
    team: AsTeam = None,
    yes: Yes = False,
) -> None:
    """Run a named query over facts, rollups and marts."""
    from etl.queries import named_query

    wanted = named_query.load(name)
    values = wanted.typed(_pairs(param or []))
    _check(format, out)
    from etl.engine.sql import cost
    from etl.queries import binding, printing

    cli: CliContext = context.obj
    spark = cli.query_session()
    if explain:
        bound = binding.bind(spark, cli.settings, wanted, values)
        return printing.print_explained(bound, binding.reads(spark, cli.settings, bound), as_json=format == "json")
    with cost.asked(spark, cli.settings, "query", name, team, yes) as question:
        bound = binding.bind(spark, cli.settings, wanted, values)
        question.plan(bound.rows)
        printing.write(bound, format, out)


def queries(
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the text of docs/queries.md.")] = False,
) -> None:
    """List all named queries with their parameters."""
    from etl.queries import printing

    if markdown:
        print(printing.markdown(), end="")
    else:
        printing.print_queries(as_json)


def _pairs(given: list[str]) -> dict[str, str]:
    wrong = [text for text in given if "=" not in text]
    if wrong:
        raise ConfigError(f"--param must be NAME=VALUE, not {wrong[0]!r}.")
    return dict(text.split("=", 1) for text in given)


def _check(format_: FileFormat, out: Path | None) -> None:
    if format_ == "parquet" and out is None:
        raise ConfigError("--format parquet needs --out FILE.")
    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}.")
