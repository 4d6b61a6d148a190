"""Is the database whole, how large is it, does it want care: SQLite and PostgreSQL answer differently."""

from typing import Any

import sqlalchemy as sa

from app.core.db import Database
from app.inspections.section import Section, Severity, table

TITLE = "数据库"
_DAMAGED = "数据库文件损坏"
_RESTORE = "停止服务，从最近的全系统备份恢复，并检查磁盘。"
_DEAD_SHARE = 0.2
_MANY_ROWS = 10_000


def examine(database: Database) -> Section:
    """The section of the report."""
    with database.engine.connect() as connection:
        return _sqlite(connection) if database.is_sqlite else _postgresql(connection)


def _sqlite(connection: sa.Connection) -> Section:
    """`PRAGMA integrity_check` reads the whole file: what it finds is said as it says it."""
    try:
        problems = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20)
    except sa.exc.DatabaseError as error:
        facts = [("类型", "SQLite"), ("完整性检查", str(error.orig))]
        return _section(Severity.BLOCKING, _DAMAGED, facts, _RESTORE)
    size, pages, free = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_size", "page_count", "freelist_count")
    )
    facts = [
        ("类型", "SQLite"),
        ("大小", _megabytes(size * pages)),
        ("可回收", _megabytes(size * free)),
        ("完整性检查", "通过" if problems == ["ok"] else "；".join(problems)),
        ("引用检查", "通过" if not broken else f"{len(broken)} 行引用了不存在的行"),
    ]
    if problems != ["ok"] or broken:
        return _section(Severity.BLOCKING, _DAMAGED, facts, _RESTORE)
    if pages and free / pages > _DEAD_SHARE:
        remedy = "在系统维护中执行“压缩数据库”。"
        return _section(Severity.WARNING, "数据库有较多可回收空间", facts, remedy)
    return _section(Severity.OK, f"数据库完整，{_megabytes(size * pages)}", facts)


def _postgresql(connection: sa.Connection) -> Section:
    size = int(connection.exec_driver_sql(_SIZE).scalar_one())
    tables: list[Any] = list(connection.exec_driver_sql(_TABLES))
    invalid = [str(row[0]) for row in connection.exec_driver_sql(_INVALID)]
    tired = [
        str(row.relname)
        for row in tables
        if row.n_dead_tup > _MANY_ROWS and row.n_dead_tup > _DEAD_SHARE * row.n_live_tup
    ]
    hits = connection.exec_driver_sql(_HITS).scalar()
    facts = [
        ("类型", "PostgreSQL"),
        ("大小", _megabytes(size)),
        ("缓存命中率", "—" if hits is None else f"{float(hits):.1%}"),
        ("无效索引", "、".join(invalid) or "无"),
        ("待清理的表", "、".join(tired) or "无"),
    ]
    if invalid:
        return _section(Severity.BLOCKING, "有无效的索引", facts, "以 REINDEX 重建所列的索引。")
    if tired:
        return _section(
            Severity.WARNING,
            "部分表需要清理",
            facts,
            "在系统维护中执行“优化数据库”，并检查 autovacuum。",
        )
    return _section(Severity.OK, f"数据库正常，{_megabytes(size)}", facts)


_SIZE = "SELECT pg_database_size(current_database())"
_TABLES = "SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables ORDER BY relname"
_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
_HITS = (
    "SELECT sum(blks_hit)::float / nullif(sum(blks_hit) + sum(blks_read), 0) "
    "FROM pg_stat_database WHERE datname = current_database()"
)


def _section(
    severity: Severity, summary: str, facts: list[tuple[str, str]], remedy: str = ""
) -> Section:
    return table(TITLE, severity, summary, ("项目", "结果"), facts, remedy=remedy)


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MB"
