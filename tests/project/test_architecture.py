"""docs/architecture.md shows the tree as it is: packages, direction of imports, the files of its walks."""

import re

import pytest

from app.settings import ROOT
from scripts import package_table

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
_WALKS = TEXT.split("\n## Six walks\n")[1].split("\n## ")[0]
WALKS = dict(zip(*[iter(re.split(r"^### (.+)$", _WALKS, flags=re.MULTILINE)[1:])] * 2, strict=True))
_NAMED = re.compile(
    r"`((?:app|docs|migrations|scripts|static|templates|tests)/[\w./-]+)(?::(\w+))?`"
)


def test_the_table_of_packages_is_what_the_packages_say() -> None:
    assert package_table.table() in TEXT, "python -m scripts.package_table prints it"


def test_no_package_is_missing() -> None:
    folders = {path.name for path in (ROOT / "app").iterdir() if any(path.glob("*.py"))}
    assert set(package_table.packages()) == folders
    for name, sentence in package_table.packages().items():
        assert re.fullmatch(r"[A-Z][a-z].{15,}\.", sentence), (name, sentence)
        assert "|" not in sentence, name


def test_the_direction_of_imports_is_that_of_the_contract() -> None:
    assert package_table.imports() in TEXT, "python -m scripts.package_table prints it"


def test_every_package_has_its_place_in_the_direction() -> None:
    """Agent and simulator have contracts of their own."""
    drawn = {name for layer in package_table.layers() for name in layer}
    assert set(package_table.packages()) - drawn == {"agent", "simulator"}


def test_there_are_six_walks() -> None:
    assert len(WALKS) == 6


@pytest.mark.parametrize("walk", sorted(WALKS))
def test_the_files_of_a_walk_exist_and_hold_what_they_are_named_for(walk: str) -> None:
    named = _NAMED.findall(WALKS[walk])
    assert len({file for file, _ in named}) >= 4
    for file, word in named:
        assert (ROOT / file).is_file(), file
        if word:
            text = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"\b{word}\b", text), f"{word} in {file}"
