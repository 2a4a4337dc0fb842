"""An attacker has the whole lake but not the key, and tries every id of a range. No erased person is confirmed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from support import traces
from support.lakes import land, uri
from support.local_lake import END, START, local_settings
from support.rows import minted

from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.jobs import runner
from etl.engine.people import keyed, keys, suppression
from etl.operations.erasure import driver
from etl.transforms.sketches import HLL_LG_K

ERASED, OTHERS = (150_011, 150_029), (150_012, 150_500, 199_999)
RANGE = 10_000_000
TABLES = [
    "bronze_impressions", "bronze_engagements", "bronze_shares", "fct_impressions", "fct_engagements", "fct_shares",
    "fct_dwell_per_impression", "agg_post_engagement_hourly", "mart_post_engagement_daily", "mart_user_affinity_daily",
    "bronze_ranker_models", "dim_ranker_models", "bronze_posts", "dim_posts",
]  # fmt: skip
KEY = "8b1d1c5e0b7a4f6d1c5e0b7a4f6d1c5e"
Ids = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Stolen:
    """What an attacker finds on disk: every number, every word of hexadecimal digits, and the sketches."""

    settings: Settings
    numbers: set[int]
    words: set[str]
    sketches: list[bytes]


def landed(settings: Settings) -> None:
    """Land records in which every person sees two posts and shares one."""
    at = START.replace(hour=10)
    seen = [
        {"impression_id": minted(at) + n, "viewer_id": person, "post_id": post, "feed_position": 1, "surface": "feed",
         "ranker_model_id": 1, "predicted_score": 0.5, "device_id": 9 * 10**11 + n, "impression_ts": at.isoformat()}
        for n, (person, post) in enumerate((p, q) for p in (*ERASED, *OTHERS) for q in (1, 2))
    ]  # fmt: skip
    shared = [
        {"share_id": n, "original_post_id": 1, "shared_post_id": 3, "viewer_id": person, "share_ts": at.isoformat()}
        for n, person in enumerate((*ERASED, *OTHERS), 1)
    ]
    model = {"ranker_model_id": 1, "model_semver": "v1", "feature_set": "f", "deployed_pct": 10.0, "op": "upsert"}
    land(settings, "impressions", 10, "a.jsonl", seen)
    land(settings, "shares", 10, "a.jsonl", [*shared, {"viewer_id": ERASED[0]}])
    land(settings, "ranker_models", 10, "a.jsonl", [model | {"effective_ts": "2026-05-01T00:00:00Z"}])


def sketches(spark: SparkSession, settings: Settings) -> list[bytes]:
    """All sketches of the lake."""
    found = []
    for name in ("agg_post_engagement_hourly", "mart_post_engagement_daily"):
        found += [bytes(row[0]) for row in delta.read(spark, uri(settings, name)).select("reach_hll").collect()]
    return found


@pytest.fixture(scope="module")
def stolen(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stolen]:
    """A lake from which two people were erased, and what is on its disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(keys.SECRET, KEY)
        settings = local_settings(tmp_path_factory.mktemp("stolen")).model_copy(update={"quarantine_share": 1.0})
        landed(settings)
        assert not runner.run(spark, settings, START, END, tables=TABLES).errors
        driver.erase(spark, settings, list(ERASED), "ticket 17")
        assert sketches(spark, settings)
        numbers, words = set(), set()
        for file in [f for folder in places(settings) for f in Path(folder).rglob("*") if f.is_file()]:
            text = _text(file)
            numbers |= {int(n) for n in re.findall(r"-?\d{1,20}", text)}
            words |= set(re.findall(r"[0-9a-f]{12,}", text))
        yield Stolen(settings, numbers, words, sketches(spark, settings))
        shutil.rmtree(settings.lake)


def places(settings: Settings) -> list[str]:
    """The folders that an attacker has. Temporary files are gone: they end with their process."""
    return [settings.lake, settings.landing, settings.outbox]


def _text(file: Path) -> str:
    """A file as text, decoded. Fractions of seconds are left out: six digits of a clock may equal an id by chance."""
    whole = file.read_bytes().decode("latin-1")
    if file.suffix == ".parquet":
        opened = pq.ParquetFile(file)
        whole += "\n" + json.dumps([opened.read().to_pylist(), opened.metadata.to_dict()], default=str)
    return re.sub(r"(:\d\d)\.\d{1,6}", r"\1", whole)


def ids_to_try(share: float) -> range:
    """Ids from 1 on. The smallest range includes the erased ids, too."""
    return range(1, int(RANGE * share) + 1)


