"""A user of ads is erased like a viewer of the feed. Conversions are still attributed to the same clicks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support import traces
from support.lakes import copy, existing_tables, uri
from support.local_lake import ADS_END, ADS_START, Simulated
from test_order import content

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.model.privacy import REPLACEMENT_IDS_BELOW, VIEWER
from etl.operations.backfill import driver as backfills
from etl.operations.backfill import request
from etl.operations.erasure import driver, rules

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Erased:
    """A lake from which a user with an attributed click was erased."""

    settings: Settings
    user: int


@pytest.fixture(scope="module")
def erased(spark: SparkSession, simulated_ads: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erased]:
    """Erase the user with the most clicks among users with an attributed click."""
    settings = copy(simulated_ads, tmp_path_factory.mktemp("ads"))
    credited = delta.read(spark, uri(settings, "fct_attributed_conversion")).where("attribution = 'click'")
    clicks = delta.read(spark, uri(settings, "fct_ad_clicks")).join(credited, "user_id", "left_semi")
    user = int(clicks.groupBy("user_id").count().orderBy("count", "user_id").collect()[-1]["user_id"])
    driver.erase(spark, settings, [user], "ticket 18")
    yield Erased(settings, user)


def totals(spark: SparkSession, settings: Settings) -> dict[str, object]:
    """The content of tables without personal columns."""
    personal = {t.name for t in existing_tables(spark, settings) if rules.rule(t, VIEWER)}
    return {name: state for name, state in content(spark, settings).items() if name not in personal}


def test_the_id_is_in_no_file_and_totals_stay(spark: SparkSession, erased: Erased, simulated_ads: Simulated) -> None:
    assert traces.of(erased.user, str(simulated_ads.lake), str(simulated_ads.landing))
    assert traces.of(erased.user, erased.settings.lake, erased.settings.landing) == []
    assert totals(spark, erased.settings) == totals(spark, simulated_ads.settings)


def test_every_attributed_click_still_exists(spark: SparkSession, erased: Erased) -> None:
    """The click id is a hash of the user id, among others. Erasure derives it again in the same way in both tables."""
    clicks = delta.read(spark, uri(erased.settings, "fct_ad_clicks"))
    credited = delta.read(spark, uri(erased.settings, "fct_attributed_conversion")).where("attribution = 'click'")
    replaced = credited.where(f"user_id < {REPLACEMENT_IDS_BELOW}")
    assert not replaced.isEmpty()
    assert credited.join(clicks, ["click_id", "user_id"], "left_anti").isEmpty()


def test_days_rebuilt_from_landed_files_are_unchanged(spark: SparkSession, erased: Erased) -> None:
    """Landed files have the same replacement ids as the lake."""
    personal = [t.name for t in existing_tables(spark, erased.settings) if rules.rule(t, VIEWER) and t.inputs]
    before = content(spark, erased.settings)
    file = next(Path(erased.settings.landing).glob("ad_clicks/*/*"))
    file.rename(file.with_name(f"again-{file.name}"))
    assert not runner.run(spark, erased.settings, ADS_START, ADS_END).errors
    everything = request.make((ADS_START, ADS_START + timedelta(days=2)), personal, "all", None)
    declared = backfills.declare(spark, erased.settings, everything, "tests", "all of it")
    assert declared
    backfills.execute(spark, erased.settings, declared.id)
    assert content(spark, erased.settings) == before
