"""Make a new table's files."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.commands.cli_context import errors


def new_table(
    name: Annotated[str, typer.Argument(help="fct_something: the layer's prefix, lower case.")],
    layer: Annotated[str, typer.Option(help="dims, facts, rollups or marts")],
    subject: Annotated[str, typer.Option(help="The folder of etl/subjects it is put into.")] = "feed",
) -> None:
    """Make the module, the suite and the test file of a new table; the catalogue finds it."""
    from etl.scaffold import new_table as table

    for file in table.make(name, layer, subject):
        errors.print(f"made {file}", soft_wrap=True)
    errors.print(
        "Next: say what a row is, change columns, rule and test to your own, then `make docs` and `make test`."
    )
