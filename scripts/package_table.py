"""Print the table of packages and the order of imports, as docs/architecture.md shows them.

    python -m scripts.package_table

The sentence of a package is the docstring of its `__init__.py`, the order that of [tool.importlinter] in
pyproject.toml. A test holds the document equal to what is printed here.
"""

import ast
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def packages() -> dict[str, str]:
    """The packages of app/ with what belongs there, uppermost first; the agent, which stands apart, last."""
    names = [path.parent.name for path in (ROOT / "app").glob("*/__init__.py")]
    order = {name: place for place, layer in enumerate(layers()) for name in layer}
    return {name: _sentence(name) for name in sorted(names, key=lambda n: (order.get(n, 99), n))}


def layers() -> list[list[str]]:
    """The layers of imports from the top; those of one layer do not know each other."""
    config: Any = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (drawn,) = (one["layers"] for one in contracts if one["type"] == "layers")
    return [
        [name.strip(" ()").removeprefix("app.") for name in layer.split("|")] for layer in drawn
    ]


def table() -> str:
    """The table of packages."""
    rows = [f"| `app/{name}/` | {sentence} |" for name, sentence in packages().items()]
    return "\n".join(["| package | what belongs there |", "|---|---|", *rows])


def imports() -> str:
    """The order of imports, one layer a line."""
    return "\n".join("    " + " | ".join(layer) for layer in layers())


def _sentence(package: str) -> str:
    source = (ROOT / "app" / package / "__init__.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    return " ".join(text.split("\n\n")[0].split())


def main() -> None:
    """Print both."""
    print(table(), imports(), sep="\n\n")


if __name__ == "__main__":
    main()
