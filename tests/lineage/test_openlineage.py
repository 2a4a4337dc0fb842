"""OpenLineage events: valid by the specification, received over HTTP, equal to `impact`, and never in a run's way."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from openlineage.client.serde import Serde
from pyspark.sql import SparkSession
from soak import shares
from support.lineage_receiver import Event, Receiver, faults, receiver, silent_receiver
from support.local_lake import END, START
from support.ports import free_port

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.jobs.summary import Summary
from etl.engine.quality import suites
from etl.engine.state.entry import Entry
from etl.errors import GateFailed
from etl.lineage import stored
from etl.lineage.flow import Lineage, Source
from etl.lineage.impact import changes
from etl.lineage.openlineage import datasets, recorder
from etl.lineage.openlineage.events import Events, RunIds
from etl.lineage.openlineage.parent import Parent
from etl.lineage.openlineage.recorder import recorded
from etl.lineage.openlineage.sender import Sender
from etl.lineage.tables import Edge, edges

FACTS = catalog.entry("fct_shares").table
PERSON = 4711471147114711
"""Number of a share and of its viewer. No path, port or id of a run contains these digits."""
AIRFLOW = Parent(
    "airflow", "feed_hourly.run_hour", str(uuid.UUID(int=7)), Parent("airflow", "feed_hourly", str(uuid.UUID(int=8)))
)
IDS = RunIds("20260601T100000-1a2b3c", (START, END), AIRFLOW)


@pytest.fixture(autouse=True)
def known_lineage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration of the client from outside, and no time for lineage that another fixture has computed."""
    for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if "lineages" in request.fixturenames:
        found = request.getfixturevalue("lineages")
        monkeypatch.setattr(stored, "of_all_tables", lambda _start, _settings: found)


@pytest.fixture
def http() -> Iterator[Receiver]:
    """A receiver that answers."""
    with receiver() as found:
        yield found


def run(spark: SparkSession, settings: Settings) -> Summary:
    """One share from landing to the fact table."""
    shares.land(settings, PERSON)
    with recorded(spark, settings) as progress:
        return runner.run(spark, settings, START, END, shares.TABLES, progress)


def of_job(events: list[Event], job: str) -> dict[str, Event]:
    """The events of a job by their type."""
    return {event["eventType"]: event for event in events if event["job"]["name"] == job}


def as_json(event: Any) -> Event:
    """An event as it is sent."""
    found: Event = json.loads(Serde.to_json(event))
    return found


def test_a_run_sends_valid_events_over_http(
    spark: SparkSession,
    settings: Settings,
    lineages: dict[str, Lineage],
    http: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """START and COMPLETE of the run and of each table, with rows, versions, rules and the parent run."""
    monkeypatch.setenv("OPENLINEAGE_URL", http.url)
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"airflow/feed_hourly.run_hour/{uuid.UUID(int=7)}")
    summary = run(spark, settings)
    assert not summary.errors
    assert [fault for event in http.events for fault in faults(event)] == []
    assert {event["job"]["name"] for event in http.events} == {"feed-etl.run", *shares.TABLES}
    for job in ("feed-etl.run", *shares.TABLES):
        found = of_job(http.events, job)
        assert set(found) == {"START", "COMPLETE"}
        assert found["START"]["run"]["runId"] == found["COMPLETE"]["run"]["runId"]
    whole, facts = (of_job(http.events, job)["COMPLETE"] for job in ("feed-etl.run", "fct_shares"))
    assert whole["run"]["facets"]["parent"]["job"] == {
        "namespace": "airflow",
        "name": "feed_hourly.run_hour",
        "facets": {},
    }
    assert facts["run"]["facets"]["parent"]["run"]["runId"] == whole["run"]["runId"]
    (output,) = facts["outputs"]
    assert output["name"] == f"{settings.lake}/facts/fct_shares"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert output["facets"]["version"]["datasetVersion"] == str(summary.entries[-1].output_version)
    assertions = output["facets"]["dataQualityAssertions"]["assertions"]
    assert [a["name"] for a in assertions] == [rule.name for rule in suites.suite(FACTS)]
    assert all(a["success"] for a in assertions)
    assert str(PERSON) not in json.dumps(http.events)  # neither the share nor its viewer