@pytest.mark.parametrize("share", [0.02, pytest.param(1.0, marks=pytest.mark.slow)])
def test_no_digest_mark_or_replacement_id_confirms_an_erased_person(
    spark: SparkSession, stolen: Stolen, share: float
) -> None:
    """Each id, plain and hashed in every way that needs only the lake, is compared with every number and word."""
    for person in ERASED:
        assert person not in stolen.numbers and str(person) not in stolen.words
    assert set(OTHERS) <= stolen.numbers, "the search must find the people who are not erased"
    hashed = spark.range(1, len(ids_to_try(share)) + 1)
    ways = {
        "xxhash64": F.xxhash64("id"), "of text": F.xxhash64(F.col("id").cast("string")),
        "murmur": F.hash("id").cast("bigint"), "pseudonym": -1 - F.col("id"), "as replacement": -(2**62) - F.col("id"),
    }  # fmt: skip
    assert confirmed_numbers(spark, hashed, ways, stolen.numbers) & set(ERASED) == set()
    public = [word.encode() for word in sorted(stolen.words) if len(word) in (16, 32, 64)][:4]
    assert confirmed_words(ids_to_try(share), [b"", *public], stolen) & set(ERASED) == set()


def confirmed_numbers(spark: SparkSession, ids: DataFrame, ways: dict[str, Column], known: set[int]) -> set[int]:
    """Return the ids for which one of the ways gives a number that is in the lake."""
    long = [(n,) for n in known if abs(n) > 2**31 and -(2**63) <= n < 2**63]
    in_lake = F.broadcast(spark.createDataFrame(long, "number BIGINT"))
    found: set[int] = set()
    for way in ways.values():
        found |= {row["id"] for row in ids.withColumn("number", way).join(in_lake, "number", "left_semi").collect()}
    return found


def confirmed_words(ids: range, secrets: list[bytes], stolen: Stolen) -> set[int]:
    """Return the ids whose SHA-256, MD5 or HMAC (with text of the lake as the key) is in the lake."""
    begins = {word[:12] for word in stolen.words}
    found = set()
    for person in ids:
        text = str(person).encode()
        for secret in secrets:
            first = hashlib.sha256(secret + b":" + text if secret else text)
            if first.hexdigest()[:12] in begins:
                found.add(person)
        if hashlib.md5(text).hexdigest()[:12] in begins:
            found.add(person)
    sample = [person for person in ids if person in ERASED or person % 1000 == 0]
    for person in sample:
        for secret in secrets:
            for namespace in ("", suppression.ERASED, suppression.REPLACEMENT, "sketch", "erasure"):
                if keyed.number(secret, namespace, person) in stolen.numbers:
                    found.add(person)
    return found


@pytest.mark.parametrize("share", [0.02, pytest.param(1.0, marks=pytest.mark.slow)])
def test_no_sketch_confirms_an_erased_person(spark: SparkSession, stolen: Stolen, share: float) -> None:
    """A sketch of few people is a list of hashes of their ids. The attack finds all members of a plain sketch."""
    ids = np.arange(1, len(ids_to_try(share)) + 1, dtype=np.uint64)
    members = [*ERASED, *OTHERS]
    plain = spark.createDataFrame([(m,) for m in members], "id BIGINT").select(F.hll_sketch_agg("id", HLL_LG_K))
    assert set(members) <= in_sketch(bytes(plain.collect()[0][0]), ids)
    found: set[int] = set()
    for sketch in stolen.sketches:
        found |= in_sketch(sketch, ids)
    assert not found & set(members)


def in_sketch(sketch: bytes, ids: Ids) -> set[int]:
    """Return the ids whose coupon is in a sketch that is a list or set of coupons (DataSketches HLL, format 1)."""
    coupons = np.frombuffer(sketch[4 * sketch[0] :], dtype="<u4")
    return {int(i) for i in ids[np.isin(coupon(ids), coupons[coupons != 0])]}


def coupon(ids: Ids) -> npt.NDArray[np.uint32]:
    """Return the coupon of an id: 26 bits of one half of its hash, and the leading zeros of the other half."""
    low, high = murmur3(ids)
    zeros = np.full(len(high), 64, dtype=np.uint64)
    left = high.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        big = left >= (np.uint64(1) << np.uint64(shift))
        zeros[big] -= np.uint64(shift)
        left[big] >>= np.uint64(shift)
    zeros -= (left > 0).astype(np.uint64)
    value = np.minimum(zeros, np.uint64(62)) + np.uint64(1)
    return ((value << np.uint64(26)) | (low & np.uint64(0x3FFFFFF))).astype(np.uint32)


def murmur3(ids: Ids, seed: int = 9001) -> tuple[Ids, Ids]:
    """Return MurmurHash3 x64 128 of each id as eight bytes."""
    one, two = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
    h1 = h2 = np.uint64(seed)
    with np.errstate(over="ignore"):
        k1 = _rotated(ids * one, 31) * two
        first = (h1 ^ k1) ^ np.uint64(8)
        second = np.full(len(ids), h2 ^ np.uint64(8), dtype=np.uint64)
        first = first + second
        second = second + first
        first, second = _mixed(first), _mixed(second)
        first = first + second
        second = second + first
    return first, second


def _rotated(value: Ids, bits: int) -> Ids:
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


def _mixed(value: Ids) -> Ids:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ (value >> np.uint64(33))) * np.uint64(factor)
    return value ^ (value >> np.uint64(33))


def test_the_search_of_the_disk_finds_people_who_are_not_erased(stolen: Stolen) -> None:
    assert all(traces.of(person, stolen.settings.lake) for person in OTHERS)
