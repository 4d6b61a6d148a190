"""Which processes are alive is judged by the database's clock, not by those of their machines."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from app.clearing.models import EngineProcess
from app.core.clock import utc_now
from app.core.db import Database
from app.devices.connections import AgentClients
from app.requests.run import processes
from app.requests.run.context import Context
from app.settings import Settings


def _context(database: Database, tmp_path: Path, *, ahead: int = 0) -> Context:
    settings = Settings(data_dir=tmp_path)
    clock = lambda: utc_now() + timedelta(seconds=ahead)  # noqa: E731 - a clock
    return Context(database, settings, clock, AgentClients(database, settings))


def _age(database: Database, executor_id: str, seconds: int) -> None:
    with database.transaction() as session:
        row = session.get_one(EngineProcess, executor_id)
        row.seen_at -= timedelta(seconds=seconds)
        session.add(row)


@pytest.mark.parametrize("ahead", [300, -300])
def test_a_process_whose_clock_is_wrong_takes_nobodys_work_and_loses_none(
    postgres_url: str, tmp_path: Path, ahead: int
) -> None:
    database = Database(postgres_url)
    right, wrong = _context(database, tmp_path), _context(database, tmp_path, ahead=ahead)
    processes.say_alive(right, "right")
    processes.say_alive(wrong, "wrong")
    assert processes.silent(wrong, "wrong") == []
    assert processes.silent(right, "right") == []
    _age(database, "right", 21)
    assert processes.silent(wrong, "wrong") == ["right"]
    database.dispose()


def test_a_process_that_is_taken_over_is_forgotten_and_heard_of_again_when_it_comes_back(
    any_database: Database, tmp_path: Path
) -> None:
    context = _context(any_database, tmp_path)
    processes.say_alive(context, "one")
    _age(any_database, "one", 21)
    assert processes.silent(context, "two") == ["one"]
    with processes.taking_over(context, "one") as is_ours:
        assert is_ours
    assert processes.silent(context, "two") == []
    processes.say_alive(context, "one")
    with processes.taking_over(context, "one") as is_ours:
        assert not is_ours, "too late: it has come back"
    with any_database.reading() as session:
        assert session.get(EngineProcess, "one") is not None


def test_who_breaks_off_in_the_middle_leaves_the_work_to_be_taken_over(
    any_database: Database, tmp_path: Path
) -> None:
    context = _context(any_database, tmp_path)
    processes.say_alive(context, "one")
    _age(any_database, "one", 21)
    with pytest.raises(RuntimeError), processes.taking_over(context, "one"):
        raise RuntimeError("killed")
    assert processes.silent(context, "two") == ["one"]


def test_of_two_survivors_one_takes_over(postgres_url: str, tmp_path: Path) -> None:
    database = Database(postgres_url)
    context = _context(database, tmp_path)
    processes.say_alive(context, "one")
    _age(database, "one", 21)
    with (
        processes.taking_over(context, "one") as first,
        processes.taking_over(context, "one") as second,
    ):
        assert (first, second) == (True, False)
    database.dispose()


def test_who_leaves_in_order_is_silent_at_once(any_database: Database, tmp_path: Path) -> None:
    context = _context(any_database, tmp_path)
    processes.say_alive(context, "one")
    processes.say_goodbye(context, "one")
    assert processes.silent(context, "two") == ["one"]


def _name(folder: Path) -> str:
    slot = processes.take_slot(Settings(data_dir=folder), "engine")
    slot.release()
    return slot.executor_id


def test_a_copied_data_directory_has_an_executor_of_its_own(tmp_path: Path) -> None:
    first, copied = tmp_path / "first", tmp_path / "copied"
    first.mkdir()
    name = _name(first)
    shutil.copytree(first, copied)
    assert _name(copied) not in ("", name)
    assert _name(first) == name


@pytest.mark.parametrize("left", ["", "only-a-name"])
def test_a_name_that_was_not_written_whole_is_made_anew(tmp_path: Path, left: str) -> None:
    (tmp_path / "engine.id").write_text(left, encoding="ascii")
    name = _name(tmp_path)
    assert name not in ("", left)
    assert _name(tmp_path) == name
