"""The three files of a new table: module, suite and tests, right from the start and made to be changed."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from etl import catalog, conf, subjects
from etl.errors import ConfigError
from etl.model.contract import Layer

PREFIX = {Layer.DIMS: "dim", Layer.FACTS: "fct", Layer.ROLLUPS: "agg", Layer.MARTS: "mart"}
MAX_LENGTH = 64  # characters of a name a metastore can hold


def make(name: str, layer: str, subject: str = "feed") -> list[Path]:
    """Write a table's files; returns their paths. Raises ConfigError, before anything is written, when it may not."""
    catalog.of_subjects([subject])
    chosen = _layer(layer)
    _check_name(name, chosen)
    templates = Environment(
        loader=PackageLoader("etl.scaffold", "."), undefined=StrictUndefined, keep_trailing_newline=True
    )
    folder = chosen.name.lower()
    files = {
        Path(subjects.__path__[0]) / subject / folder / f"{name}.py": f"{folder}_module.py.j2",
        conf.home() / "expectations" / subject / f"{name}.yaml": "suite.yaml.j2",
        conf.home() / "tests" / "subjects" / subject / folder / f"test_{name}.py": f"{folder}_test.py.j2",
    }
    existing = [str(file) for file in files if file.exists()]
    if existing:
        raise ConfigError(f"Already there: {', '.join(existing)}. Nothing was written; choose another name or remove it.")
    for file, template in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        text = templates.get_template(template).render(name=name, layer=folder, subject=subject)
        file.write_text(text, encoding="utf-8")
    return list(files)


def _layer(text: str) -> Layer:
    """The layer of a name. A bronze table is its event: no file is made for it."""
    if text == "bronze":
        raise ConfigError(
            "A bronze table begins with its event: add that to events.py of the subject, and the table is there."
        )
    for layer in PREFIX:
        if text == layer.name.lower():
            return layer
    raise ConfigError(f"There is no layer {text!r}. Layers: {', '.join(layer.name.lower() for layer in PREFIX)}.")


def _check_name(name: str, layer: Layer) -> None:
    wanted = f"{PREFIX[layer]}_[a-z0-9]+(_[a-z0-9]+)*"
    if not re.fullmatch(wanted, name) or len(name) > MAX_LENGTH:
        example = f"{PREFIX[layer]}_something"
        raise ConfigError(
            f"A table of {layer.name.lower()} is named like {example}: lower case, digits, single underscores, "
            f"at most {MAX_LENGTH} characters; not {name!r}."
        )
    if name in catalog.entries():
        raise ConfigError(f"There is a table {name} already: {catalog.entry(name).module.__file__}.")
