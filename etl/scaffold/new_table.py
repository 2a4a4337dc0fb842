"""Generates the module, the suite and the tests of a new table. They pass all checks and are meant to be edited."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from etl import catalog, conf, subjects
from etl.errors import ConfigError
from etl.model.contract import Layer

PREFIX = {Layer.DIMS: "dim", Layer.FACTS: "fct", Layer.ROLLUPS: "agg", Layer.MARTS: "mart"}
MAX_LENGTH = 64  # characters; longest table name in a metastore


def make(name: str, layer: Layer, subject: str = "feed") -> list[Path]:
    """Write the files of a table and return their paths.

    Raises ConfigError, before it writes anything, when name or subject is not valid, or a file exists.
    """
    catalog.of_subjects([subject])
    _check_name(name, layer)
    templates = Environment(
        loader=PackageLoader("etl.scaffold", "."), undefined=StrictUndefined, keep_trailing_newline=True
    )
    folder = layer.name.lower()
    files = {
        Path(subjects.__path__[0]) / subject / folder / f"{name}.py": f"{folder}_module.py.j2",
        conf.home() / "expectations" / subject / f"{name}.yaml": "suite.yaml.j2",
        conf.home() / "tests" / "subjects" / subject / folder / f"test_{name}.py": f"{folder}_test.py.j2",
    }
    existing = [str(file) for file in files if file.exists()]
    if existing:
        raise ConfigError(
            f"Already exists: {', '.join(existing)}. Nothing was written. Choose another name, or remove the files."
        )
    for file, template in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        text = templates.get_template(template).render(name=name, layer=folder, subject=subject)
        file.write_text(_sorted_imports(text), encoding="utf-8")
    return list(files)


def _sorted_imports(text: str) -> str:
    """Sort the imports from `etl` in the rendered text. Their order depends on the subject."""
    block = re.compile(r"(?:^from etl\..*\n)+", re.M)
    return block.sub(lambda found: "".join(sorted(found[0].splitlines(keepends=True))), text)


def _check_name(name: str, layer: Layer) -> None:
    wanted = f"{PREFIX[layer]}_[a-z0-9]+(_[a-z0-9]+)*"
    if not re.fullmatch(wanted, name) or len(name) > MAX_LENGTH:
        example = f"{PREFIX[layer]}_something"
        raise ConfigError(
            f"{name!r} is not a valid name of a {layer.name.lower()} table. Use a name like {example}: lower case, "
            f"digits, single underscores, at most {MAX_LENGTH} characters."
        )
    if name in catalog.entries():
        raise ConfigError(f"Table {name} already exists: {catalog.entry(name).module.__file__}. Choose another name.")
