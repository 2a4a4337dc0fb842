"""Commands for those who write landing files: `schema` and `validate`. `describe EVENT` prints what is here, too."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from etl import terminal
from etl.commands import completion
from etl.commands.cli_context import HOUR, CliContext, Json, in_utc
from etl.errors import GateFailed

if TYPE_CHECKING:
    from etl.model.contract import Event
    from etl.producers.verdict import Verdict

EventName = Annotated[
    str, typer.Argument(metavar="EVENT", help="An event, such as impressions.", autocompletion=completion.events)
]
LINES = ("subject", "folder", "formats", "tables")


class Language(StrEnum):
    """A language of schemas."""

    JSON_SCHEMA = "json-schema"
    AVRO = "avro"
    DDL = "ddl"


def schema(
    event: EventName,
    format: Annotated[Language, typer.Option(help="JSON Lines: json-schema; Avro: avro; Parquet: ddl.")] = (
        Language.JSON_SCHEMA
    ),
) -> None:
    """Print the schema of an event for its producers."""
    from etl.producers import contract, schemas

    found = contract.event(event)
    if format is Language.DDL:
        typer.echo(schemas.ddl(found))
    else:
        terminal.print_document(
            schemas.avro(found) if format is Language.AVRO else schemas.json_schema(found),
        )


def print_event(event: Event, context: CliContext, as_json: bool) -> None:
    """Print everything about an event: fields, limits, keys, where its files go, and one record."""
    from etl.producers import contract

    found = contract.document(event, context.settings)
    if as_json:
        terminal.print_document(found)
        return
    terminal.out.print(f"[bold]{event.name}[/]  an event: one record of a landing file\n")
    for name in LINES:
        shown = found[name] if isinstance(found[name], str) else ", ".join(found[name])
        terminal.out.print(f"{name:9} {escape(shown)}", soft_wrap=True)
    for table, key in found["keys"].items():
        terminal.out.print(f"{'key':9} {escape(', '.join(key))} (in {table})", soft_wrap=True)
    for line in found["lateness"]:
        terminal.out.print(f"{'time':9} {escape(line)}", soft_wrap=True)
    terminal.print_rows(found["fields"], False, "Fields")
    for rule in found["rules"]:
        terminal.out.print(f"refused as {rule['reason']} when {escape(rule['refused_when'])}", soft_wrap=True)
    terminal.out.print("A record that is accepted:")
    typer.echo(terminal.compact(found["example"]))


def validate(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(help="JSON Lines, Parquet or Avro files.")],
    event: Annotated[
        str, typer.Option(help="The event whose records the files hold.", autocompletion=completion.events)
    ],
    hour: Annotated[
        datetime | None,
        typer.Option(
            formats=[HOUR],
            help="Landed hour to compare times with, UTC: 2026-06-01T10; default: the folder hour=… of a file.",
        ),
    ] = None,
    records: Annotated[int, typer.Option(min=0, help="Refused records to list for each file.")] = 10,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Print values of people, such as ids, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Judge files before they land, as landing would. Exit code 4: a file, or a record, would be refused."""
    from etl.producers import contract
    from etl.producers.validate import Judge

    cli: CliContext = context.obj
    found, at = contract.event(event), in_utc(hour, "--hour") if hour else None
    judge, verdicts = Judge(cli.file_session(), cli.settings, found, at, records, show_personal), []
    for file in files:
        verdict = judge.file(file)
        verdicts.append(verdict)
        if not as_json:
            _print(verdict, found)
    if as_json:
        terminal.print_document([asdict(v) | {"refused": v.refused, "passes": v.passes} for v in verdicts])
    if not all(verdict.passes for verdict in verdicts):
        raise typer.Exit(GateFailed.exit_code)


def _print(verdict: Verdict, event: Event) -> None:
    def line(text: str) -> None:
        terminal.out.print(text, soft_wrap=True, highlight=False)

    if verdict.problem:
        line(f"[red]refused[/] {escape(verdict.file)}: {escape(verdict.problem)}")
        return
    state = "[green]accepted[/]" if verdict.passes else "[red]refused[/]"
    line(f"{state} {escape(verdict.file)}: {verdict.accepted} of {verdict.read} records")
    for name, field in verdict.unknown.items():
        hint = f": did you mean `{field}`?" if field else ", which landing ignores"
        line(f"  unknown field `{escape(name)}`{hint}")
    for name in verdict.missing:
        line(f"  missing field `{name}` ({_type(event, name)})")
    if verdict.reasons:
        line(f"  reasons: {', '.join(f'{escape(reason)} {count}' for reason, count in verdict.reasons.items())}")
    for record in verdict.records:
        values = ", ".join(f"{name} = {value}" for name, value in record.values.items())
        line(f"  line {record.line}: {escape(', '.join(record.reasons))}{'  ' + escape(values) if values else ''}")
    if verdict.refused > len(verdict.records):
        line(f"  and {verdict.refused - len(verdict.records)} more")
    if verdict.stops_hour:
        line("  Landed like this, the file stops its hour.")
    if verdict.hour is None and verdict.last:
        line(f"  Times are {verdict.first} to {verdict.last}; not compared with a landed hour: give --hour")


def _type(event: Event, name: str) -> str:
    return next(field.type for field in event.fields if field.name == name)
