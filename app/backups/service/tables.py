"""Every table of the product as JSON Lines: digests, and filling an empty database with them."""

from collections.abc import Mapping
from typing import IO

import sqlalchemy as sa
from sqlmodel import SQLModel

from app.backups import archive
from app.backups.archive import ArchiveDamaged
from app.backups.rows import Row, stored, table_rows, values_of
from app.backups.service.comparison import batches
from app.core.db import Session

Digests = Mapping[str, tuple[int, str]]
"""Table → number of rows and SHA-256 of its JSON Lines."""

_PREFIX, _SUFFIX = "tables/", ".jsonl"
_ROWS_AT_ONCE = 500


def product_tables() -> list[sa.Table]:
    """All tables, those that others point at first."""
    return SQLModel.metadata.sorted_tables


def part_name(table: sa.Table) -> str:
    """The part that holds the table."""
    return f"{_PREFIX}{table.name}"


def digests(session: Session) -> dict[str, tuple[int, str]]:
    """What the database of this session holds."""
    return {
        table.name: archive.digest_lines(table_rows(session, table)) for table in product_tables()
    }


def digests_of_parts(manifest: Row) -> dict[str, tuple[int, str]]:
    """The same of an archive with a part for every table."""
    return {
        part["name"].removeprefix(_PREFIX).removesuffix(_SUFFIX): (part["lines"], part["sha256"])
        for part in manifest["parts"]
        if part["name"].startswith(_PREFIX) and part["name"].endswith(_SUFFIX)
    }


def fill(session: Session, file: IO[bytes], manifest: Row) -> None:
    """Write the rows of every part into its table, replacing what migrations had put there."""
    held = digests_of_parts(manifest)
    for table in product_tables():
        if table.name not in held:
            continue
        if session.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first():
            session.execute(sa.delete(table))
        place = stored(table)
        lines = archive.read_lines(file, f"{part_name(table)}{_SUFFIX}")
        for rows in batches(lines, _ROWS_AT_ONCE):
            session.execute(sa.insert(place), [values_of(place, row) for row in rows])


def compare(session: Session, expected: Digests) -> int:
    """Rows compared, bit for bit. Raises ArchiveDamaged naming the first table that differs.

    A database of an earlier version is compared in the columns it has.
    """
    rows = 0
    by_name = {table.name: table for table in product_tables()}
    for name, (lines, sha256) in expected.items():
        if name not in by_name:
            raise ArchiveDamaged(f"备份中的表 {name} 不属于本版本")
        table = _as_it_was(session, by_name[name])
        if archive.digest_lines(table_rows(session, table)) != (lines, sha256):
            raise ArchiveDamaged(f"恢复后的表 {name} 与备份不一致")
        rows += lines
    return rows


def _as_it_was(session: Session, table: sa.Table) -> sa.Table:
    """The table without the columns that came after this database was made."""
    held = {column["name"] for column in sa.inspect(session.connection()).get_columns(table.name)}
    if held >= {column.name for column in table.columns}:
        return table
    columns = [
        sa.Column(column.name, column.type, primary_key=column.primary_key)
        for column in table.columns
        if column.name in held
    ]
    return sa.Table(table.name, sa.MetaData(), *columns)
