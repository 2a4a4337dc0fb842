"""How questions and answers are shown and written."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from etl import terminal
from etl.queries import named_query
from etl.queries.named_query import NamedQuery

if TYPE_CHECKING:
    from etl.queries.binding import BoundQuery, Read


def print_queries(as_json: bool) -> None:
    """Every question, as a table or JSON."""
    rows = [
        {
            "name": query.name,
            "question": query.question,
            "grain": query.grain,
            "inputs": list(query.inputs),
            "parameters": [p.signature for p in query.parameters],
        }
        for query in map(named_query.load, named_query.names())
    ]
    if as_json:
        return terminal.print_rows(rows, True, title="Questions")
    for row in rows:
        terminal.out.print(f"[bold]{row['name']}[/]  {row['question']}")
        terminal.out.print(f"    {', '.join(row['parameters'])}\n", highlight=False)


def markdown() -> str:
    """docs/queries.md."""
    head = (
        "# Questions\n\nAsked with `feed-etl query NAME --param k=v`; written by `feed-etl queries --markdown`.\n"
        "Times are UTC, ranges half-open.\n\n"
        "`latest` is the end of the newest landed hour that runs have processed for the subject of the first input;\n"
        "for a DATE, the end of the day that holds that hour. No value of a record moves it.\n\n"
        "*Now* is the question's own `end` (its `as_of` where it has one). A delete, a transfer or a new handle that\n"
        "is scheduled for later has not happened yet: the version live at that instant is the one that is served.\n"
    )
    return head + "".join(_section(named_query.load(name)) for name in named_query.names())


def _section(query: NamedQuery) -> str:
    rows = "".join(
        f"| `{p.name}` | {p.type} | {'required' if p.is_required else p.default if p.default is not None else 'none'} "
        f"| {p.meaning} |\n"
        for p in query.parameters
    )
    inputs = ", ".join(f"`{name}`" for name in query.inputs)
    return (
        f"\n## {query.name}\n\n{query.question}\n\nGrain: {query.grain}. Reads {inputs}. {query.note}".rstrip() + "\n\n"
        f"| parameter | type | default | |\n|---|---|---|---|\n{rows}"
    )


def print_explained(query: BoundQuery, reads: list[Read], as_json: bool) -> None:
    """What a question would read, without reading it."""
    if as_json:
        document = {"question": query.question.name, "grain": query.question.grain, "parameters": query.values}
        return terminal.print_rows([{**document, "reads": [asdict(read) for read in reads]}], True, title="")
    terminal.out.print(f"[bold]{query.question.name}[/]  {query.question.question}")
    terminal.out.print(f"Grain: {query.question.grain}", highlight=False)
    for name, value in query.values.items():
        terminal.out.print(f"    {name} = {terminal.plain(value)}", highlight=False)
    rows = [
        {
            "input": read.table,
            "partitions read": f"{len(read.partitions)} of {read.of_partitions}" if read.of_partitions else None,
            "files read": f"{read.files} of {read.of_files}",
            "from": read.partitions[0] if read.partitions else None,
            "to": read.partitions[-1] if read.partitions else None,
        }
        for read in reads
    ]
    terminal.print_rows(rows, False, title="Inputs")


def write(query: BoundQuery, format_: str, out: Path | None) -> None:
    """The answer to standard output or a file. In a table, columns that say the same in every row come once, below."""
    if format_ == "parquet":
        import pyarrow.parquet as pq

        return pq.write_table(query.answer().toArrow(), str(out))
    from etl.engine.sql import printable

    answer = query.answer()
    rows = printable.rows(answer)
    once = query.question.once if format_ == "table" else ()
    with open(out, "w", encoding="utf-8") if out else nullcontext(sys.stdout) as target, redirect_stdout(target):
        terminal.print_frame([c for c in answer.columns if c not in once], rows, format_)
        for name in once if rows else ():
            terminal.out.print(f"{name}: {terminal.plain(rows[0][name])}", highlight=False, markup=False)
