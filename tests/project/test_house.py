"""The house stays a house: what `python -m scripts.house` measures does not get worse."""

import ast
from collections import Counter

from scripts import house

SOURCES = house.sources()


def test_no_ring_of_imports_between_files() -> None:
    assert house.cycles(house.imports(SOURCES)) == []


def test_functions_are_short() -> None:
    lengths = sorted(
        (one.end_lineno or 0) - one.lineno + 1 for each in SOURCES for one in each.functions()
    )
    assert lengths[int(0.99 * (len(lengths) - 1))] <= 40


def test_packages_of_the_work_have_few_files() -> None:
    files = Counter(one.package for one in SOURCES if one.package not in ("", "agent"))
    assert {name: count for name, count in files.items() if count > 50} == {}


def test_a_ring_and_a_helper_used_once_are_found() -> None:
    def source(module: str, text: str) -> house.Source:
        return house.Source(module, text, ast.parse(text))

    first = source("app.a.", "from app.b import x\n\ndef _once(): ...\n\n_once()\n")
    second = source("app.b", "import os\nfrom app.a import y  # why\n")
    assert house.cycles(house.imports([first, second])) == [["app.a", "app.b"]]
    assert (house.used_once(first), house.used_once(second)) == (1, 0)
    assert (first.package, second.comments()) == ("a", 1)
