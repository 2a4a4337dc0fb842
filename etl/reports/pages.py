"""Renders and writes pages: every value is escaped, charts are the only markup that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from etl.errors import ConfigError
from etl.reports.charts import number, percent

_HERE = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """A page's HTML. A name the template does not get is an error, not an empty place."""
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined)
    environment.globals |= {"number": number, "percent": percent}
    return environment.get_template(template).render(**values)


def write(page: str, out: Path) -> Path:
    """Write a page, replacing what is there. Raises ConfigError when the place cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}. Choose another --out.") from error
    return out
