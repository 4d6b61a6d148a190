"""Uploaded files between their upload and their import, each in a folder of its own under the data directory.

Only who uploaded a file sees it. Folders older than a day are removed with the next upload. When the
import is done, its report takes the file's place.
"""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from uuid import UUID

from app.accounts.principal import Principal
from app.core.ids import new_id
from app.invoices.importing.errors import FileRefused, UploadNotFound
from app.invoices.importing.service import RefusedRow, Report

KEPT_FOR = timedelta(days=1)

_CHUNK = 1 << 20
_UNFINISHED = "new-"


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload: the file as it was sent, and the report once it was imported."""

    id: UUID
    name: str
    path: Path
    report: Report | None


class Uploads:
    """The uploads of this installation."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "imports"

    def keep(self, file: IO[bytes], name: str, *, principal: Principal, at: datetime) -> UUID:
        """Keep a file; returns its id. Raises FileRefused for an empty one."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._purge(at)
        upload_id = new_id()
        facts = {"name": name[:200], "owner": str(principal.id), "at": at.isoformat()}
        folder = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._root))
        with (folder / "file").open("wb") as kept:
            shutil.copyfileobj(file, kept, _CHUNK)
        if (folder / "file").stat().st_size == 0:
            shutil.rmtree(folder)
            raise FileRefused("文件是空的")
        (folder / "upload.json").write_text(json.dumps(facts), encoding="utf-8")
        folder.rename(self._root / str(upload_id))
        return upload_id

    def get(self, upload_id: UUID, principal: Principal) -> Upload:
        """The upload. Raises UploadNotFound, also for another person's."""
        folder = self._root / str(upload_id)
        facts = _facts(folder)
        if facts is None or facts["owner"] != str(principal.id):
            raise UploadNotFound
        return Upload(upload_id, facts["name"], folder / "file", _report(folder / "report.json"))

    def finish(self, upload: Upload, report: Report) -> None:
        """Keep the report, and the file no longer."""
        text = json.dumps(asdict(report), ensure_ascii=False)
        upload.path.with_name("report.json").write_text(text, encoding="utf-8")
        upload.path.unlink(missing_ok=True)

    def _purge(self, now: datetime) -> None:
        """Remove what is older than a day, and what an upload that was broken off left as long ago."""
        oldest = now - KEPT_FOR
        for folder in self._root.iterdir():
            facts = _facts(folder)
            if facts is not None:
                begun = datetime.fromisoformat(facts["at"])
            else:
                begun = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            if begun < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def _facts(folder: Path) -> dict[str, str] | None:
    try:
        facts: dict[str, str] = json.loads((folder / "upload.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return facts


def _report(path: Path) -> Report | None:
    if not path.is_file():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    return Report(**{**values, "rows": [RefusedRow(**row) for row in values["rows"]]})
