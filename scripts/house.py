"""Measures the house: python -m scripts.house. Sizes of packages, files and functions, helpers used once, cycles.

A private helper used once is a function or method whose name begins with an underscore and that its file names
one time beside its definition. Lines are those of the files as they stand, blank ones and docstrings included.
"""

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 300

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One file of app/: its module, its text and its tree."""

    module: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The package below app/, or "" for assembly."""
        parts = self.module.split(".")
        return parts[1] if len(parts) > 2 else ""

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return self.text.count("\n")

    def functions(self) -> list[Function]:
        """Every function and method."""
        return [
            one
            for one in ast.walk(self.tree)
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def comments(self) -> int:
        """How many lines have a comment that is no instruction to a tool."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        words = (one.string for one in tokens if one.type == tokenize.COMMENT)
        return sum(not word.startswith(("# noqa", "# type:")) for word in words)


def sources(root: Path = ROOT) -> list[Source]:
    """Read every file of app/."""
    found = []
    for path in sorted((root / "app").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        # The file of a package itself belongs to the package, too.
        module += "." if parts[-1] == "__init__" else ""
        text = path.read_text(encoding="utf-8")
        found.append(Source(module, text, ast.parse(text)))
    return found


def used_once(source: Source) -> int:
    """Count the private functions of a file that it names exactly once."""
    names = Counter(
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(source.tree)
        if isinstance(one, ast.Name | ast.Attribute)
    )
    return sum(
        one.name.startswith("_") and not one.name.startswith("__") and names[one.name] == 1
        for one in source.functions()
    )


def imports(found: list[Source]) -> dict[str, set[str]]:
    """Return which modules of app/ each one imports, inside functions as well, for typing left out."""
    known = {one.module.rstrip(".") for one in found}
    graph: dict[str, set[str]] = {}
    for one in found:
        own = one.module.rstrip(".")
        graph[own] = set(_imported(one.tree, known)) - {own}
    return graph


def _imported(tree: ast.AST, known: Collection[str]) -> Iterator[str]:
    for one in ast.iter_child_nodes(tree):
        if isinstance(one, ast.If) and "TYPE_CHECKING" in ast.dump(one.test):
            continue
        if isinstance(one, ast.ImportFrom) and one.module and one.module in known:
            # A name of a package is the module in it where there is one, else what its own file has.
            parts = (f"{one.module}.{alias.name}" for alias in one.names)
            yield from (part if part in known else one.module for part in parts)
        yield from _imported(one, known)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other in a ring (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    rings: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            ring = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(ring) > 1:
                rings.append(sorted(ring))

    for node in graph:
        if node not in index:
            visit(node)
    return rings


def main() -> None:
    """Print the measures."""
    found = sources()
    sizes = sorted(one.lines for one in found)
    bodies = [(one, each) for one in found for each in one.functions()]
    lengths = sorted((each.end_lineno or 0) - each.lineno + 1 for _, each in bodies)
    once = sum(used_once(one) for one in found)
    packages = Counter(one.package for one in found if one.package)
    rows = {
        "files / lines of app/": f"{len(found)} / {sum(sizes):,}",
        "file median / p90 / longest": _spread(sizes),
        f"files over {LONGEST_FILE} lines": sum(size > LONGEST_FILE for size in sizes),
        "functions": len(bodies),
        "function median / p90 / p99 / longest": _spread(lengths, tail=True),
        "private helpers used once": f"{once} ({once / len(bodies):.0%})",
        "comments": f"{sum(one.comments() for one in found):,} lines",
        "import cycles of files": len(cycles(imports(found))),
        "most files in one package": ", ".join(f"{n} {c}" for n, c in packages.most_common(5)),
    }
    for name, value in rows.items():
        print(f"{name:40} {value}")


def _spread(values: list[int], *, tail: bool = False) -> str:
    shares = (0.5, 0.9, 0.99) if tail else (0.5, 0.9)
    places = [values[int(share * (len(values) - 1))] for share in shares]
    return " / ".join(map(str, [*places, values[-1]]))


if __name__ == "__main__":
    main()
