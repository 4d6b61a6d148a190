"""The sample pages, rendered once."""

import importlib.util
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.core.templating import environment


def load_samples() -> ModuleType:
    """The package samples/ beside this file."""
    folder = Path(__file__).with_name("samples")
    spec = importlib.util.spec_from_file_location(
        "template_samples", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


Sample = tuple[str, Any, dict[str, Any]]
SAMPLES: dict[str, Sample] = load_samples().PAGES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `page_name` runs once for every sample page."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", sorted(SAMPLES))


@pytest.fixture(scope="session")
def samples() -> dict[str, Sample]:
    """Name → template, context, layout."""
    return SAMPLES


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Name → HTML."""
    return {
        name: environment()
        .get_template(template)
        .render(**layout, **{f.name: getattr(context, f.name) for f in fields(context)})
        for name, (template, context, layout) in SAMPLES.items()
    }
