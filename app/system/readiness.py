"""Whether this process can serve: read, write, and keep what it writes."""

import shutil

from app.core.db import Database
from app.settings import Settings
from app.system.status import database_finding, schema_finding

SILENT_SECONDS = 15.0
"""The workflow engine writes that it is alive every 5 s; three times missed is no coincidence."""

FREE_BYTES = 32 << 20
"""In the data directory: the write-ahead log of one busy minute."""


def missing(database: Database, settings: Settings, *, silence: float) -> list[str]:
    """Return what is missing, as stable words: `database`, `schema`, `writing`, `disk`; empty when ready.

    `silence`: seconds since the engine of this process last wrote to the database. Its writing is the probe, so
    that being asked costs no commit; a database that is read-only, full, or locked for good stops it.
    """
    if database_finding(database).severity != "ok":
        return ["database"]
    found = []
    if schema_finding(database).severity != "ok":
        found.append("schema")
    if silence > SILENT_SECONDS:
        found.append("writing")
    if shutil.disk_usage(settings.data_dir).free < FREE_BYTES:
        found.append("disk")
    return found
