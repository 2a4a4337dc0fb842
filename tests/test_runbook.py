"""The runbook lists every error, and all its links work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.errors import FeedEtlError

DOCS = Path(__file__).parent.parent / "docs"
RUNBOOK = (DOCS / "runbook.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("error", FeedEtlError.__subclasses__(), ids=lambda e: e.__name__)
def test_every_error_has_its_exit_code_in_the_runbook(error: type[FeedEtlError]) -> None:
    assert f"\n| {error.exit_code} `{error.__name__}` |" in RUNBOOK


def anchors(file: Path) -> set[str]:
    """Anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_the_runbook_works() -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", RUNBOOK)
    for page, anchor in links:
        file = DOCS / (page or "runbook.md")
        assert file.is_file(), page
        assert not anchor or anchor in anchors(file), f"{page}#{anchor}"


def messages() -> Iterator[tuple[str, str]]:
    """(location, text with … for inserted values) of every error in etl/ except ConfigError, which needs no entry."""
    named = {error.__name__ for error in FeedEtlError.__subclasses__()} - {"ConfigError"}
    for file in sorted((DOCS.parent / "etl").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in named and node.args:
                yield f"{file.stem}:{node.lineno}", _text(node.args[0])


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def _is_quoted(message: str) -> bool:
    """Whether the runbook quotes a part of the message in italics."""
    quoted = (re.escape(words).replace("…", ".*") for words in re.findall(r"\*([^*\n]{6,}?)\*", RUNBOOK))
    return any(re.search(words, message) for words in quoted)


@pytest.mark.parametrize(("where", "message"), [(w, m) for w, m in messages() if m != "…"])
def test_every_message_of_an_error_is_in_the_runbook(where: str, message: str) -> None:
    assert _is_quoted(message), f"{where}: {message}"
