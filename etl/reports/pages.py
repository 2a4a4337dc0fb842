"""Renders and writes HTML pages. Every value is escaped; only the SVG of charts is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from etl.errors import ConfigError

_PACKAGE = "etl.reports"


def render(template: str, *, package: str = _PACKAGE, **values: Any) -> str:
    """The HTML of a page, from a template of `package`, which may extend the templates of `etl.reports`.

    Raises jinja2.UndefinedError when the template uses a name without a value.
    """
    loader = ChoiceLoader([PackageLoader(name, ".") for name in dict.fromkeys((package, _PACKAGE))])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(**values)


def write(page: str, out: Path) -> Path:
    """Write a page, replacing an existing file. Raises ConfigError when the file cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}. Choose another --out.") from error
    return out
