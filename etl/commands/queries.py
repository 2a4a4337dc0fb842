"""Ask a named question, or see which there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl import terminal
from etl.commands.cli_context import CliContext, Json
from etl.errors import ConfigError

FORMATS = (*terminal.FORMATS, "parquet")


def query(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A question; `feed-etl queries` lists them.")],
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, repeatable.")] = None,
    format: Annotated[str, typer.Option(help=", ".join(FORMATS))] = "table",
    out: Annotated[Path | None, typer.Option(help="Write the answer to this file.")] = None,
    explain: Annotated[bool, typer.Option(help="Only show inputs, grain and partitions read.")] = False,
) -> None:
    """Answer a named question from rollups and marts."""
    from etl.queries import named_query

    query = named_query.load(name)
    values = query.typed(_pairs(param or []))
    _check(format, out)
    from etl.queries import binding, printing

    cli: CliContext = context.obj
    spark = cli.query_session()
    bound = binding.ask(spark, cli.settings, query, values)
    if explain:
        printing.print_explained(bound, binding.reads(spark, cli.settings, bound), as_json=format == "json")
    else:
        printing.write(bound, format, out)


def queries(
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/queries.md.")] = False,
) -> None:
    """All named questions with their parameters."""
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


def _check(format_: str, out: Path | None) -> None:
    if format_ not in FORMATS:
        raise ConfigError(f"--format must be one of {', '.join(FORMATS)}, not {format_!r}.")
    if format_ == "parquet" and out is None:
        raise ConfigError("--format parquet needs --out FILE.")
    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}.")
