"""What a clearing costs is counted, and it costs no more than was reached (docs/benchmarks.md)."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.settings import ROOT
from scripts.clearing_watch import Functions, Statements

MOST_COMMITS = 32
MOST_STATEMENTS = 400
"""Of product and agent until the success, with some room; what DBOS does beside it depends on how long it takes."""
MOST_CALLS = 30
MOST_HAND_OVERS = 120


def _run(how: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.clearing_cost", "--run", how],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _until_success(table: dict[str, dict[str, int]], *files: str) -> int:
    return sum(count for file in files for stage, count in table[file].items() if stage != "after")


def test_a_clearing_costs_no_more_than_was_reached() -> None:
    found = _run("plain")
    assert set(found["commits"]) == {"product", "dbos", "agent"}
    commits = _until_success(found["commits"], "product", "agent")
    statements = _until_success(found["statements"], "product", "agent")
    assert 10 < commits <= MOST_COMMITS
    assert commits < statements <= MOST_STATEMENTS
    assert found["processor_ms"] > 0
    assert found["elapsed_ms"] > 0


def test_functions_calls_and_hand_overs_are_counted() -> None:
    found = _run("profiled")
    assert 5 < found["http_calls"] <= MOST_CALLS
    assert 5 < found["hand_overs"] <= MOST_HAND_OVERS
    assert 0 < found["files_of_server"] < found["files"] < 600
    assert 0 < found["functions_of_app"] < found["functions"]


def test_statements_of_both_ways_into_sqlite_are_counted(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    watch = Statements(lambda file, text: told.append((file, text)))
    original = sqlite3.connect
    end = watch.watch()
    try:
        watch.stage = "one"
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE t (x INTEGER)"))
            connection.execute(sa.text("INSERT INTO t VALUES (:x)"), [{"x": 1}, {"x": 2}])
        plain = sqlite3.connect(tmp_path / "b.db")
        plain.execute("CREATE TABLE t (x INTEGER)")
        watch.stage = ""
        plain.execute("SELECT * FROM t")
        plain.close()
        engine.dispose()
    finally:
        end()
    assert sqlite3.connect is original
    watch.stage = "two"
    with sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}").connect() as connection:
        connection.execute(sa.text("SELECT * FROM t"))
    assert watch.statements == {("a.db", "one"): 2, ("b.db", "one"): 1}
    assert watch.commits["a.db", "one"] == 1
    assert ("b.db", "SELECT * FROM t") in told, "what is not counted is told as well"


def test_a_generator_that_goes_on_is_not_entered_again() -> None:
    functions = Functions()

    def three() -> object:
        yield from range(3)

    code = three.__code__
    functions.watch()
    try:
        functions.counting = True
        list(three())  # type: ignore[call-overload]
        functions.counting = False
    finally:
        functions.end()
    assert functions.by_code()[code] == 1
