"""The comparison: each planted difference is found, said from both sides, and nothing else is."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from app.contracts.devices import InvoiceStatus, InvoiceType, Statistics, StatisticsPeriod
from app.contracts.periods import Period
from app.reconciliation.comparison import (
    DeviceFacts,
    Difference,
    Gap,
    RecordFacts,
    Sums,
    TypeStatus,
    differences,
)
from app.reconciliation.models import DifferenceKind

PERIOD = Period("2026-10")
ORDINARY, SPECIAL = InvoiceType.ORDINARY_PAPER, InvoiceType.SPECIAL_PAPER
RECORD = RecordFacts(uuid4(), frozenset({ORDINARY, SPECIAL}), "a1")


def statistics(kind: InvoiceType, month: str = "2026-10", **values: Any) -> Statistics:
    """Three issued, one red, one void, one void blank."""
    period = Period(month)
    counts: dict[str, Any] = dict.fromkeys(StatisticsPeriod.model_fields, 0)
    given = {
        "issued": 3,
        "issued_amount": Decimal("300.30"),
        "issued_tax": Decimal("39.03"),
        "red": 1,
        "red_amount": Decimal("-20.00"),
        "red_tax": Decimal("-2.60"),
        "void": 1,
        "void_amount": Decimal("5.00"),
        "void_tax": Decimal("0.65"),
        "void_blank": 1,
    }
    days = {"period_from": period.first_day, "period_to": period.last_day}
    return Statistics(
        invoice_type=kind,
        periods=(StatisticsPeriod.model_validate(counts | given | days | values),),
    )


def totals(kind: InvoiceType) -> dict[tuple[InvoiceType, InvoiceStatus], Sums]:
    """The same invoices as the ledger has them."""
    return {
        (kind, InvoiceStatus.NORMAL): Sums(3, Decimal("300.30"), Decimal("39.03")),
        (kind, InvoiceStatus.RED): Sums(1, Decimal("-20.00"), Decimal("-2.60")),
        (kind, InvoiceStatus.VOID): Sums(1, Decimal("5.00"), Decimal("0.65")),
        (kind, InvoiceStatus.VOID_BLANK): Sums(1),
    }


FACTS = DeviceFacts(
    period=PERIOD,
    totals=totals(ORDINARY) | totals(SPECIAL),
    gaps=(),
    statuses={ORDINARY: TypeStatus(6, 6), SPECIAL: TypeStatus(6, 6)},
    records=(RECORD,),
    cleared_types=frozenset({ORDINARY, SPECIAL}),
    statistics=(statistics(ORDINARY), statistics(SPECIAL)),
    lock_dates={ORDINARY: date(2026, 12, 15), SPECIAL: date(2026, 12, 15)},
    known_since=Period("2026-01"),
)


def found(facts: DeviceFacts) -> list[tuple[DifferenceKind, InvoiceType | None]]:
    return [(one.kind, one.invoice_type) for one in differences(facts)]


def only(facts: DeviceFacts) -> Difference:
    (one,) = differences(facts)
    return one


def test_nothing_differs() -> None:
    assert differences(FACTS) == []


def test_a_gap_is_told_with_its_ranges() -> None:
    gap = Gap(
        ORDINARY,
        "3200201130",
        "20117760",
        "20117790",
        4,
        (("20117762", "20117762"), ("20117770", "20117772")),
    )
    one = only(replace(FACTS, gaps=(gap,)))
    assert (one.kind, one.subject) == (DifferenceKind.NUMBER_GAP, "3200201130")
    assert "缺 4 张（20117762、20117770–20117772）" in one.message
    assert one.details["ranges"] == [["20117762", "20117762"], ["20117770", "20117772"]]


def test_many_ranges_are_cut_in_the_sentence_only() -> None:
    ranges = tuple((f"{n:08d}", f"{n:08d}") for n in range(10, 40, 2))
    one = only(replace(FACTS, gaps=(Gap(ORDINARY, "", "00000009", "00000041", 15, ranges),)))
    assert one.message.endswith("00000024 等）")
    assert len(one.details["ranges"]) == 15


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"issued": 4},
            "正数 台账 3 张 300.30 元（税额 39.03），设备 4 张 300.30 元（税额 39.03）",
        ),
        (
            {"issued_amount": Decimal("300.31")},
            "台账 3 张 300.30 元（税额 39.03），设备 3 张 300.31",
        ),
        ({"issued_tax": Decimal("39.04")}, "设备 3 张 300.30 元（税额 39.04）"),
        ({"red": 0, "red_amount": Decimal(0), "red_tax": Decimal(0)}, "红字 台账 1 张 -20.00"),
        ({"void": 2}, "作废 台账 1 张"),
        ({"void_red": 1}, "红字作废 台账 0 张 0.00 元（税额 0.00），设备 1 张"),
        ({"void_blank": 2}, "空白作废 台账 1 张"),
    ],
)
def test_counts_and_amounts_of_each_status_are_compared(change: dict[str, Any], words: str) -> None:
    one = only(replace(FACTS, statistics=(statistics(ORDINARY, **change), statistics(SPECIAL))))
    assert (one.kind, one.invoice_type) == (DifferenceKind.AMOUNT_MISMATCH, ORDINARY)
    assert words in one.message
    assert "；" not in one.message
    assert len(one.details) == 1


def test_the_sign_of_red_ones_does_not_matter() -> None:
    signed = statistics(ORDINARY, red_amount=Decimal("20.00"), red_tax=Decimal("2.60"))
    assert found(replace(FACTS, statistics=(signed, statistics(SPECIAL)))) == []


def test_a_type_one_side_does_not_know_differs() -> None:
    expected = [(DifferenceKind.AMOUNT_MISMATCH, SPECIAL)]
    assert found(replace(FACTS, statistics=(statistics(ORDINARY),))) == expected
    assert found(replace(FACTS, totals=totals(ORDINARY))) == expected


def test_other_months_of_the_statistics_do_not_count() -> None:
    both = (statistics(ORDINARY), statistics(SPECIAL), statistics(ORDINARY, "2026-09", issued=9))
    assert found(replace(FACTS, statistics=both)) == []


def test_without_statistics_amounts_are_not_compared() -> None:
    assert found(replace(FACTS, statistics=None, totals={})) == []


def test_uncleared_invoices_of_a_cleared_type() -> None:
    one = only(replace(FACTS, statuses={**FACTS.statuses, SPECIAL: TypeStatus(6, 4)}))
    assert (one.kind, one.invoice_type, one.subject) == (
        DifferenceKind.STATUS_NOT_UPDATED,
        SPECIAL,
        "record",
    )
    assert "清卡记录显示 2026-10 已清卡，台账仍有 2 张未清卡" in one.message


def test_cleared_invoices_of_a_type_no_record_cleared() -> None:
    facts = replace(
        FACTS,
        cleared_types=frozenset({ORDINARY}),
        records=(replace(RECORD, types=frozenset({ORDINARY})),),
        lock_dates={ORDINARY: date(2026, 12, 15), SPECIAL: date(2026, 11, 16)},
    )
    one = only(facts)
    assert (one.kind, one.invoice_type, one.subject) == (
        DifferenceKind.STATUS_NOT_UPDATED,
        SPECIAL,
        "ledger",
    )
    assert "台账有 6 张标记为已清卡" in one.message


def test_two_records_that_cleared_one_type() -> None:
    again = RecordFacts(uuid4(), frozenset({SPECIAL}), "a1")
    one = only(replace(FACTS, records=(RECORD, again)))
    assert (one.kind, one.invoice_type) == (DifferenceKind.DUPLICATE_CLEARING, SPECIAL)
    assert one.details["records"] == [str(RECORD.id), str(again.id)]


def test_parts_of_a_period_are_no_duplicates() -> None:
    parts = tuple(RecordFacts(uuid4(), frozenset({kind}), "a1") for kind in (ORDINARY, SPECIAL))
    assert found(replace(FACTS, records=parts)) == []


def test_a_device_that_was_cleared_elsewhere() -> None:
    uncleared = {kind: TypeStatus(6, 0) for kind in (ORDINARY, SPECIAL)}
    facts = replace(FACTS, records=(), cleared_types=frozenset(), statuses=uncleared)
    assert found(facts) == [
        (DifferenceKind.UNAUTHORISED_CLEARING, kind) for kind in (SPECIAL, ORDINARY)
    ]
    assert "锁死日期 2026-12-15 表明 2026-10 已清卡" in differences(facts)[0].message
    due = dict.fromkeys((ORDINARY, SPECIAL), date(2026, 11, 16))
    assert found(replace(facts, lock_dates=due)) == []


@pytest.mark.parametrize(("since", "count"), [("2026-11", 2), ("2026-12", 0)])
def test_a_clearing_before_the_device_was_known_here_is_no_concern(since: str, count: int) -> None:
    uncleared = {kind: TypeStatus(6, 0) for kind in (ORDINARY, SPECIAL)}
    facts = replace(
        FACTS,
        records=(),
        cleared_types=frozenset(),
        statuses=uncleared,
        known_since=Period(since),
    )
    assert len(differences(facts)) == count


def test_a_record_nobody_executed() -> None:
    one = only(replace(FACTS, records=(replace(RECORD, executed_by=""),)))
    assert (one.kind, one.subject) == (DifferenceKind.UNAUTHORISED_CLEARING, str(RECORD.id))


def test_a_fingerprint_tells_places_and_contents_apart() -> None:
    device = uuid4()
    first = Difference(DifferenceKind.NUMBER_GAP, ORDINARY, "x", "code", {"missing": 1})
    same = replace(first, message="other words for it")
    assert first.fingerprint(device, "2026-10") == same.fingerprint(device, "2026-10")
    others = [
        first.fingerprint(uuid4(), "2026-10"),
        first.fingerprint(device, "2026-09"),
        replace(first, kind=DifferenceKind.AMOUNT_MISMATCH).fingerprint(device, "2026-10"),
        replace(first, invoice_type=SPECIAL).fingerprint(device, "2026-10"),
        replace(first, subject="other").fingerprint(device, "2026-10"),
        replace(first, details={"missing": 2}).fingerprint(device, "2026-10"),
    ]
    assert len({first.fingerprint(device, "2026-10"), *others}) == 7


def test_all_at_once_come_in_order() -> None:
    gap = Gap(ORDINARY, "1", "00000001", "00000003", 1, (("00000002", "00000002"),))
    facts = replace(
        FACTS,
        gaps=(gap,),
        statistics=(statistics(ORDINARY, issued=9), statistics(SPECIAL)),
        statuses={ORDINARY: TypeStatus(6, 5)},
        records=(RECORD, replace(RECORD, id=uuid4(), executed_by="", types=frozenset({ORDINARY}))),
    )
    assert [kind for kind, _ in found(facts)] == list(DifferenceKind)
