"""`feed-etl doctor`: examine the machine, the configuration and the places of the data, without Spark."""

from __future__ import annotations

import sys
from dataclasses import asdict

import typer
from rich.table import Table as Grid
from rich.text import Text

from etl import terminal
from etl.commands import screen
from etl.commands.cli_context import CONF_ERROR, Json
from etl.doctor.finding import Finding
from etl.errors import ConfigError

SYMBOLS = {"ok": ("✓", "+"), "warning": ("!", "!"), "failed": ("✗", "x")}
STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Look for what would keep a run from working: Java, JARs, memory, ports, space, rights, keys, clock, settings.

    Changes nothing and starts no Spark. The exit code is 0 unless a check failed, then 2.
    """
    from etl.doctor import driver

    found = list(driver.examine(context.meta.get(CONF_ERROR) or context.obj.settings))
    if as_json:
        terminal.print_document([asdict(each) for each in found])
    else:
        _show(found)
    if failures := sum(each.state == "failed" for each in found):
        raise ConfigError(f"{failures} of {len(found)} checks failed. Each line above names the next step.")


def _show(found: list[Finding]) -> None:
    """A line for each finding, and one below it with the next step."""
    console = screen.console(sys.stdout)
    grid = Grid.grid(padding=(0, 1))
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for each in found:
        symbol = Text(screen.symbol(console, SYMBOLS[each.state]), STYLES[each.state])
        what = Text(each.what).append(f"\n{each.next}" if each.next else "", "cyan")
        grid.add_row(symbol, Text(each.check, "dim"), what)
    console.print(grid)
