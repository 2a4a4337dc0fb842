"""Output of the command line: tables for people, one JSON document or CSV for programs."""

from __future__ import annotations

import base64
import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.table import Table as Grid

from etl.catalog import Entry
from etl.model.contract import Table

if TYPE_CHECKING:
    from etl.engine.jobs.summary import Summary
    from etl.engine.quality.rule import Rule

Format = Literal["table", "csv", "json"]
FileFormat = Literal[Format, "parquet"]
out = Console(width=None if sys.stdout.isatty() else 160)


def plain(value: Any) -> Any:
    """A value that JSON can represent: instants as ISO text with offset, decimals as text, bytes as base64."""
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo else f"{value.isoformat()}+00:00"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    value = plain(value)
    if value is None:
        return "-"
    if isinstance(value, float):
        value = f"{value:.4g}" if abs(value) < 10_000 else f"{value:.1f}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return escape(text if len(text) <= 60 else f"{text[:57]}...")


def print_grid(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text as a table with a title; without rows, the title and `none`."""
    grid = Grid(*heads, title=title, title_justify="left")
    for row in rows:
        grid.add_row(*map(escape, row))
    out.print(grid if rows else f"{title}: none")


def print_line(text: str) -> None:
    """Print a line as it is, however long it is."""
    out.print(text, markup=False, soft_wrap=True)


def print_document(document: Any) -> None:
    """Print one JSON document on standard output."""
    json.dump(plain(document), sys.stdout, indent=2)
    print()


def compact(document: Any) -> str:
    """A document as one line of JSON."""
    return json.dumps(plain(document), ensure_ascii=False)


def print_rows(rows: list[dict[str, Any]], as_json: bool, title: str, hide: tuple[str, ...] = ()) -> None:
    """Print rows with equal keys as a table or as a JSON list. `hide` names columns left out of the table."""
    if as_json:
        print_document(rows)
        return
    columns = [c for c in (rows[0] if rows else {}) if c not in hide]
    grid = Grid(*[Column(name, overflow="fold") for name in columns], title=title, title_justify="left")
    for row in rows:
        grid.add_row(*[_text(row[c]) for c in columns])
    out.print(grid)


def print_frame(columns: list[str], rows: list[dict[str, Any]], format_: Format) -> None:
    """Print the rows of a query as `table`, `csv` or `json`."""
    if format_ == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[plain(row[c]) for c in columns] for row in rows])
        return
    kept = [{c: row[c] for c in columns} for row in rows]
    print_rows(kept, format_ == "json", title=f"{len(rows)} rows")


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str, Table], None]]:
    """Show a live line per table during a run. Shows nothing when the output is not a terminal."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def show(state: str, table: Table) -> None:
            if state == "start":
                tasks[table.name] = bar.add_task(f"{table.layer.name.lower():8} {table.name}", total=1)
            else:
                bar.update(tasks[table.name], completed=1)

        yield show


def print_summary(summary: Summary, as_json: bool) -> None:
    """Print a run: records read, kept and quarantined; rows, rules and seconds per table; failed and skipped tables."""
    rows = [
        {
            "table": e.table_name,
            "verdict": e.verdict,
            "read": e.records_read or None,
            "kept": e.records_accepted or None,
            "quarantined": e.records_quarantined or None,
            "rows written": e.rows_written,
            "hours": len(e.published_hours) or None,
            "rules": e.rules,
            "warnings": sum(f["severity"] == "warning" for f in json.loads(e.failures)),
            "seconds": round(e.seconds, 1),
        }
        for e in summary.entries
        if e.table_name != "quarantine"
    ]
    reasons = dict(sum((Counter(e.reasons) for e in summary.entries), Counter()).most_common())
    late = {e.table_name: found for e in summary.entries if (found := _late(e.landed))}
    if as_json:
        failed = {name: str(error) for name, error in summary.errors.items()}
        document = {
            "run_id": summary.run_id,
            "tables": rows,
            "quarantined": reasons,
            "failed": failed,
            "skipped": summary.skipped,
            "waiting": summary.waiting,
            "unchanged": summary.unchanged,
            "backlog": summary.is_backlog,
            "left_out": summary.left_out,
            "recovery": {name: [f"{hour:%Y-%m-%dT%H}" for hour in hours] for name, hours in summary.held.items()},
            "late": late,
        }
        print_document(document)
        return
    if rows:
        print_rows(rows, False, f"Run {summary.run_id}")
    if reasons:
        print_rows([{"reason": r, "records": n} for r, n in reasons.items()], False, "Quarantined, by reason")
    if summary.unchanged:
        out.print(f"Already up to date: {', '.join(summary.unchanged)}")
    for name, hours in late.items():
        out.print(f"[yellow]late[/] {name}: {', '.join(hours)}")
    for name, cause in summary.skipped.items():
        out.print(f"[yellow]not run[/] {name}: it reads {cause}")
    for name, cause in summary.waiting.items():
        out.print(f"[yellow]waits[/] {name}: {cause} is not published for every shard yet")
    if summary.left_out:
        out.print(f"[yellow]left out[/] by --only-critical: {', '.join(summary.left_out)}")
    for name, held in summary.held.items():
        listed = ", ".join(f"{hour:%Y-%m-%dT%H}" for hour in held)
        out.print(f"[yellow]on the recovery list[/] {name}: {listed}. `feed-etl recover` tries again.")


_LINES = ("layer", "owner", "key", "partition", "cluster", "write", "inputs", "chain_reach_days", "retention_days")


def print_contract(entry: Entry, rules: list[Rule], people: dict[str, str | None], as_json: bool) -> None:
    """Print a table's contract and rules.

    `people` says how the table identifies people: `viewers` in its columns, and people in its `sketches`.
    """
    table = entry.table
    doc = entry.doc
    document = {
        "name": table.name,
        "layer": table.layer.name.lower(),
        "row": doc,
        "owner": table.owner,
        "key": list(table.key),
        "partition": list(table.partition),
        "cluster": list(table.cluster),
        "write": table.write.meaning,
        "inputs": [i.table.name for i in table.inputs],
        "chain_reach_days": table.chain.reach_days if table.chain else None,
        "retention_days": table.retention_days,
        **people,
        "columns": [
            {
                "name": c.name,
                "type": c.type,
                "null": c.nullable,
                "unit": c.unit,
                "privacy": c.privacy,
                "meaning": c.meaning,
            }
            for c in table.columns
        ],
        "rules": [{"rule": r.name, "severity": r.severity, "reason": r.reason} for r in rules],
    }
    if as_json:
        print_document(document)
        return
    out.print(f"[bold]{table.name}[/]  {escape(doc)}\n")
    for key in (*_LINES, *people):
        out.print(f"{key:17} {_text(document[key])}")
    print_rows(document["columns"], False, "Columns")  # type: ignore[arg-type]
    print_rows(document["rules"], False, "Rules")  # type: ignore[arg-type]


def print_ledger(rows: list[dict[str, Any]]) -> None:
    """Print the main columns of the ledger."""
    shown = (
        "started_at",
        "run_id",
        "table_name",
        "verdict",
        "rows_written",
        "output_version",
        "seconds",
        "reason",
    )
    counted = ("contradictions", "corrections")
    found = [
        {k: row[k] for k in shown} | {"late": ", ".join(_late(row["landed"]))} | {k: row[k] or 0 for k in counted}
        for row in rows
    ]
    print_rows(found, False, "Ledger")


def _late(landed: list[dict[str, Any]]) -> list[str]:
    """The hours that a run found late, each with its reason."""
    return [f"{found['hour']:%Y-%m-%dT%H} ({found['late']})" for found in landed if found["late"]]
