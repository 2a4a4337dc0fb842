"""A vocabulary: each column's type, unit, meaning and privacy class, defined once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from etl.errors import ContractViolation
from etl.model.contract import Column


class Vocabulary(Mapping[str, Column]):
    """Columns by name. The vocabulary of a subject extends the shared vocabulary.

    A call returns columns in the order of the names; `name?` allows NULL:

    >>> columns = Vocabulary(Column("viewer_id", "BIGINT", "The person who looked"))
    >>> [column.nullable for column in columns("viewer_id", "viewer_id?")]
    [False, True]
    """

    def __init__(self, *own: Column, extends: Mapping[str, Column] | None = None) -> None:
        """Raises ContractViolation when a column is defined twice."""
        self._columns = dict(extends or {})
        for column in own:
            if column.name in self._columns:
                raise ContractViolation(f"The column {column.name} is defined twice. Keep one of the definitions.")
            self._columns[column.name] = column

    def __call__(self, *names: str) -> tuple[Column, ...]:
        """Return columns by name. Raises ContractViolation for a name that is not defined."""
        return tuple(self._column(name) for name in names)

    def _column(self, name: str) -> Column:
        plain = name.removesuffix("?")
        if plain not in self._columns:
            raise ContractViolation(f"There is no column {plain!r}. Define it in columns.py of its subject.")
        found = self._columns[plain]
        return found.optional() if plain != name else found

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
