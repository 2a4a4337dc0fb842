"""The kinds of bad records of every event, each with all its quarantine reasons."""

from __future__ import annotations

from etl.sources.landing_writer import Row, time_fields
from etl.sources.stamps import DAY_US, HOUR_US, MINUTE_US, SECOND_US, minted_us, snowflake
from etl.subjects.feed.simulate.bad_kind import BadKind, both, missing, value, wrong_type
from etl.subjects.feed.simulate.fields import FIELDS, required_fields


def kinds_of(event: str) -> tuple[BadKind, ...]:
    """All kinds of one event; kinds that only this event has come first."""
    return (*_specific(event), *_common(event))


def _common(event: str) -> tuple[BadKind, ...]:
    unparseable = BadKind(("unparseable",), typed=False, text=lambda text: text[: len(text) // 2])
    not_an_object = BadKind(("unparseable",), typed=False, text=lambda text: f"[{text}]")
    absent = tuple(missing(field) for field in required_fields(event))
    wrong = tuple(wrong_type(event, field) for field in FIELDS[event] if FIELDS[event][field] != "text")
    return (unparseable, *absent, *wrong, not_an_object)


def _specific(event: str) -> tuple[BadKind, ...]:
    match event:
        case "impressions":
            return (*_impression_times(), *_impression_values())
        case "engagements":
            return (*_undos(), *_engagement_values(), *_late_and_early(event))
        case "heartbeats":
            return (*_beat_values(), *_late_and_early(event))
        case "shares":
            return _late_and_early(event)
        case _:
            return _change_values(event)


def _impression_values() -> tuple[BadKind, ...]:
    position = value("out_of_range", "feed_position", -1)
    surface = value("out_of_set", "surface", "sidebar")
    too_deep = value("out_of_range", "feed_position", 32_768)
    score = value("out_of_range", "predicted_score", 100.5)
    two_missing = both(missing("viewer_id"), wrong_type("impressions", "post_id"))
    return surface, position, score, both(surface, too_deep), two_missing


def _impression_times() -> tuple[BadKind, ...]:
    """A time that differs from the id; id and time in the future; both too old; a future time that differs."""

    def drift(row: Row, _landed_us: int) -> None:
        row["impression_ts"] = minted_us(row["impression_id"]) - 10 * SECOND_US

    def ahead(row: Row, landed_us: int) -> None:
        row["impression_ts"] = _after(landed_us)

    return (
        BadKind(("id_time_mismatch",), drift),
        BadKind(("in_future",), lambda row, landed_us: _move_impression(row, _after(landed_us))),
        BadKind(("too_late",), lambda row, landed_us: _move_impression(row, landed_us - 8 * DAY_US)),
        BadKind(("id_time_mismatch", "in_future"), ahead),
    )


def _move_impression(row: Row, us: int) -> None:
    """Change the time of an impression, and the time in its id."""
    row["impression_id"] = snowflake(us // 1000, row["impression_id"] & (1 << 22) - 1)
    row["impression_ts"] = us


def _after(landed_us: int) -> int:
    """Ten minutes after the end of the landed hour, which is more than the allowed clock drift."""
    return landed_us + HOUR_US + 10 * MINUTE_US


def _late_and_early(event: str) -> tuple[BadKind, ...]:
    """An event time more than 5 minutes in the future, or more than 7 days old."""
    (field, *_rest) = time_fields(event)

    def ahead(row: Row, landed_us: int) -> None:
        row[field] = _after(landed_us)

    def old(row: Row, landed_us: int) -> None:
        row[field] = landed_us - 8 * DAY_US

    plain = (
        BadKind(("in_future",), ahead),
        BadKind(("too_late",), old),
    )
    return (*plain, _old_impression()) if event == "heartbeats" else plain


def _old_impression() -> BadKind:
    """A heartbeat on time for an impression whose id is 8 days old."""

    def corrupt(row: Row, landed_us: int) -> None:
        row["impression_id"] = snowflake((landed_us - 8 * DAY_US) // 1000, row["impression_id"] & (1 << 22) - 1)

    return BadKind(("too_late",), corrupt)


def _undos() -> tuple[BadKind, ...]:
    """An undo without original_ts, of a future action, and of an action older than the retention of facts."""

    def of_nothing(row: Row, _landed_us: int) -> None:
        row["action"] = "undo"

    def of_later(row: Row, _landed_us: int) -> None:
        row.update(action="undo", original_ts=row["event_ts"] + MINUTE_US)

    def of_old(row: Row, landed_us: int) -> None:
        row.update(action="undo", original_ts=landed_us - 31 * DAY_US)

    return (
        BadKind(("undo_without_original_ts",), of_nothing),
        BadKind(("out_of_range:original_ts",), of_later),
        both(value("out_of_set", "event_type", "poke"), value("out_of_set", "action", "toggle")),
        BadKind(("too_late",), of_old),
    )


def _engagement_values() -> tuple[BadKind, ...]:
    return value("out_of_set", "event_type", "poke"), value("out_of_set", "action", "toggle")


def _beat_values() -> tuple[BadKind, ...]:
    over = value("out_of_range", "viewport_pct", 1.2)
    before = value("out_of_range", "beat_seq", -1)
    endless = value("out_of_range", "beat_seq", 345_600)
    return over, before, both(over, endless)


def _change_values(event: str) -> tuple[BadKind, ...]:
    op = value("out_of_set", "op", "archive")
    ranged = {
        "ranker_models": (value("out_of_range", "deployed_pct", 130.0),),
        "creators": (value("out_of_range", "follower_count", -1),),
    }
    return (*ranged.get(event, ()), op)
