"""Tables that the database itself keeps append-only: the DDL, for migrations."""

from collections.abc import Sequence

_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def statements(table: str, dialect: str, *, keys: Sequence[str] = ("id",)) -> list[str]:
    """DDL that makes `table` refuse UPDATE, DELETE, TRUNCATE and REPLACE (as an IntegrityError).

    `keys` are all primary keys and unique constraints, the columns of one joined by commas. SQLite's REPLACE deletes the row
    in the way without firing a delete trigger (unless recursive_triggers is on), so an insert that
    meets an existing key is refused before it can; ON CONFLICT clauses are refused with it.
    """
    if dialect == "sqlite":
        return [*_sqlite_changes(table), *(_sqlite_replace(table, key) for key in keys)]
    if dialect == "postgresql":
        return _postgresql(table)
    raise ValueError(f"no append-only tables on {dialect}")


def contiguous(table: str, column: str, dialect: str) -> list[str]:
    """DDL that makes `table` refuse a row whose number is not the next one."""
    next_one = f"(SELECT COALESCE(MAX({column}), 0) + 1 FROM {table})"
    name = f"{table}_contiguous"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN NEW.{column} IS NOT {next_one} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is contiguous'); END"
        ]
    return [
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.{column} <> {next_one} THEN
                RAISE EXCEPTION '{table} is contiguous'
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """,
        f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    ]


def _sqlite_changes(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _sqlite_replace(table: str, key: str) -> str:
    columns = key.split(",")
    same = " AND ".join(f"{column} = NEW.{column}" for column in columns)
    return (
        f"CREATE TRIGGER {table}_no_replace_{'_'.join(columns)} BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _postgresql(table: str) -> list[str]:
    return [
        _FUNCTION,
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        # ALWAYS: also for a session that calls itself a replica.
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only",
    ]
