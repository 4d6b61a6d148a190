"""Every program is put together from the one list of features: nobody has a rule that another one lacks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

from app import features
from app.core.hooks import HookPoint, NotComposed
from app.settings import ROOT

_STATE = """
import json, os, sys
from sqlmodel import SQLModel
from app import features

def state():
    return {
        "tables": sorted(SQLModel.metadata.tables),
        "hooks": {
            place: sorted(one.__qualname__ for one in features.hook_point(place))
            for place in features.HOOK_POINTS
        },
        "jobs": sorted(job.name for job in features.jobs()),
    }
"""

_COMMANDS = """
import typer
from app import cli

ALONE = {"version", "agent", "virtual"}

def commands(group, path):
    for name in group.list_commands(None):
        one = group.get_command(None, name)
        if hasattr(one, "list_commands"):
            yield from commands(one, [*path, name])
        else:
            yield [*path, name], one

root = typer.main.get_command(cli.app)
for name in root.list_commands(None):
    if name in ALONE:
        continue
    child = os.fork()
    if child == 0:
        found = root.get_command(None, name)
        for path, command in commands(found, [name]) if hasattr(found, "list_commands") else [([name], found)]:
            inner = os.fork()
            if inner:
                assert os.waitpid(inner, 0)[1] == 0, path
                continue
            command.params, command.callback = [], lambda: print(json.dumps([path, state()]))
            root(path, standalone_mode=False)
            sys.stdout.flush()
            os._exit(0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
"""

_APPLICATION = """
from app.main import create_app
from app.settings import AgentMode, Settings
from pathlib import Path
create_app(Settings(data_dir=Path(sys.argv[1]), agent=AgentMode.OFF))
print(json.dumps([["create_app"], state()]))
"""

_WORKER = """
from app import worker
from app.settings import Settings
from pathlib import Path
try:
    worker.work(Settings(data_dir=Path(sys.argv[1])))
except worker.NeedsPostgres:
    print(json.dumps([["worker.work"], state()]))
"""


def _told(program: str, directory: Path) -> dict[str, Any]:
    """What each entry point that the program tries says of itself; nothing else was imported before."""
    done = subprocess.run(
        [sys.executable, "-c", _STATE + program, str(directory)],
        cwd=ROOT,
        env={**os.environ, "QINGKA_DATA_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {" ".join(path): told for path, told in map(json.loads, done.stdout.splitlines())}


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="forks for each command")
def test_every_command_knows_every_table_hook_and_job(tmp_path: Path) -> None:
    told = _told(_COMMANDS, tmp_path)
    assert {"serve", "worker", "clear", "doctor", "backup prune", "backup restore"} <= set(told)
    for command, state in told.items():
        assert state == _whole(), command


@pytest.mark.parametrize("program", [_APPLICATION, _WORKER], ids=["application", "worker"])
def test_server_and_worker_know_every_table_hook_and_job(program: str, tmp_path: Path) -> None:
    for entry, state in _told(program, tmp_path).items():
        assert state == _whole(), entry


def _whole() -> dict[str, Any]:
    hooks: dict[str, list[str]] = {place: [] for place in features.HOOK_POINTS}
    for feature in features.FEATURES:
        for hook in feature.hooks:
            hooks[hook.point].append(feature.part(hook.function, "").__qualname__)
    return {
        "tables": sorted(SQLModel.metadata.tables),
        "hooks": {place: sorted(names) for place, names in hooks.items()},
        "jobs": sorted(job.name for job in features.jobs()),
    }


def test_every_package_with_tables_routes_pages_or_jobs_is_a_feature() -> None:
    parts = {"models.py", "api.py", "pages.py", "pages"}
    packages = {
        path.name
        for path in (ROOT / "app").iterdir()
        if path.is_dir() and (parts & {one.name for one in path.iterdir()} or _has_jobs(path))
    }
    named = {feature.package for feature in features.FEATURES}
    assert packages <= named
    assert {feature.package for feature in features.FEATURES if not feature.commands} <= packages


def _has_jobs(package: Path) -> bool:
    return any("\nJOBS = (" in one.read_text(encoding="utf-8") for one in package.glob("*.py"))


def test_every_hook_point_of_the_tree_is_in_the_list() -> None:
    declared = {
        f"{'.'.join(path.relative_to(ROOT / 'app').with_suffix('').parts)}:{line.split(' = ')[0]}"
        for path in (ROOT / "app").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if " = HookPoint[" in line
    }
    assert declared == {*features.HOOK_POINTS, "requests.cli:engine"}


def test_a_hook_nobody_has_filled_is_an_error_not_an_empty_list() -> None:
    point = HookPoint[Any]("somewhere")
    with pytest.raises(NotComposed, match="somewhere"):
        list(point)
    point.fill([])
    assert list(point) == []