def test_without_a_receiver_the_events_are_in_a_file_of_the_lake(
    spark: SparkSession, settings: Settings, lineages: dict[str, Lineage]
) -> None:
    summary = run(spark, settings)
    (file,) = (Path(settings.lake) / "_lineage").iterdir()
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert file.name == f"{summary.run_id}.jsonl"
    assert [fault for event in found for fault in faults(event)] == []
    assert len(found) == 2 * (1 + len(shares.TABLES))
    with recorded(spark, settings) as progress:
        runner.run(spark, settings, START, END, shares.TABLES, progress)
    (again,) = set((Path(settings.lake) / "_lineage").iterdir()) - {file}
    unchanged = of_job([json.loads(line) for line in again.read_text(encoding="utf-8").splitlines()], "fct_shares")
    assert not unchanged["COMPLETE"]["outputs"][0]["outputFacets"]


def test_conf_turns_events_off(spark: SparkSession, settings: Settings) -> None:
    off = settings.model_copy(update={"openlineage": settings.openlineage.model_copy(update={"enabled": False})})
    with recorded(spark, off) as progress:
        assert progress.started.__name__ == "<lambda>"  # nobody listens
    assert not (Path(settings.lake) / "_lineage").exists()


def edges_of(events: list[Event], settings: Settings) -> list[Edge]:
    """The dependencies that the column lineage of events says, with this project's names of tables."""
    names = {datasets.name_of(settings, t.name): t.name for t in catalog.tables()}
    names |= {datasets.name_of(settings, f"landing.{e.name}"): f"landing.{e.name}" for e in catalog.landing_events()}
    hows = {subtype: how for how, subtype in datasets.SUBTYPES.items()}
    found = []
    for event in events:
        (output,) = event["outputs"]
        facet = output["facets"].get("columnLineage", {"fields": {}, "dataset": []})
        targets = [(name, field["inputFields"]) for name, field in facet["fields"].items()] + [("*", facet["dataset"])]
        for column, sources in targets:
            to = Source(names[output["namespace"], output["name"]], column)
            for one in sources:
                source = Source(names[one["namespace"], one["name"]], one["field"])
                for use in one["transformations"]:
                    subtype = use.get("subtype") or ""
                    found.append(Edge(source, to, hows.get(subtype, subtype.lower() or "value")))
    return found


def completed(settings: Settings, lineages: dict[str, Lineage]) -> list[Event]:
    """COMPLETE of every table that has a job."""
    made = Events(settings, lambda: lineages)
    return [
        as_json(made.completed(IDS, t, Entry(IDS.run_id, t.name, START)))
        for t in catalog.tables()
        if catalog.has_job(t)
    ]


def test_column_lineage_equals_impact_for_every_column(settings: Settings, lineages: dict[str, Lineage]) -> None:
    events = completed(settings, lineages)
    assert [fault for event in events for fault in faults(event)] == []
    sent, known = edges_of(events, settings), list(edges(lineages))
    assert set(sent) == set(known)
    for origin in {edge.source for edge in known}:
        assert {c.target for c in changes(origin, sent)} == {c.target for c in changes(origin, known)}


def test_a_failed_audit_says_which_rules_failed_and_shows_no_value(
    settings: Settings, lineages: dict[str, Lineage]
) -> None:
    rule = suites.suite(FACTS)[0]
    failure = {"rule": rule.name, "severity": "critical", "count": 3, "of": 9, "samples": [PERSON], "error": ""}
    late: dict[str, Any] = {
        "rule": "hour_is_complete",
        "severity": "warning",
        "count": None,
        "of": None,
        "samples": [],
        "error": "",
    }
    entry = Entry(IDS.run_id, FACTS.name, START, rules=9, failures=json.dumps([failure, late]), verdict="failed")
    error = GateFailed(f"fct_shares failed its gate: viewer {PERSON}", "fct_shares failed its gate: 3 rows")
    event = as_json(Events(settings, lambda: lineages).failed(IDS, FACTS, entry, error))
    assert (faults(event), event["eventType"]) == ([], "FAIL")
    results = {a["name"]: a for a in event["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"]}
    assert (results[rule.name]["success"], results[rule.name]["actual"]) == (False, "3 rows")
    assert results["hour_is_complete"] == {"assertion": "hour_is_complete", "success": False, "severity": "warn",
                                           "name": "hour_is_complete", "params": {}}  # fmt: skip
    assert sum(not a["success"] for a in results.values()) == 2
    assert event["run"]["facets"]["errorMessage"]["message"].startswith("GateFailed: fct_shares failed its gate")
    assert str(PERSON) not in json.dumps(event)


