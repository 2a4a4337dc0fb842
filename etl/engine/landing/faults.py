"""Finds every reason to quarantine a record that `records` has parsed.

One predicate tells the good records from the bad ones. Only the few bad records are parsed again, field by field, to
name all their reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from etl.conf import Settings
from etl.engine.landing import records
from etl.model.contract import FACTS_KEPT, Event
from etl.model.contract import Column as Field
from etl.transforms.scd2 import CLOSING

MICROSECOND = timedelta(microseconds=1)


def _value_faults(event: Event) -> Iterator[tuple[str, Column]]:
    for field in event.fields:
        value = F.col(field.name)
        if field.values:
            yield f"out_of_set:{field.name}", ~value.isin(*field.values)
        if field.low is not None:
            yield f"out_of_range:{field.name}", value < _limit(field, field.low)
        if field.high is not None:
            yield f"out_of_range:{field.name}", value > _limit(field, field.high)


def _bound_faults(event: Event, settings: Settings) -> Iterator[tuple[str, Column]]:
    """Days and times outside min_day … max_day of conf. The own time of a fact is compared with its landed hour."""
    own_times = {name for name, _ in event.times}
    for field in event.fields:
        if field.type in ("DATE", "TIMESTAMP") and field.name not in own_times:
            low, high = (F.lit(day).cast(field.type) for day in (settings.min_day, settings.max_day))
            yield f"out_of_range:{field.name}", ~F.col(field.name).between(low, high)
    for name in event.not_ahead:
        last = F.date_add(F.col("landed_hour").cast("date"), settings.ledger_ahead_days)
        yield f"out_of_range:{name}", F.col(name) > last


def _limit(field: Field, limit: float) -> Column:
    """A limit in the type that its field is parsed as: Spark compares two different types as decimals of 38 digits."""
    return F.lit(float(limit)) if field.type.startswith("DECIMAL") else F.lit(int(limit)).cast("bigint")


def _time_faults(event: Event, settings: Settings) -> Iterator[tuple[str, Column]]:
    """Records too far before or after their landed hour, compared as microseconds.

    To add an interval to a timestamp needs the calendar for every record, which is slow.
    """
    landed, day = F.unix_micros("landed_hour"), timedelta(days=1)
    ahead = timedelta(minutes=60 + settings.future_minutes)
    for time, limit in event.times:
        micros = F.expr(f"unix_micros({time})")
        behind = days_behind(event, settings, limit) * day
        yield "in_future", micros > landed + F.lit(ahead // MICROSECOND)
        yield "too_late", micros < landed - F.lit(behind // MICROSECOND)


def days_behind(event: Event, settings: Settings, limit: str) -> int:
    """How many days a time with this limit (see `Event.times`) may lie before the landed hour."""
    if limit == FACTS_KEPT:
        return settings.facts_days
    return settings.lateness_days if event.lateness_days is None else event.lateness_days


def faults(event: Event, settings: Settings) -> list[tuple[str, Column]]:
    """(reason, predicate) of every fault that a record can have when its fields have the right types."""
    rules = [(reason, F.expr(sql)) for reason, sql in event.rules]
    return [*_value_faults(event), *_bound_faults(event, settings), *_time_faults(event, settings), *rules]


def required(event: Event, settings: Settings) -> tuple[str, ...]:
    """The fields that a record must have with this conf; a closing record may lack those in `optional_on_close`."""
    allowed = {name for name, key in event.required_unless if _setting(settings, key) is not None}
    return tuple(name for name in event.required if name not in allowed)


def _setting(settings: Settings, key: str) -> object:
    """The value of a key of conf, such as `mail.sender`."""
    return reduce(getattr, key.split("."), settings)


def _absent(event: Event, settings: Settings) -> list[Column]:
    wanted = required(event, settings)
    return [F.col(f.name).isNull() & _required(f, event) for f in event.fields if f.name in wanted]


def _required(field: Field, event: Event) -> Column:
    """Whether a record must have a field. A closing record (delete, retire) may lack those in `optional_on_close`."""
    if field.name not in event.optional_on_close:
        return F.lit(True)
    return ~F.coalesce(F.col("op").isin(*CLOSING), F.lit(False))


def is_bad(event: Event, settings: Settings) -> Column:
    """True for a record to quarantine."""
    found = [fault for _, fault in faults(event, settings)]
    return records.any_of([F.col("_corrupt"), *_absent(event, settings), *found])


def reasons(event: Event, settings: Settings) -> Column:
    """All reasons to quarantine a record, from its typed fields and its raw text: an array of distinct codes."""
    text = records.parsed_json({f.name: "STRING" for f in event.fields})
    is_parseable = records.one_object("raw") & records.is_text(event) & text.isNotNull() & text["_corrupt"].isNull()
    codes, wanted = [F.when(~is_parseable, F.lit("unparseable"))], required(event, settings)
    for field in event.fields:
        present = text[field.name].isNotNull()
        missing = is_parseable & ~present & _required(field, event) if field.name in wanted else F.lit(False)
        codes.append(F.when(missing, F.lit(f"missing:{field.name}")))
        codes.append(F.when(is_parseable & present & F.col(field.name).isNull(), F.lit(f"wrong_type:{field.name}")))
    codes += [F.when(fault, F.lit(reason)) for reason, fault in faults(event, settings)]
    found = F.array_distinct(F.array_compact(F.array(*codes)))
    return F.when(F.size(found) > 0, found).otherwise(F.array(F.lit("unparseable")))
