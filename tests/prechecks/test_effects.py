"""What a clearing is said to do, from what is known of the devices."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.clearing.grouping import types_to_clear
from app.clearing.states import Kind, Mode, Scope
from app.contracts.devices import DeviceKind, InvoiceType
from app.contracts.periods import Period
from app.invoices.figures import Figures, Sum
from app.prechecks import effects_text
from app.prechecks.choice import Choice
from app.prechecks.effects import Kept, KnownDevice, KnownType, RegisterEffect, effects_of

SPECIAL, ORDINARY = InvoiceType.SPECIAL_PAPER, InvoiceType.ORDINARY_PAPER
ROLL, ELECTRONIC = InvoiceType.ROLL, InvoiceType.ORDINARY_ELECTRONIC
DUE, CLEARED = date(2026, 11, 16), date(2026, 12, 15)
REPORTED = datetime(2026, 11, 3, 9)
BEFORE = datetime(2026, 10, 8, 9)
GOLDEN = (("004", "007"), ("026",), ("025",))


def choice(**changes: Any) -> Choice:
    """The usual one, with changes."""
    values: dict[str, Any] = {
        "mode": Mode.REGULAR,
        "kind": Kind.DEVICE,
        "scope": Scope.FULL,
        "invoice_types": (),
        "period": Period("2026-10"),
    }
    return Choice(**values | changes)


def partial(*types: InvoiceType, **changes: Any) -> Choice:
    """A partial one of these types."""
    return choice(scope=Scope.PARTIAL, invoice_types=types, **changes)


def device(
    reported: Sequence[InvoiceType] = (),
    cleared: Sequence[InvoiceType] = (),
    recorded: Sequence[InvoiceType] = (),
    **changes: Any,
) -> KnownDevice:
    """A golden-tax disk of four types that owes October, with invoices of three of them."""
    types = tuple(
        KnownType(
            kind,
            CLEARED if kind in cleared else DUE,
            REPORTED if kind in (*reported, *cleared) else BEFORE,
        )
        for kind in (SPECIAL, ORDINARY, ELECTRONIC, ROLL)
    )
    values: dict[str, Any] = {
        "device_id": UUID(int=1),
        "number": "661000000001",
        "kind": DeviceKind.GOLDEN_TAX_DISK,
        "read_at": datetime(2026, 11, 10, tzinfo=UTC),
        "types": types,
        "groups": GOLDEN,
        "working": {
            SPECIAL: Figures(Sum(3, Decimal("300.00"), Decimal("39.00"))),
            ORDINARY: Figures(Sum(2, Decimal("20.00"), Decimal("2.60"))),
            ELECTRONIC: Figures(Sum(1, Decimal("1.00"), Decimal("0.13"))),
        },
        "recorded": frozenset(recorded),
        "drafts": 4,
    }
    return KnownDevice(**values | changes)


def test_a_full_one_reports_and_clears_every_type_and_resets_drafts_and_settings() -> None:
    found = effects_of(choice(), [device()], settings=["打印边距", "默认税率"])
    [one] = found.devices
    assert one.report == (SPECIAL, ORDINARY, ELECTRONIC, ROLL)
    assert [effect.invoice_type for effect in one.clear] == list(one.report)
    assert found.invoices == Figures(Sum(6, Decimal("321.00"), Decimal("41.73")))
    assert (found.drafts, found.settings) == (4, ("打印边距", "默认税率"))
    assert one.untouched == ()
    assert Kept.DRAFTS not in found.keeps


def test_what_is_reported_is_not_reported_again() -> None:
    [one] = effects_of(choice(), [device(reported=[ORDINARY, ROLL])], settings=()).devices
    assert one.report == (SPECIAL, ELECTRONIC)
    assert [effect.invoice_type for effect in one.clear] == [SPECIAL, ORDINARY, ELECTRONIC, ROLL]


def test_a_partial_one_drags_the_group_along_and_still_reports_everything() -> None:
    found = effects_of(partial(SPECIAL), [device()], settings=["打印边距"])
    [one] = found.devices
    assert [(effect.invoice_type, effect.along) for effect in one.clear] == [
        (SPECIAL, False),
        (ORDINARY, True),
    ]
    assert one.report == (SPECIAL, ORDINARY, ELECTRONIC, ROLL)
    assert one.untouched == (ELECTRONIC, ROLL)
    assert found.invoices.count == 5
    assert (found.drafts, found.settings) == (0, ())
    assert {Kept.OTHER_TYPES, Kept.DRAFTS, Kept.SETTINGS} <= set(found.keeps)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (GOLDEN, (SPECIAL, ORDINARY)),
        ((), (SPECIAL,)),  # an agent of an earlier version does not tell
        ((("004",), ("007",)), (SPECIAL,)),
        ((("004", "007", "025", "026"),), (SPECIAL, ORDINARY, ROLL, ELECTRONIC)),
    ],
)
def test_the_groups_are_those_of_the_device(
    groups: Sequence[Sequence[str]], expected: tuple[InvoiceType, ...]
) -> None:
    assert types_to_clear(["004"], groups) == expected


def test_no_type_chosen_means_all() -> None:
    assert types_to_clear([], GOLDEN) == ()


def test_a_tax_clearing_reports_nothing_and_says_what_is_missing() -> None:
    [one] = effects_of(
        partial(ELECTRONIC, kind=Kind.TAX), [device(reported=[ELECTRONIC, ROLL])], settings=()
    ).devices
    assert one.report == ()
    assert one.not_reported == (SPECIAL, ORDINARY)
    assert [effect.invoice_type for effect in one.clear] == [ELECTRONIC]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.REGULAR, RegisterEffect.KEPT),
        (Mode.FIRST, RegisterEffect.BASELINE),
        (Mode.UPDATE, RegisterEffect.UPDATED),
    ],
)
def test_the_mode_decides_about_the_register(mode: Mode, expected: RegisterEffect) -> None:
    found = effects_of(choice(mode=mode), [device()], settings=())
    assert found.register is expected
    assert (Kept.REGISTER in found.keeps) is (mode is Mode.REGULAR)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_record_stands_against_a_first_clearing_alone(mode: Mode) -> None:
    [one] = effects_of(choice(mode=mode), [device(cleared_before=True)], settings=()).devices
    assert one.not_first is (mode is Mode.FIRST)
    [new] = effects_of(choice(mode=mode), [device()], settings=()).devices
    assert not new.not_first


def test_what_was_cleared_elsewhere_is_recorded_and_not_written_again() -> None:
    [one] = effects_of(choice(), [device(cleared=[SPECIAL])], settings=()).devices
    assert [effect.already for effect in one.clear] == [True, False, False, False]
    assert SPECIAL not in one.report
    assert one.invoices.count == 6


def test_what_is_on_record_stays_as_it_is() -> None:
    done = [SPECIAL, ORDINARY]
    known = device(cleared=done, recorded=done)
    [one] = effects_of(choice(), [known], settings=()).devices
    assert [effect.invoice_type for effect in one.clear] == [ELECTRONIC, ROLL]
    assert one.untouched == (SPECIAL, ORDINARY)
    assert one.invoices.count == 1
    found = effects_of(partial(SPECIAL), [known], settings=(), left_out=["661000000009"])
    assert found.devices == ()
    assert found.left_out == ("661000000001", "661000000009")


def test_a_device_that_was_never_read_is_not_left_out() -> None:
    unread = device(types=(), groups=(), read_at=None, working={})
    [one] = effects_of(choice(), [unread], settings=()).devices
    assert (one.clear, one.report, one.drafts) == ((), (), 4)


def test_the_same_choice_has_the_same_text() -> None:
    assert str(choice()) == "regular device full 2026-10"
    assert str(partial(ROLL, SPECIAL)) == str(partial(SPECIAL, ROLL))
    assert str(partial(SPECIAL)) != str(partial(ROLL)) != str(choice())


def test_the_effects_as_lines_of_text() -> None:
    known = device(reported=[ORDINARY], cleared=[ROLL])
    full = list(effects_text.lines(effects_of(choice(), [known], settings=["打印边距"])))
    assert full == [
        "常规清卡 · 税控设备清卡 · 全面清卡 · 2026-10",
        "金税盘 661000000001",
        "  004 增值税专用发票：抄报后清卡，3 张，净额 300.00 元",
        "  007 增值税普通发票：已抄报，清卡，2 张，净额 20.00 元",
        "  026 增值税电子普通发票：抄报后清卡，1 张，净额 1.00 元",
        "  025 增值税普通发票（卷票）：设备已清卡，只核对并记录，0 张，净额 0.00 元",
        "登记资料：不改动，与设备不同之处列为提醒",
        "记为已清卡（按台账）：6 张，净额 321.00 元",
        "移出草稿：4 张（备份中保留）",
        "重置个人设置：打印边距",
        "不会改动：其他属期、其他设备、发票内容、登记资料",
    ]
    first = partial(SPECIAL, kind=Kind.TAX, mode=Mode.FIRST)
    known = device(reported=[ORDINARY, ROLL], cleared_before=True)
    lines = list(effects_text.lines(effects_of(first, [known], settings=(), left_out=["66"])))
    assert lines[2:6] == [
        "  已有成功的清卡记录，首次清卡会停下",
        "  004 增值税专用发票：尚未抄报，清卡会停下，3 张，净额 300.00 元",
        "  007 增值税普通发票（同组，一并清卡）：已抄报，清卡，2 张，净额 20.00 元",
        "  026 增值税电子普通发票：尚未抄报",
    ]
    assert lines[-1] == "不在其中的设备：66"


def test_what_a_partial_one_leaves_open_is_said_with_the_day_it_locks() -> None:
    found = effects_of(partial(SPECIAL), [device(cleared=[ROLL])], settings=())
    assert [one.invoice_type for one in found.left] == [ELECTRONIC]
    assert found.left_said == "026 未清卡，2026-11-16 锁死"
    assert f"清卡后仍未清：{found.left_said}" in list(effects_text.lines(found))


def test_a_device_that_was_cleared_before_is_only_noted_down() -> None:
    """Nothing is executed: drafts and settings stay, and nobody is told that a date moves."""
    done = device(cleared=[SPECIAL, ORDINARY, ELECTRONIC, ROLL])
    found = effects_of(choice(), [done], settings=["打印边距"])
    assert not found.executes
    assert (found.drafts, found.settings) == (0, ())
    assert "设备已清卡：只核对并记录，不写入设备" in list(effects_text.lines(found))
    both = effects_of(choice(), [done, device()], settings=["打印边距"])
    assert both.executes
    assert (both.drafts, both.settings) == (4, ("打印边距",))
