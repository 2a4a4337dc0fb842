"""Which lake owns a landing zone: the one lake that may remove or rewrite landed files.

`<lake>/_lake.json` holds the lake's id, a random number that moves with the lake. `<landing>/_owner.json` names the
owner. The first run of a lake on a landing zone without a marker makes both. Another lake reads the zone only.
"""

from __future__ import annotations

import json
import logging
import secrets
from datetime import UTC, datetime
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from etl.conf import Settings
from etl.engine.spark import documents, files
from etl.errors import ConflictError, LakeError, LandingError, first_line

log = logging.getLogger("feed_etl")
LAKE, OWNER = "_lake.json", "_owner.json"


def claim(spark: SparkSession, settings: Settings) -> None:
    """Make the lake the owner of its landing zone unless another one is. A zone that cannot be written has no owner."""
    landing, lake = _places(settings)
    uri = f"{landing}/{OWNER}"
    if documents.read(spark, uri) is not None:
        return
    try:
        documents.create(spark, uri, _marker(_own_id(spark, lake), lake))
    except (OSError, Py4JError) as error:
        log.warning("no lake owns the landing zone, since %s cannot be written: %s", uri, first_line(error))


def take(spark: SparkSession, settings: Settings) -> str:
    """Make the lake the owner whoever was; returns the marker that was there, empty when none was."""
    landing, lake = _places(settings)
    uri = f"{landing}/{OWNER}"
    if not files.exists(spark, landing):
        raise LandingError(f"There is no landing zone at {landing}. Set --landing, or try `feed-etl simulate`.")
    before = documents.read(spark, uri) or ""
    documents.replace(spark, uri, _marker(_own_id(spark, lake), lake))
    return before


def refusal(spark: SparkSession, settings: Settings) -> str | None:
    """Why this lake must not remove or rewrite landed files; None when it owns the landing zone or there is none."""
    landing, lake = _places(settings)
    if not files.exists(spark, landing):
        return None
    text = documents.read(spark, f"{landing}/{OWNER}")
    if text is None:
        return f"no lake owns the landing zone {landing} yet. The next `feed-etl run` makes this lake its owner"
    owner = _parsed(text)
    mine = documents.read(spark, f"{lake}/{LAKE}")
    if mine is not None and owner.get("id") and _parsed(mine).get("id") == owner["id"]:
        return None
    whose = owner.get("lake") or "unknown"
    return (
        f"the landing zone {landing} belongs to another lake ({whose}). Maintain and erase with that lake, or "
        "make this one the owner: `feed-etl maintain --take-ownership`"
    )


def refuse(spark: SparkSession, settings: Settings) -> None:
    """Raises ConflictError unless this lake may remove and rewrite landed files."""
    if found := refusal(spark, settings):
        raise ConflictError(f"Landed files stay: {found}.")


def _places(settings: Settings) -> tuple[str, str]:
    return files.absolute(settings.landing), files.absolute(settings.lake)


def _marker(lake_id: str, lake: str) -> str:
    return json.dumps({"id": lake_id, "lake": lake, "since": datetime.now(UTC).isoformat()}) + "\n"


def _own_id(spark: SparkSession, lake: str) -> str:
    """The lake's id, made when it has none. Raises LakeError when its file is not as it must be."""
    uri = f"{lake}/{LAKE}"
    text = documents.read(spark, uri)
    if text is None:
        documents.create(spark, uri, json.dumps({"id": secrets.token_hex(16)}) + "\n")
        text = documents.read(spark, uri) or ""
    found = _parsed(text).get("id")
    if not found:
        raise LakeError(f"{uri} holds no id of the lake. Restore it, or remove it and take ownership anew.")
    return str(found)


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
