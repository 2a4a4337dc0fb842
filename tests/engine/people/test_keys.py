"""Keys come from the environment or a private file, are never stored with the data, and appear in no error."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from etl.conf import Settings
from etl.engine.people import keys
from etl.errors import ConfigError

KEY = "4f6d1c5e0b7a4f6d1c5e0b7a4f6d1c5e"


@pytest.fixture(autouse=True)
def _no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test starts without a key and keeps the keys it creates in a temporary folder."""
    for name in (keys.SECRET, keys.FILE):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "keys"))


def test_a_key_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys.pseudonym_key() is None
    (tmp_path / "secret").write_text(f"{KEY}\n")
    monkeypatch.setenv(keys.FILE, str(tmp_path / "secret"))
    assert keys.pseudonym_key() == KEY.encode()


@pytest.mark.parametrize("text", [None, "", "hunter2", "ä" * 40])
def test_a_file_without_a_usable_key_is_refused(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the file and does not contain its text."""
    if text is not None:
        (tmp_path / "secret").write_text(text)
    monkeypatch.setenv(keys.FILE, str(tmp_path / "secret"))
    with pytest.raises(ConfigError, match=f"{tmp_path}/secret") as refused:
        keys.pseudonym_key()
    assert not text or text not in str(refused.value)


def test_two_different_keys_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("x" * 32)
    monkeypatch.setenv(keys.FILE, str(tmp_path / "secret"))
    monkeypatch.setenv(keys.SECRET, KEY)
    with pytest.raises(ConfigError, match="two different keys"):
        keys.pseudonym_key()


@pytest.mark.parametrize("folder", ["lake", "landing"])
def test_a_key_file_inside_the_lake_or_the_landing_zone_is_refused(
    folder: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link from outside to such a file is refused, too."""
    (tmp_path / folder / "sub").mkdir(parents=True)
    (tmp_path / folder / "sub" / "secret").write_text(KEY)
    (tmp_path / "outside").symlink_to(tmp_path / folder / "sub" / "secret")
    for file in (tmp_path / folder / "sub" / "secret", tmp_path / "outside"):
        monkeypatch.setenv(keys.FILE, str(file))
        with pytest.raises(ConfigError, match=f"is inside {tmp_path}/{folder}"):
            keys.refuse_inside(settings)


def test_a_key_is_created_once_and_only_its_user_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.key"
    key = keys.create(file)
    assert keys.create(file) == key and len(key) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [f.name for f in file.parent.iterdir()] == ["a.key"]


def test_new_lakes_share_one_key_and_later_commands_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lakes = [str(tmp_path / "one"), str(tmp_path / "two")]
    keys.create_demo_keys(lakes)
    first = keys.pseudonym_key()
    assert first
    for lake in lakes:
        Path(lake).mkdir()
        monkeypatch.setenv(keys.FILE, "")
        keys.use_demo_key(lake)
        assert keys.pseudonym_key() == first
    monkeypatch.setenv(keys.FILE, "")
    keys.create_demo_keys(lakes)
    assert keys.pseudonym_key() == first


def test_a_lake_that_exists_without_a_key_gets_none(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    keys.create_demo_keys([str(tmp_path / "one")])
    assert keys.pseudonym_key() is None
