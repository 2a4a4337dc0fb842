"""Writes the documentation: a Markdown page per table, the lineage picture, and one HTML page with everything."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt

from etl import catalog
from etl.docs.graph import picture
from etl.docs.pages import Named, Page, page
from etl.lineage.flow import Lineage
from etl.lineage.tables import edges, landed_columns
from etl.model.contract import Layer

HTML = "index.html"
MARK = "<!-- Made by `feed-etl docs`; change the table's module or suite instead. -->"


def pages(lineages: dict[str, Lineage]) -> dict[str, str]:
    """Text of every file by name, except the HTML page. Equal contracts and transforms give equal bytes."""
    steps = list(edges(lineages))
    found = [page(entry, lineages.get(name), steps) for name, entry in catalog.entries().items()]
    templates = _templates()
    files = {f"{p.table.name}.md": templates.get_template("table.md.j2").render(page=p, mark=MARK) for p in found}
    files["README.md"] = templates.get_template("index.md.j2").render(
        layers=_by_layer(found),
        events=[(e.name, landed_columns(e)) for e in catalog.landing_events()],
        private=_private(found),
        mark=MARK,
    )
    files["lineage.svg"] = templates.get_template("lineage.svg.j2").render(picture=picture())
    return files


def html(files: dict[str, str]) -> str:
    """All pages as one self-contained HTML document."""
    order = ["README.md", *[f"{t.name}.md" for t in catalog.tables()]]
    markdown = MarkdownIt("commonmark").enable("table")
    sections = [(Path(name).stem, _inside(markdown.render(files[name]))) for name in order]
    layers = {layer.name.lower(): [t.name for t in catalog.tables() if t.layer is layer] for layer in Layer}
    return _templates().get_template("site.html.j2").render(sections=sections, layers=layers, svg=files["lineage.svg"])


def write(folder: Path, lineages: dict[str, Lineage]) -> list[str]:
    """Write all pages, and remove pages of tables that no longer exist. Returns the names of the files."""
    files = pages(lineages)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in files and old.read_text(encoding="utf-8").startswith(MARK):
            old.unlink()
    for name, text in {**files, HTML: html(files)}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(files)


def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("etl.docs", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=lambda name: name is not None and name.endswith((".svg.j2", ".html.j2")),
    )
    found.filters.update(cell=_cell, links=_links)
    return found


def _cell(text: str) -> str:
    """Escape text for a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def _link(table: str) -> str:
    return f"[{table}]({table}.md)" if table in catalog.entries() else f"[{table}](README.md#landing-zone)"


def _links(found: list[Named], separator: str = "<br>") -> str:
    """Tables as links, each with its columns."""
    return separator.join(" ".join([_link(table), *[f"`{c}`" for c in columns]]) for table, columns in found)


def _by_layer(found: list[Page]) -> list[tuple[str, list[Page]]]:
    return [(layer.name.lower(), [p for p in found if p.table.layer is layer]) for layer in Layer]


def _private(found: list[Page]) -> list[tuple[str, list[Named]]]:
    """The columns of each privacy class."""
    classes = sorted({c.privacy for p in found for c in p.table.columns} - {"none"})
    return [
        (name, [(p.table.name, cs) for p in found if (cs := [c.name for c in p.table.columns if c.privacy == name])])
        for name in classes
    ]


def _inside(rendered: str) -> str:
    """Turn links between pages into links within the HTML page, and drop the image, which the page embeds."""
    rendered = re.sub(r"<p><img [^>]*></p>\n", "", rendered)
    rendered = re.sub(r'href="README\.md#([^"]+)"', r'href="#\1"', rendered)
    rendered = re.sub(r'href="(\w+)\.md"', r'href="#\1"', rendered)
    rendered = rendered.replace("<h2>Landing zone</h2>", '<h2 id="landing-zone">Landing zone</h2>')
    return rendered.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
