"""What docs, docstrings and comments name is in the tree: files, folders and modules."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from app.settings import ROOT

FOLDERS = ("app", "docs", "migrations", "requirements", "scripts", "static", "templates", "tests")
TOLD = (".css", ".html", ".js", ".md", ".py", ".sh")
"""Kinds of files that name others."""

_FILE = re.compile(r"(?<![\w*<>{}…:/.=~-])[\w-][\w./-]*\.(?:css|csv|html|js|md|py|sh)\b(?![\w(/])")
_FOLDER = re.compile(rf"(?<![\w/.])(?:{'|'.join(FOLDERS)})/(?:[\w-]+/)*(?![\w*<{{…\[-])")
_MODULE = re.compile(r"(?<![\w./])app(?:\.[a-z_]\w+)+(?:\.[A-Z]\w*)?(?![\w(/.]|:\w)")
_LINK = re.compile(r"\]\(([^)#]+)[)#]|(?:https?://|sqlite\.org/)\S+")

NOT_MODULES = "app.state."
"""What Starlette calls the state of an application."""


@cache
def _tree() -> frozenset[str]:
    """Every file of the project, by its path from the top."""
    found = {path.name for path in ROOT.iterdir() if path.is_file()}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(path.relative_to(ROOT).as_posix())
    return frozenset(found)


@cache
def _names() -> frozenset[str]:
    """Every file, by the whole of its path and by every end of it."""
    return frozenset(
        "/".join(parts[start:])
        for parts in (path.split("/") for path in _tree())
        for start in range(len(parts))
    )


@cache
def _texts() -> tuple[tuple[str, str], ...]:
    """What is told in each file: of code only docstrings and comments."""
    return tuple(
        (name, "\n".join(_words_of(text)) if name.endswith(".py") else text)
        for name in sorted(_tree())
        if name.endswith(TOLD)
        for text in [(ROOT / name).read_text(encoding="utf-8")]
    )


def _words_of(source: str) -> Iterator[str]:
    """The docstrings, the strings that stand as statements, and the comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _is_there(file: str, name: str) -> bool:
    """Documents are named from the top or from beside; code may be named by the end of its path."""
    beside = Path(ROOT / file).parent / name
    if (ROOT / name).is_file() or beside.is_file():
        return True
    return not name.endswith(".md") and name in _names()


def test_every_file_that_is_named_exists() -> None:
    missing = [
        f"{file}: {name}"
        for file, text in _texts()
        for name in _FILE.findall(_LINK.sub(" ", text))
        if not _is_there(file, name)
    ]
    assert not missing, "\n".join(missing)


def test_every_folder_that_is_named_exists() -> None:
    missing = [
        f"{file}: {name}"
        for file, text in _texts()
        for name in _FOLDER.findall(_LINK.sub(" ", text))
        if not (ROOT / name).is_dir()
    ]
    assert not missing, "\n".join(missing)


def test_every_module_that_is_named_exists() -> None:
    missing = [
        f"{file}: {name}"
        for file, text in _texts()
        for name in _MODULE.findall(text)
        if not name.startswith(NOT_MODULES) and not _is_module(name)
    ]
    assert not missing, "\n".join(missing)


def _is_module(name: str) -> bool:
    """A module, a package, or a name that its module has."""
    path = name.replace(".", "/")
    if f"{path}.py" in _tree() or f"{path}/__init__.py" in _tree():
        return True
    parent, _, own = path.rpartition("/")
    for module in (f"{parent}.py", f"{parent}/__init__.py"):
        if module in _tree():
            return bool(re.search(rf"\b{own}\b", (ROOT / module).read_text(encoding="utf-8")))
    return False


_NUMBERED = re.compile(
    r"docs/(domain|protocols)\.md, (rule|promise|section)s? (\d+)(?: and (\d+))?"
)


def test_every_rule_promise_and_section_that_is_named_exists() -> None:
    domain = (ROOT / "docs/domain.md").read_text(encoding="utf-8")
    promises, rules = domain.split("\n## Promises\n")[1].split("\n## ")[:2]
    protocols = (ROOT / "docs/protocols.md").read_text(encoding="utf-8")
    known = {
        ("domain", "promise"): _numbers(r"^(\d+)\. ", promises),
        ("domain", "rule"): _numbers(r"^(\d+)\. ", rules),
        ("protocols", "section"): _numbers(r"^## (\d+)\. ", protocols),
    }
    assert known["domain", "promise"] == set(range(1, 6))
    assert known["domain", "rule"] == set(range(1, 16))
    missing = [
        (file, page, kind, number)
        for file, text in _texts()
        for page, kind, *numbers in _NUMBERED.findall(text)
        for number in filter(None, numbers)
        if int(number) not in known.get((page, kind), ())
    ]
    assert not missing


def _numbers(pattern: str, text: str) -> set[int]:
    return {int(number) for number in re.findall(pattern, text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("as product.md section 5 has it", ["product.md"]),
        ("(docs/domain.md, rule 4)", ["docs/domain.md"]),
        ("`requirements/*.lock`, `drivers/<family>/driver.py`", []),
        ("https://example.test/a.html", []),
        ("written by clearing/service/start.py.", ["clearing/service/start.py"]),
    ],
)
def test_how_names_are_found(words: str, found: list[str]) -> None:
    assert _FILE.findall(_LINK.sub(" ", words)) == found


def test_a_sheet_that_is_not_in_the_tree_is_no_file() -> None:
    assert not _is_there("app/clearing/models.py", "product" + ".md")
    assert not _is_there("app/features.py", "domain.md")
    assert _is_there("docs/api.md", "domain.md")
    assert _is_there("app/features.py", "docs/domain.md")
