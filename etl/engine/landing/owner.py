"""Records which lake owns a landing zone: only this lake may remove or rewrite landed files. Other lakes only read.

`<lake>/_lake.json` holds the lake's id, a random number that moves with the lake. `<landing>/_owner.json` holds the id
of the owner. The first run on a landing zone without an owner writes both.
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
    """Make the lake the owner of its landing zone, unless the zone has an owner. A read-only zone stays without one."""
    landing, lake = _places(settings)
    uri = f"{landing}/{OWNER}"
    if documents.read(spark, uri) is not None:
        return
    try:
        documents.create(spark, uri, _marker(_own_id(spark, lake), lake))
    except (OSError, Py4JError) as error:
        log.warning("no lake owns the landing zone, since %s cannot be written: %s", uri, first_line(error))


def take(spark: SparkSession, settings: Settings) -> str:
    """Make the lake the owner, even when another lake is; returns the previous owner file, empty when there was none.

    Raises LandingError when there is no landing zone.
    """
    landing, lake = _places(settings)
    uri = f"{landing}/{OWNER}"
    if not files.exists(spark, landing):
        raise LandingError(f"There is no landing zone at {landing}. Set --landing, or try `feed-etl simulate`.")
    before = documents.read(spark, uri) or ""
    documents.replace(spark, uri, _marker(_own_id(spark, lake), lake))
    return before


def refusal(spark: SparkSession, settings: Settings) -> str | None:
    """Why this lake must not remove or rewrite landed files; None when it owns the landing zone, or no zone exists."""
    landing, lake = _places(settings)
    if not files.exists(spark, landing):
        return None
    text = documents.read(spark, f"{landing}/{OWNER}")
    if text is None:
        return f"no lake owns the landing zone {landing} yet. The next `feed-etl run` makes this lake its owner"
    owner = _parsed(text)
    own_text = documents.read(spark, f"{lake}/{LAKE}")
    if own_text is not None and owner.get("id") and _parsed(own_text).get("id") == owner["id"]:
        return None
    other = owner.get("lake") or "unknown"
    return (
        f"the landing zone {landing} belongs to another lake ({other}). Maintain and erase with that lake, or "
        "make this one the owner: `feed-etl maintain --take-ownership`"
    )


def refuse(spark: SparkSession, settings: Settings) -> None:
    """Raises ConflictError unless this lake may remove and rewrite landed files."""
    if why := refusal(spark, settings):
        raise ConflictError(f"Landed files stay: {why}.")


def _places(settings: Settings) -> tuple[str, str]:
    return files.absolute(settings.landing), files.absolute(settings.lake)


def _marker(lake_id: str, lake: str) -> str:
    return json.dumps({"id": lake_id, "lake": lake, "since": datetime.now(UTC).isoformat()}) + "\n"


def _own_id(spark: SparkSession, lake: str) -> str:
    """The lake's id; writes a new one when the lake has none. Raises LakeError when the file holds no id."""
    uri = f"{lake}/{LAKE}"
    text = documents.read(spark, uri)
    if text is None:
        documents.create(spark, uri, json.dumps({"id": secrets.token_hex(16)}) + "\n")
        text = documents.read(spark, uri) or ""
    found = _parsed(text).get("id")
    if not found:
        raise LakeError(
            f"{uri} holds no id of the lake. Restore it, or remove it and run `feed-etl maintain --take-ownership`."
        )
    return str(found)


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
