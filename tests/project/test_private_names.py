"""The product rests on what libraries promise: nothing of `app/` uses a name they keep to themselves."""

import ast
from collections.abc import Iterator

from app.settings import ROOT

FILES = sorted((ROOT / "app").rglob("*.py"))
PUBLIC = {"os._exit"}
"""Documented all the same."""
KNOWN = {"app/core/writing.py": {"CodeGenerator._FinalizeInfo"}}
"""What is left, to be taken out: how a value is written in a template is a matter of Jinja's own."""


def _of_libraries(tree: ast.Module) -> set[str]:
    """The names a module imports from elsewhere than the product."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("app"):
            names |= {one.asname or one.name for one in node.names}
    return names


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(text: str) -> Iterator[str]:
    """The private names of libraries that a module imports or reaches into."""
    tree = ast.parse(text)
    libraries = _of_libraries(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("app"):
            parts = [*(node.module or "").split("."), *(one.name for one in node.names)]
            yield from (one for one in parts if _private(one))
        elif isinstance(node, ast.Attribute) and _private(node.attr):
            root = node.value
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in libraries:
                yield from {f"{root.id}.{node.attr}"} - PUBLIC


def test_no_private_name_of_a_library() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in FILES
        if (names := set(private_names(path.read_text(encoding="utf-8"))))
    }
    assert found == KNOWN


def test_it_finds_them() -> None:
    text = "from dbos import DBOS\nfrom jinja2._x import y\nDBOS._recover([])\nself._own = 1\n"
    assert sorted(private_names(text)) == ["DBOS._recover", "_x"]
