"""A database belongs to one root secret, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.core import installation
from app.core.db import Database
from app.core.installation import SecretDiffers, SecretMissing
from app.settings import Settings

ONE, OTHER = "one root secret of thirty-two bytes", "other root secret of thirty-two bytes"


def test_the_first_secret_is_the_datas_and_another_one_is_stopped(
    any_database: Database, tmp_path: Path
) -> None:
    own = Settings(data_dir=tmp_path, secret_key=ONE)
    assert installation.kept_fingerprint(any_database) is None
    installation.require_secret(any_database, own)
    installation.require_secret(any_database, own)
    assert installation.kept_fingerprint(any_database) == installation.fingerprint(own)
    with pytest.raises(SecretDiffers, match="qingka secret replace"):
        installation.require_secret(any_database, Settings(data_dir=tmp_path, secret_key=OTHER))
    with pytest.raises(SecretMissing, match=r"secret\.key"):
        installation.require_secret(any_database, Settings(data_dir=tmp_path))
    assert not (tmp_path / "secret.key").exists(), "nothing made a secret"


def test_processes_that_start_at_once_keep_one_fingerprint(
    any_database: Database, tmp_path: Path
) -> None:
    def start(_: int) -> str | None:
        settings = Settings(data_dir=tmp_path)
        installation.require_secret(any_database, settings)
        return installation.kept_fingerprint(any_database)

    with ThreadPoolExecutor(4) as pool:
        (kept,) = set(pool.map(start, range(4)))
    assert kept == installation.fingerprint(Settings(data_dir=tmp_path))
