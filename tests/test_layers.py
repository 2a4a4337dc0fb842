"""No module imports upward: packages have one order, and each imports only packages before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import etl

ROOT = Path(etl.__file__).parent
ORDER = (
    ("errors", "utc"),
    ("secrets", "model", "telemetry"),
    ("transforms",),
    ("subjects.shared",),
    ("subjects",),
    ("catalog",),
    ("conf", "sources"),
    ("engine.spark",),
    ("engine.delta",),
    ("engine.people", "engine.sql"),
    ("engine.landing", "engine.state"),
    ("engine.quality", "producers"),
    ("engine.jobs",),
    ("terminal",),
    ("queries",),
    ("lineage",),
    ("operations.backfill", "operations.migrate", "operations.registration"),
    ("operations.retention",),
    ("operations.erasure", "operations.check"),
    ("operations.maintenance",),
    ("operations.restore",),
    ("reports",),
    ("subjects.dashboard", "subjects.simulate"),
    ("docs", "scaffold", "airflow", "doctor"),
    ("commands",),
    ("cli",),
)
"""From the lowest packages to the highest; packages in one line do not import each other.

A subject's dashboard is above `reports` and its simulator above `sources`: both are found by name and never imported.
"""
RANK = {package: rank for rank, packages in enumerate(ORDER) for package in packages}
STARTS_THE_CLI = "airflow.application"  # what spark-submit runs: the command line itself


def package(module: str) -> str:
    """The package of ORDER that a module (`etl.` left out) is of."""
    first, *rest = module.split(".")
    if first in ("engine", "operations"):
        return ".".join((first, *rest[:1]))
    if first == "subjects":
        plugin = next((name for name in ("dashboard", "simulate") if name in rest), "")
        return "subjects.shared" if rest[:1] == ["shared"] else f"{first}.{plugin}" if plugin else first
    return first


def modules() -> dict[str, Path]:
    """Every module of the package by its name, `etl.` left out."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = file
    return found


def imported(file: Path) -> Iterator[str]:
    """The modules of the package that a file imports, `etl.` left out; what only types need counts, too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "etl":
            for alias in node.names:
                full = f"{node.module}.{alias.name}".removeprefix("etl.")
                yield full if full in MODULES else node.module.removeprefix("etl").lstrip(".")
        elif isinstance(node, ast.Import):
            yield from (a.name.removeprefix("etl.") for a in node.names if a.name.startswith("etl."))


MODULES = modules()
IMPORTS = [(name, to) for name, file in MODULES.items() for to in imported(file) if to]


def test_every_package_has_its_place_in_the_order() -> None:
    packages = {package(name) for name in MODULES} - {"engine", "operations"}
    assert packages == set(RANK)


def test_no_module_imports_upward() -> None:
    upward = [
        f"{name} imports {to}"
        for name, to in IMPORTS
        if package(name) != package(to) and RANK[package(to)] >= RANK[package(name)] and name != STARTS_THE_CLI
    ]
    assert upward == []


def test_no_subject_imports_another() -> None:
    def of(module: str) -> str:
        return module.split(".")[1] if module.count(".") else ""

    crossing = [
        f"{name} imports {to}"
        for name, to in IMPORTS
        if name.startswith("subjects.") and to.startswith("subjects.") and of(to) not in (of(name), "shared")
    ]
    assert crossing == []


def test_only_the_demo_and_the_virality_page_name_a_subject() -> None:
    """Whatever else needs a subject finds it in the catalog, so that a new one is a folder and nothing else."""
    naming = {
        name
        for name, to in IMPORTS
        if to.startswith("subjects.") and package(to) != "subjects.shared" and not name.startswith("subjects.")
    }
    assert naming <= {"commands.demo", "commands.report_dashboard"}  # `report virality` is a page of the feed
