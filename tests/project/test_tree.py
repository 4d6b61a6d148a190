"""What must not stand anywhere in the tree, and what every file must have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import ROOT

FOLDERS = (
    ".ci",
    "app",
    "docs",
    "migrations",
    "requirements",
    "scripts",
    "static",
    "templates",
    "tests",
)
TOP_LEVEL = ("*.toml", "*.md", "*.ini", "Makefile", "Dockerfile", ".dockerignore", ".gitignore")
BINARY = frozenset({".png", ".ico", ".xlsx", ".zip", ".pdf", ".pyc"})

# Put together here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("deb", "debian", "org"),
    )
)
MACHINE_PATH = re.compile(
    "|".join(
        [
            r"(?<![\w.}])/" + "work/(?:main|shared)",
            r"(?<![\w.}])/" + "root/",
            r"(?<![\w.}])/" + "home/[a-z]",
            r"(?<![\w.}])/" + "opt/(?:pypi|wheels)",
            "[A-Z]:" + r"\\+Users\\",
        ]
    )
)
PIP_SOURCE = re.compile(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b")
INLINE = re.compile(r"<style\b|\sstyle\s*=|<script(?![^>]*\ssrc=)|\son[a-z]+\s*=|javascript:", re.I)


def _files() -> Iterator[Path]:
    for pattern in TOP_LEVEL:
        yield from ROOT.glob(pattern)
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix not in BINARY and "__pycache__" not in path.parts:
                yield path


def _texts() -> Iterator[tuple[str, str]]:
    for path in _files():
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_files_are_text_in_utf8_and_are_found() -> None:
    names = {name for name, _ in _texts()}
    assert {"Makefile", "pyproject.toml", "requirements/runtime.lock", ".ci/run"} <= names


def test_no_registry_is_named() -> None:
    found = [(name, host) for name, text in _texts() for host in REGISTRY_HOSTS if host in text]
    assert not found


def test_no_path_of_one_machine_is_named() -> None:
    found = [(name, hit.group()) for name, text in _texts() for hit in MACHINE_PATH.finditer(text)]
    assert not found


@pytest.mark.parametrize("name", ["runtime.lock", "dev.lock"])
def test_lock_holds_names_versions_and_hashes_only(name: str) -> None:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if "://" in line or PIP_SOURCE.match(line)]
    pinned = [line for line in lines if not line.startswith(" ")]
    assert all(re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+", line) for line in pinned)
    assert all(line.endswith("\\") for line in pinned), "a package without hashes"


def test_development_lock_holds_the_runtime_lock() -> None:
    """An environment made from it is also one to run with."""
    folder = ROOT / "requirements"
    runtime = _pins((folder / "runtime.lock").read_text(encoding="utf-8"))
    development = _pins((folder / "dev.lock").read_text(encoding="utf-8"))
    assert runtime.items() <= development.items()


def _pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def test_templates_hold_no_inline_style_or_script() -> None:
    """The content security policy would not let a browser use them."""
    found = [
        (name, hit.group())
        for name, text in _texts()
        if name.startswith("templates/")
        for hit in INLINE.finditer(text)
    ]
    assert not found


def test_every_module_says_what_it_is() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in _files()
        if path.suffix == ".py" and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "app").rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(
        "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error"))
    )
    found = [
        (name, hit.group())
        for name, text in _texts()
        if name.endswith(".py")
        for hit in marks.finditer(text)
    ]
    assert not found
