"""Tables of a lake have names in Spark's catalog, which follow the lake through its life."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.lakes import copy
from support.local_lake import Simulated

from etl import catalog, conf
from etl.conf import Settings
from etl.errors import ConfigError
from etl.operations.registration import metastore

PROGRAM = Path(__file__).with_name("names.py")
SHARES = "spark_catalog.feed.fct_shares"


@pytest.fixture(scope="module")
def seen(one_share: Simulated, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program saw of a lake with one share."""
    folder = tmp_path_factory.mktemp("names")
    lake = copy(one_share, folder).lake
    done = subprocess.run([sys.executable, PROGRAM, lake, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_table_of_the_lake_gets_a_name(seen: dict[str, Any]) -> None:
    """Also an empty one, and `quarantine`, which is of no subject. Tables that the lake does not have get none."""
    created = set(seen["first"]["created"])
    assert {SHARES, "spark_catalog.feed.bronze_shares", "spark_catalog.shared.quarantine"} <= created
    assert "spark_catalog.ads.fct_ad_clicks" not in created


def test_to_register_again_changes_nothing(seen: dict[str, Any]) -> None:
    again = seen["again"]
    assert sorted(again["unchanged"]) == sorted(seen["first"]["created"])
    assert (again["created"], again["moved"], again["removed"], again["tagged"]) == ([], [], [], [])


def test_names_follow_a_lake_that_moved(seen: dict[str, Any]) -> None:
    assert sorted(seen["moved"]["moved"]) == sorted(seen["first"]["created"])


def test_a_table_that_is_gone_loses_its_name(seen: dict[str, Any]) -> None:
    assert (seen["removed"]["removed"], seen["back"]["created"]) == ([SHARES], [SHARES])


def test_a_table_of_somebody_else_is_neither_replaced_nor_dropped(seen: dict[str, Any]) -> None:
    """To drop a managed table would delete its rows."""
    assert f"{SHARES} is another table already" in seen["taken"]


def test_a_plain_session_reads_tables_by_name(seen: dict[str, Any]) -> None:
    """Named queries use bare names, which resolve after `USE feed`."""
    assert (seen["read"]["ids"], seen["read"]["bare"]) == ([1], 1)
    assert {"fct_shares", "bronze_shares"} <= set(seen["read"]["tables"])


def test_a_name_has_the_comments_and_tags_of_its_contract(seen: dict[str, Any]) -> None:
    table = catalog.entry("fct_shares").table
    assert seen["read"]["comments"] == {c.name: c.meaning.replace("'", '"') for c in table.columns}
    tags = {"feed_etl.owner": table.owner, "feed_etl.layer": "facts"}
    assert tags.items() <= seen["read"]["properties"].items()


def configured(**changes: Any) -> Settings:
    """Settings with other values of `catalog`, or of `lake` and `spark`."""
    settings = conf.load("local")
    names = {key: value for key, value in changes.items() if key not in ("lake", "spark")}
    others = {key: value for key, value in changes.items() if key in ("lake", "spark")}
    return settings.model_copy(update={"catalog": settings.catalog.model_copy(update=names), **others})


def test_a_hive_metastore_of_conf_is_used_instead_of_a_local_one() -> None:
    settings = configured(lake="s3a://lake", spark={"spark.hadoop.hive.metastore.uris": "thrift://host:9083"})
    assert metastore.options(settings) == {"spark.sql.catalogImplementation": "hive"}


def test_a_catalog_of_conf_is_used_as_it_is_configured() -> None:
    unity = {"spark.sql.catalog.unity": "io.unitycatalog.spark.UCSingleCatalog"}
    assert metastore.options(configured(name="unity", spark=unity)) == {}


def test_a_catalog_that_conf_does_not_configure_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"names the catalog 'unity' but does not configure it.*catalog\.unity"):
        metastore.options(configured(name="unity"))


def test_a_lake_on_an_object_store_has_no_local_metastore() -> None:
    with pytest.raises(ConfigError, match=r"not a local folder.*catalog\.metastore"):
        metastore.options(configured(lake="s3a://bucket/lake"))


def test_a_schema_can_have_the_name_of_its_place() -> None:
    assert configured(schemas="prod_{subject}").catalog.schema_of("feed") == "prod_feed"
