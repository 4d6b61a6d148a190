"""Renders every sample page to static HTML: python scripts/preview_templates.py DIRECTORY.

Serve the directory (python -m http.server --directory DIRECTORY) and open the pages to look at them;
there is no application behind them.
"""

import importlib
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from app.core.templating import environment
from app.settings import ROOT


def samples() -> dict[str, tuple[str, Any, dict[str, Any]]]:
    """The sample pages of the tests."""
    sys.path.insert(0, str(ROOT / "tests" / "templates"))
    pages: dict[str, tuple[str, Any, dict[str, Any]]] = importlib.import_module("samples").PAGES
    return pages


def page_html(template: str, context: Any, layout: dict[str, Any]) -> str:
    """The page as the application would send it."""
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    return environment().get_template(template).render(**layout, **values)


def main(target: Path) -> None:
    """Write all pages, the files they use, and an index."""
    shutil.copytree(ROOT / "static", target / "static", dirs_exist_ok=True)
    links = []
    for name, (template, context, layout) in samples().items():
        (target / f"{name}.html").write_text(page_html(template, context, layout), "utf-8")
        links.append(f'<li><a href="{name}.html">{name}</a> {template}</li>')
    index = f"<!doctype html><title>pages</title><ul>{''.join(links)}</ul>"
    (target / "index.html").write_text(index, "utf-8")
    print(f"{len(links)} pages in {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