def test_a_receiver_that_is_not_there_costs_one_warning_and_no_event(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The port is closed, so sending fails at once. The events are in the file instead."""
    transport = {"type": "http", "url": f"http://127.0.0.1:{free_port()}", "retry": {"total": 1}}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
    send_all(settings, Sender(tmp_path / "events.jsonl", 20))
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 5
    assert_one_warning(caplog, "events.jsonl")


def test_a_receiver_that_does_not_answer_holds_a_run_for_a_bounded_time(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with silent_receiver() as url:
        monkeypatch.setenv("OPENLINEAGE_URL", url)
        began = time.monotonic()
        send_all(settings, Sender(tmp_path / "events.jsonl", 0.2))
        assert time.monotonic() - began < 4  # the client itself would wait 5 s for each of several attempts
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 5
    assert_one_warning(caplog, "no answer within 0.2 s", "events.jsonl")


def test_a_configuration_that_is_not_valid_costs_one_warning(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "openlineage.yml").write_text("facets: x")
    monkeypatch.setenv("OPENLINEAGE_CONFIG", str(tmp_path / "openlineage.yml"))
    assert recorder._recorder(cast(Any, None), settings) is None
    (warning,) = caplog.messages
    assert warning.startswith("OpenLineage: this run sends no events: ")


def test_a_file_that_cannot_be_written_costs_one_warning(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    send_all(settings, Sender(tmp_path / "taken" / "events.jsonl", 20))
    assert_one_warning(caplog, "are lost")


def send_all(settings: Settings, sender: Sender) -> None:
    """Send five events, and wait as a run does."""
    for _ in range(5):
        sender.send(Events(settings, dict).started(IDS, FACTS))
    sender.close()


def assert_one_warning(caplog: pytest.LogCaptureFixture, *words: str) -> None:
    """Assert that there is one warning, which contains some words. The client and its HTTP library print none."""
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert all(word in warning for word in ("OpenLineage", "not affected", *words))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/srv/lake/facts/fct_shares", ("file", "/srv/lake/facts/fct_shares")),
        ("file:///srv/lake/", ("file", "/srv/lake")),
        ("s3a://bucket/lake/facts", ("s3://bucket", "lake/facts")),
        ("hdfs://name:8020/lake", ("hdfs://name:8020", "/lake")),
        ("abfss://lake@account.dfs.core.windows.net/facts", ("abfss://lake@account.dfs.core.windows.net", "facts")),
    ],
)
def test_a_dataset_has_the_name_that_the_specification_gives_it(uri: str, name: tuple[str, str]) -> None:
    assert datasets.named(uri) == name


def test_equal_runs_have_equal_ids_and_others_do_not() -> None:
    other = RunIds("20260601T100000-ffffff", (START, START + timedelta(hours=1)), None)
    assert IDS.of("fct_shares") == RunIds(IDS.run_id, None, None).of("fct_shares")
    assert len({IDS.of("fct_shares"), IDS.of("bronze_shares"), other.of("fct_shares")}) == 3


def test_lineage_is_not_asked_for_before_a_table_is_complete(settings: Settings) -> None:
    def lineages() -> dict[str, Lineage]:
        raise AssertionError("lineage was computed")

    made = Events(settings, lineages)
    assert made.started(IDS, FACTS).outputs
    assert made.completed(IDS, FACTS, None).outputs, "a table that was up to date"
