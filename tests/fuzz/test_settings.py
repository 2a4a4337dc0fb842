"""Any content of conf/ and the environment gives settings, or one line that names the wrong key."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import conf
from etl.errors import ConfigError

KEYS = sorted(conf.Settings.model_fields)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)
PLAUSIBLE = st.sampled_from(["", "0", "-1", "1e9", "nan", "4g", "UTC", "[]", "{}", "[1", '{"sender": 1}', "a@b", "/x"])
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS) | st.text() | st.integers(), VALUES | PLAUSIBLE, max_size=4)
ODD = [
    b"a: !!python/object/apply:os.system [exit]",
    b"a: 2026-99-99",
    b"a: &a [*a]",
    b"[" * 999,
    b"\xff\xfe",
    b"- a",
    b"? 1",
]
FILES = st.binary() | st.text().map(lambda t: t.encode(errors="replace")) | st.sampled_from(ODD)
ENVIRONMENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | PLAUSIBLE


@contextmanager
def configuration(content: bytes, **environment: str) -> Iterator[None]:
    """A conf/ folder with the real base.yaml and the given local.yaml."""
    unrelated = {name: value for name, value in os.environ.items() if not name.startswith("FEED_ETL_")}
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "conf").mkdir()
        shutil.copy(conf.home() / "conf" / "base.yaml", Path(home) / "conf")
        (Path(home) / "conf" / "local.yaml").write_bytes(content)
        with mock.patch.dict(os.environ, {**unrelated, "FEED_ETL_HOME": home, **environment}, clear=True):
            yield


def loads_or_refuses() -> None:
    """Load the settings, or get a ConfigError with one line that fits a terminal."""
    try:
        conf.load("local")
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 2000


@settings(deadline=None)
@given(document=DOCUMENTS)
def test_any_yaml_document_loads_or_is_refused(document: dict[str, object]) -> None:
    with configuration(yaml.safe_dump(document, allow_unicode=True).encode(errors="surrogatepass")):
        loads_or_refuses()


@settings(deadline=None)
@given(content=FILES)
def test_any_file_loads_or_is_refused(content: bytes) -> None:
    with configuration(content):
        loads_or_refuses()


@settings(deadline=None)
@given(key=st.sampled_from(KEYS), value=ENVIRONMENT)
def test_any_environment_loads_or_is_refused(key: str, value: str) -> None:
    with configuration(b"", **{f"FEED_ETL_{key.upper()}": value}):
        loads_or_refuses()


@settings(deadline=None)
@given(address=st.text() | st.emails() | st.from_regex(r"[a\"<>(),:;@.\\ \[\]\r\n]{1,12}@?[a.\[\]:]*"))
def test_any_mail_address_is_kept_or_refused(address: str) -> None:
    """An accepted address does not change and cannot inject a mail header."""
    document = {"owners": {"content": [address]}}
    with configuration(yaml.safe_dump(document).encode(errors="surrogatepass")):
        loads_or_refuses()
        with suppress(ConfigError):
            (accepted,) = conf.load("local").owners["content"]
            assert accepted == address and accepted.isprintable()


@pytest.mark.parametrize("content", ODD)
def test_files_without_settings_are_refused(content: bytes) -> None:
    """Files that once caused a traceback are refused with their name."""
    with configuration(content), pytest.raises(ConfigError, match=r"local\.yaml|'local'"):
        conf.load("local")
