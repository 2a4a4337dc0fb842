"""`feed-etl new-table`: generate the files of a new table."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from etl.commands.cli_context import errors
from etl.model.contract import Layer

LayerName = Literal["dims", "facts", "rollups", "marts"]


def new_table(
    name: Annotated[str, typer.Argument(help="Name in lower case with the prefix of its layer, such as fct_clicks.")],
    layer: Annotated[LayerName, typer.Option(help="Layer; bronze tables are derived from the events of a subject.")],
    subject: Annotated[str, typer.Option(help="Folder of etl/subjects for the table.")] = "feed",
) -> None:
    """Generate the module, the suite and the test file of a new table. The catalog finds it automatically."""
    from etl.scaffold import new_table as table

    for file in table.make(name, Layer[layer.upper()], subject):
        errors.print(f"wrote {file}", soft_wrap=True)
    errors.print(
        "Next: describe one row, change columns, rule and test to your own, then run `make docs` and `make test`."
    )
