"""Decision records: one number each, the same in the name and in the title."""

from app.settings import ROOT

RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [int(record.name[:4]) for record in RECORDS]
    assert numbers == list(range(1, len(RECORDS) + 1))
    for number, record in zip(numbers, RECORDS, strict=True):
        assert record.read_text(encoding="utf-8").startswith(f"# {number}. "), record.name
