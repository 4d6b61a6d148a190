"""docs/settings.md tells of every variable the programs read, with the defaults the code has."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.settings import ROOT, Settings

_ROW = re.compile(r"^\| `(QINGKA_\w+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
_VARIABLE = re.compile(r"QINGKA_[A-Z0-9]+(?:_[A-Z0-9]+)*(?![A-Z0-9_])")


def _documented() -> dict[str, tuple[str, str]]:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = _ROW.findall(text)
    names = [name for name, _, _ in rows]
    assert len(names) == len(set(names)), "a variable stands there twice"
    return {name: (default, meaning) for name, default, meaning in rows}


def _shown(field: FieldInfo) -> str:
    """A default as the table shows it."""
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "–"
    if isinstance(value, StrEnum):
        value = value.value
    if isinstance(value, float):
        value = f"{value:g}"
    return f"`{value}`"


def _read_by_code() -> set[str]:
    found: set[str] = set()
    for folder in ("app", "migrations"):
        for path in (ROOT / folder).rglob("*.py"):
            found.update(_VARIABLE.findall(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_default_in_the_table_is_the_default_in_the_code(name: str) -> None:
    default, meaning = _documented()[f"QINGKA_{name.upper()}"]
    assert default == _shown(Settings.model_fields[name])
    assert len(meaning) >= 15


def test_table_names_what_the_code_reads_and_nothing_else() -> None:
    settings = {f"QINGKA_{name.upper()}" for name in Settings.model_fields}
    assert set(_documented()) == settings | _read_by_code()


def test_variables_elsewhere_in_the_project_exist() -> None:
    known = set(_documented())
    for path in (ROOT / "Dockerfile", ROOT / "Makefile", *_pages()):
        strangers = set(_VARIABLE.findall(path.read_text(encoding="utf-8"))) - known
        strangers = {name for name in strangers if name.removesuffix("_FILE") not in known}
        assert not strangers, f"{path.name} names {strangers}"


def _pages() -> list[Path]:
    return [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]
