"""requirements/*.lock: what `make lock` wrote, and no less than pyproject.toml asks for."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.settings import ROOT

LOCKS = ("runtime.lock", "dev.lock", "bench.lock")
_SOURCE = re.compile(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b")
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def _lock(name: str) -> str:
    return (ROOT / "requirements" / name).read_text(encoding="utf-8")


def _pins(name: str) -> dict[str, str]:
    return dict(_PIN.findall(_lock(name)))


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _asked_for(lock: str) -> list[str]:
    """The requirements a lock is made from; as in the target `lock` of the Makefile."""
    project = _project()
    extras: dict[str, list[str]] = project["project"]["optional-dependencies"]
    groups: dict[str, list[str]] = project["dependency-groups"]
    if lock == "bench.lock":
        return groups["bench"]
    asked = [*project["project"]["dependencies"], *groups["build"]]
    if lock == "runtime.lock":
        return asked + extras["postgres"]
    return asked + groups["dev"] + [line for lines in extras.values() for line in lines]


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_names_versions_and_hashes_only(name: str) -> None:
    lines = _lock(name).splitlines()
    assert not [line for line in lines if "://" in line or _SOURCE.match(line)]
    pinned = [line for line in lines if not line.startswith(" ")]
    assert all(_PIN.match(line) for line in pinned)
    assert all(line.endswith("\\") for line in pinned), "a package without hashes"


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_the_project(name: str) -> None:
    """Otherwise `make lock` was forgotten after a change of pyproject.toml."""
    pins = _pins(name)
    unmet = []
    for line in _asked_for(name):
        wanted = Requirement(line)
        version = pins.get(canonicalize_name(wanted.name), "")
        if not version or not wanted.specifier.contains(version, prereleases=True):
            unmet.append((line, version))
    assert not unmet


def test_development_lock_holds_the_runtime_lock() -> None:
    """An environment made from it is also one to run with."""
    assert _pins("runtime.lock").items() <= _pins("dev.lock").items()


def test_build_backend_is_locked() -> None:
    """The package is installed without build isolation, so its backend comes from the lock."""
    project = _project()
    assert project["build-system"]["requires"] == project["dependency-groups"]["build"]


def test_app_imports_only_what_it_declares() -> None:
    """A package that merely comes along with another one may go away with its next version."""
    project = _project()["project"]
    lines = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    owners = packages_distributions()
    undeclared = {
        name
        for path in (ROOT / "app").rglob("*.py")
        for name in _imported(path)
        if name not in sys.stdlib_module_names
        and name not in {"app", "pydantic_core"}  # the core is pinned by pydantic itself
        and not {canonicalize_name(owner) for owner in owners.get(name, [])} & declared
    }
    assert not undeclared


def _imported(path: Path) -> Iterator[str]:
    """The top-level packages a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
