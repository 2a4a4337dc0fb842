"""Great Expectations' Data Docs of the newest runs of every table, built from the ledger.

A gate stores nothing for them, so they cost a run nothing and hold no value of a row. A page lists the failures with
the counts of the ledger, and shows the other rules of today's suite as passed. When the run evaluated another number of
rules than today's suite has, the page lists only its failures.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import great_expectations as gx
from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)

from etl import catalog
from etl.engine.quality import gx_context
from etl.engine.state.entry import Entry
from etl.errors import LakeError
from etl.model.contract import Table
from etl.reports import docs_results
from etl.reports.quality_trend import verdict_of
from etl.reports.templates import templates

# Great Expectations marks results with icons from a font on the network; these styles write the result as text.
MARKS = (
    "<style>i.text-success::after{content:' passed'} i.text-danger::after{content:' failed'} "
    "i.text-warning::after{content:' broken'} i.fas::after{font:13px sans-serif} "
    "table{border-collapse:collapse} td,th{padding:3px 8px;vertical-align:top;text-align:left}</style>"
)
SUITE_LINK = re.compile(r'<a href="[^"]*/expectations/[^"]*"[^>]*>(.*?)</a>')


@dataclass(frozen=True)
class Page:
    """One validation: a run of a table, and the path of its page relative to the folder of the site."""

    entry: Entry
    link: str

    @property
    def verdict(self) -> str:
        """failed, warned or passed."""
        return verdict_of(self.entry)

    @property
    def failures(self) -> int:
        """Rules that failed."""
        return len(json.loads(self.entry.failures))


def build(entries: list[Entry], runs: int, folder: Path) -> list[Page]:
    """Write the site of the newest `runs` runs of each table, replacing the previous site, and return its pages.

    Raises LakeError when a page could not be made; the previous site then stays.
    """
    new, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    context = _context(new)
    pages = [_add(context, e) for table in catalog.tables() for e in _newest(entries, table, runs)]
    context.build_data_docs(build_index=False)
    missing = [p.link for p in pages if not (new / p.link).is_file()]
    if missing:
        raise LakeError(f"Data Docs: {len(missing)} pages could not be made, first {missing[0]}.")
    _mark(new)
    _index(new, pages, runs)
    if folder.exists():
        os.replace(folder, old)
    os.replace(new, folder)
    shutil.rmtree(old, ignore_errors=True)
    return pages


def _newest(entries: list[Entry], table: Table, runs: int) -> list[Entry]:
    judged = [e for e in entries if e.table_name == table.name and (e.rules or e.failures != "[]")]
    return judged[-runs:][::-1]


def _context(folder: Path) -> Any:
    context = gx_context.in_memory()
    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.absolute())}
    site: Any = {"class_name": "SiteBuilder", "show_how_to_buttons": False, "store_backend": store}
    context.add_data_docs_site("feed_etl", site)
    return context


def _add(context: Any, entry: Entry) -> Page:
    """Add a run of a table to Great Expectations as a validation result."""
    run = RunIdentifier(run_name=entry.run_id, run_time=entry.started_at)
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(entry.table_name), run, entry.table_name)
    results = docs_results.of_run(entry)
    failed = sum(not r.success for r in results)
    evaluated = max(entry.rules, len(results))
    statistics = {
        "evaluated_expectations": evaluated,
        "successful_expectations": evaluated - failed,
        "unsuccessful_expectations": failed,
        "success_percent": 100 * (evaluated - failed) / evaluated if evaluated else None,
    }
    meta = {"run_id": run.to_json_dict(), "great_expectations_version": gx.__version__, "verdict": entry.verdict}
    passed = entry.verdict == "passed"
    validation = ExpectationSuiteValidationResult(passed, results, entry.table_name, statistics=statistics, meta=meta)
    context.validation_results_store.set(key, validation)
    return Page(entry, f"validations/{'/'.join(key.to_tuple())}.html")


def _mark(folder: Path) -> None:
    """Make the pages readable without the network. Links to pages of suites become text, because the site has none."""
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8").replace("</head>", f"{MARKS}</head>", 1)
        page.write_text(SUITE_LINK.sub(r"\1", text), encoding="utf-8")


def _index(folder: Path, pages: list[Page], runs: int) -> None:
    by_table: dict[str, list[Page]] = {}
    for page in pages:
        by_table.setdefault(page.entry.table_name, []).append(page)
    made = templates().get_template("quality_docs.html.j2").render(tables=by_table, runs=runs)
    (folder / "index.html").write_text(made, encoding="utf-8")
