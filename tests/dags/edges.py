"""A DAG as text for a review: edges, pools, owners and asset updates."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DAGS = sorted((HERE.parent.parent / "dags").glob("*.py"))


def load(file: Path) -> Any:
    """The DAG that a file in dags/ defines."""
    return runpy.run_path(str(file))["dag"]


def as_text(dag: Any) -> str:
    """One line for the DAG, then the lines of each task, upstream tasks first."""
    cron = getattr(dag.timetable, "expression", None) or "manual"
    lines = [f"{dag.dag_id}: {cron}, {'catches up' if dag.catchup else 'does not catch up'}"]
    if dag.params:
        lines.append(f"  parameters: {', '.join(dag.params)}")
    for task in dag.topological_sort():
        lines += ["", f"{task.task_id}  (pool {task.pool}, owner {task.owner})"]
        lines += [f"  after    {name}" for name in sorted(task.upstream_task_ids)]
        lines += [f"  updates  {asset.uri}" for asset in task.outlets]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for each in DAGS:
        (HERE / f"{each.stem}.txt").write_text(as_text(load(each)), encoding="utf-8")
