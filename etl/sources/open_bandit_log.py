"""Reads the CSV files of the Open Bandit log, from obp's source distribution or from a folder."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from etl.errors import LandingError

Record = dict[str, str]
"""One CSV row by column name."""

POLICIES = ("random", "bts")
CAMPAIGNS = ("all", "men", "women")
USER_FEATURES = tuple(f"user_feature_{i}" for i in range(4))

_SHOWN = ("timestamp", "item_id", "position", "click", "propensity_score", *USER_FEATURES)
_ITEM = ("item_id", "item_feature_0", "item_feature_1")


class OpenBanditLog:
    """The files of the log: `<policy>/<campaign>/<campaign>.csv`, with `item_context.csv` in the same folder."""

    def __init__(self, source: Path) -> None:
        """Read the log in `source` (see `import_open_bandit`). Raises LandingError when it has no file of the log."""
        self._source = source
        self._files = _read(source)
        if not any(_shown_file(policy, campaign) in self._files for policy in POLICIES for campaign in CAMPAIGNS):
            raise LandingError(
                f"{source}: no Open Bandit log here. Give the source distribution of PyPI's obp "
                "(obp-0.5.7.tar.gz), its folder, or the extracted folder with obd/<policy>/<campaign>/*.csv"
            )

    def shown(self) -> Iterator[tuple[str, str, Record]]:
        """Every logged recommendation with its policy and campaign."""
        for policy in POLICIES:
            for campaign in CAMPAIGNS:
                for record in self._table(_shown_file(policy, campaign), _SHOWN):
                    yield policy, campaign, record

    def items(self, campaign: str) -> list[Record]:
        """The items of a campaign.

        Both policies list the same items with differently hashed features, so the first list found is enough.
        """
        lists = (self._table(f"{policy}/{campaign}/item_context.csv", _ITEM) for policy in POLICIES)
        return next((items for items in lists if items), [])

    def _table(self, name: str, columns: Iterable[str]) -> list[Record]:
        """The rows of one file, or no rows when it does not exist. Raises LandingError when a column is missing."""
        if name not in self._files:
            return []
        reader = csv.DictReader(io.StringIO(self._files[name]))
        missing = sorted(set(columns) - set(reader.fieldnames or ()))
        if missing:
            raise LandingError(f"{self._source}: {name} lacks {', '.join(missing)}: not the layout of obp 0.5.7")
        return list(reader)


def _shown_file(policy: str, campaign: str) -> str:
    return f"{policy}/{campaign}/{campaign}.csv"


def _read(source: Path) -> dict[str, str]:
    """The texts of the CSV files by their path inside `obd/`, e.g. `bts/men/men.csv`."""
    archives = [source] if source.is_file() else sorted(source.glob("obp-*.tar.gz"))
    found = _read_archive(archives[0]) if archives else _read_folder(source)
    return {name.split("/obd/")[-1]: text for name, text in sorted(found)}


def _read_archive(archive: Path) -> list[tuple[str, str]]:
    try:
        with tarfile.open(archive) as tar:
            members = [m for m in tar if m.isfile() and "/obd/" in m.name and m.name.endswith(".csv")]
            return [(m.name, _text(tar, m)) for m in members]
    except (tarfile.TarError, EOFError, OSError) as error:
        raise LandingError(f"{archive}: not a readable .tar.gz ({error}); download it again") from error


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    return content.read().decode() if content else ""


def _read_folder(folder: Path) -> list[tuple[str, str]]:
    return [(path.as_posix(), path.read_text()) for path in folder.rglob("*.csv") if "/obd/" in path.as_posix()]
