"""Finds the .sql files of all subjects: named queries in `queries`, and queries of pages in `dashboard`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from etl import catalog
from etl.errors import ContractViolation


@cache
def find(package: str) -> dict[str, Path]:
    """The .sql files by name, from the package of this name of each subject.

    Raises ContractViolation when two subjects have a file of the same name.
    """
    found: dict[str, Path] = {}
    for plugin in filter(None, (catalog.plugin(subject, package) for subject in catalog.subjects())):
        for file in sorted(Path(str(plugin.__file__)).parent.glob("*.sql")):
            if other := found.get(file.stem):
                raise ContractViolation(f"{file} and {other} have the same name. Rename one of them.")
            found[file.stem] = file
    return found
