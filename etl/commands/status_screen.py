"""Draws the status of a lake on a screen of 80 columns, in colors where the output is a terminal."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import zip_longest

from rich.console import Console, Group
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from etl.commands import screen
from etl.reports.status import (
    BEHIND,
    FAILED,
    LATE,
    NOT_RUN,
    OK,
    ORDER,
    QUARANTINE_HOURS,
    WAITING,
    Status,
    TableStatus,
    ToDo,
)

SYMBOLS = {
    OK: ("✓", "+"),
    BEHIND: ("~", "~"),
    LATE: ("!", "!"),
    WAITING: ("‖", "="),
    NOT_RUN: ("·", "."),
    FAILED: ("✗", "x"),
}
"""State -> its symbol, and the one for a terminal without Unicode: the state can be read without colors, too."""
STYLES = {OK: "green", BEHIND: "yellow", LATE: "yellow", WAITING: "yellow", NOT_RUN: "dim", FAILED: "bold red"}
MAX_TO_DO = 8


def show(status: Status, on: Console) -> None:
    """Print the screen."""
    on.print(_title(status, on.width), _summary(status), Rule(style="dim"), _tables(status, on), sep="\n")
    if status.todo:
        on.print(Rule(style="dim"), _to_do(status.todo, on), sep="\n")
    for note in status.notes:
        on.print(Text(f" {note}", "dim"))


def _title(status: Status, width: int) -> Text:
    at, lake = f"{status.now:%Y-%m-%d %H:%M} UTC", status.lake
    room = width - len(at) - 3
    shown = lake if len(lake) <= room else f"…{lake[1 - room :]}"
    return Text.assemble((f" {shown}", "bold"), " " * (room - len(shown) + 1), (at, "dim"))


def _summary(status: Status) -> Grid:
    """A line for each thing a person looks at first."""
    grid = Grid.grid(padding=(0, 1))
    grid.add_column(width=11, style="dim")
    grid.add_column()
    grid.add_row(" state", _headline(status))
    grid.add_row(" tables", _counts(status))
    grid.add_row(" landed", _landed(status))
    grid.add_row(" last run", _last_run(status))
    grid.add_row(" quarantine", _quarantine(status))
    if waits := [each for each in status.tables if each.backlog.since]:
        grid.add_row(" backlog", _backlog(waits, status.now))
    if unjudged := [each.unjudged for each in status.tables if each.unjudged]:
        grid.add_row(" history", f"{sum(unjudged)} hours of {len(unjudged)} tables could not be judged by it")
    return grid


def _headline(status: Status) -> Text:
    open_, warnings = (sum(each.is_warning is warning for each in status.todo) for warning in (False, True))
    if not status.todo:
        return Text("Nothing to do.", "bold green")
    shown = [f"{open_} to do"] if open_ else []
    shown += [f"{warnings} warning{'s' if warnings > 1 else ''}"] if warnings else []
    return Text(", ".join(shown), "bold red" if open_ else "bold yellow")


def _counts(status: Status) -> Text:
    found = [(state, status.states[state]) for state in (*ORDER[:-1], OK) if status.states[state]]
    parts = [(f"{count} {state}", STYLES[state]) for state, count in found]
    return Text(" · ").join(Text(text, style) for text, style in parts) if parts else Text("none yet")


def _landed(status: Status) -> str:
    if status.landed is None or status.lag is None:
        return "nothing yet"
    return f"newest hour {status.landed:%Y-%m-%d %H:00}, ended {_ago(status.lag)}"


def _last_run(status: Status) -> str:
    return f"{status.last_run:%Y-%m-%d %H:%M}, {_ago(status.now - status.last_run)}" if status.last_run else "none yet"


def _quarantine(status: Status) -> str:
    found = status.quarantine
    worst = f" · most: {found.worst[0]} {found.worst[1]:.1%}" if found.worst else ""
    of = f"{found.quarantined:,} of {found.read:,} records ({found.share:.1%})"
    return f"{of}{worst}" if found.read else f"no record was read in {QUARANTINE_HOURS} h"


def _backlog(waits: list[TableStatus], now: datetime) -> str:
    """How many hours (days) wait, and the one that waits longest."""
    oldest = max(waits, key=lambda each: each.backlog.age(now))
    due, age = sum(len(each.backlog.hours) for each in waits), oldest.backlog.age(now)
    return f"{due} due of {len(waits)} tables · longest: {oldest.table.name} {_long(age)}"


def _ago(time: timedelta) -> str:
    return f"{_long(time)} ago"


def _long(time: timedelta) -> str:
    """A time in words: 90 min, 5 h or 4 days."""
    minutes = int(time.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} days"


def _tables(status: Status, on: Console) -> Grid:
    """All tables in two columns: symbol, name, and the newest hour or what is wrong."""
    cells = [_cell(each, on) for each in status.tables]
    half = (len(cells) + 1) // 2
    grid = Grid.grid(padding=(0, 1), expand=True)
    for _ in range(2):
        grid.add_column(width=2, justify="right")
        grid.add_column(ratio=1, no_wrap=True)
        grid.add_column(width=9, justify="right", no_wrap=True)
    nothing = (Text(), Text(), Text())
    for left, right in zip_longest(cells[:half], cells[half:], fillvalue=nothing):
        grid.add_row(*left, *right)
    return grid


def _cell(each: TableStatus, on: Console) -> tuple[Text, Text, Text]:
    style = STYLES[each.state]
    name_style = "" if each.state == OK else style
    return _symbol(each.state, on), Text(each.table.name, name_style), Text(_state(each), name_style or "dim")


def _symbol(state: str, on: Console) -> Text:
    return Text(screen.symbol(on, SYMBOLS[state]), STYLES[state])


def _state(each: TableStatus) -> str:
    if each.state == BEHIND:
        return f"{each.due} {'d' if each.table.daily else 'h'} due"
    return _hour(each.newest, each.table.daily) if each.newest and each.state == OK else each.state


def _hour(newest: datetime, daily: bool) -> str:
    return f"{newest:%m-%d}" if daily else f"{newest:%m-%d %H}h"


def _to_do(todo: list[ToDo], on: Console) -> Group:
    """The open problems with their next steps; those that do not fit are counted."""
    grid = Grid.grid(padding=(0, 1))
    grid.add_column(width=2, justify="right")
    grid.add_column(overflow="fold")
    for each in todo[:MAX_TO_DO]:
        since = f"since {each.since:%m-%d %H:%M}: " if each.since else ""
        state = LATE if each.is_warning else FAILED
        grid.add_row(_symbol(state, on), Text.assemble(each.what, "\n", (since, "dim"), (each.step, "cyan")))
    left = len(todo) - MAX_TO_DO
    more = Padding(Text(f"{left} more: feed-etl status --json", "dim"), (0, 0, 0, 3))
    return Group(grid, more) if left > 0 else Group(grid)
