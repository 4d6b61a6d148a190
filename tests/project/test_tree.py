"""What must not stand anywhere in the tree, and what every file must have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

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
_OTHER_TOP_LEVEL = frozenset(
    {"Dockerfile", "Makefile", "alembic.ini", "pyproject.toml"}
    | {"README.md", "README.zh-CN.md", "CHANGELOG.md"}
    | {"CONTRIBUTING.md", "LICENSE", "SECURITY.md"}
)
TOP_LEVEL = (
    "*.toml",
    "*.md",
    "*.ini",
    "Makefile",
    "Dockerfile",
    "LICENSE",
    ".dockerignore",
    ".gitignore",
)
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
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error")))
    found = [
        (name, hit.group())
        for name, text in _texts()
        if name.endswith(".py")
        for hit in marks.finditer(text)
    ]
    assert not found


def test_nothing_stray_lies_at_the_top() -> None:
    """The top level is fixed; what runs and builds leave there is ignored by git."""
    ignored = [line.strip("/\n") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines()]
    stray = [
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".")
        and path.name not in {*FOLDERS, *_OTHER_TOP_LEVEL}
        and not any(path.match(pattern) for pattern in ignored if pattern)
    ]
    assert not stray
