"""Figures as an accountant adds them: void is counted and never summed; both sources come to one form."""

from datetime import date
from decimal import Decimal

from app.contracts.devices import InvoiceStatus, InvoiceType, Statistics, StatisticsPeriod
from app.contracts.periods import Period
from app.invoices import figures
from app.invoices.figures import Figures, Sum

PERIOD = Period("2026-10")


def _part(first: date, last: date, **values: object) -> StatisticsPeriod:
    names = [
        name for name in StatisticsPeriod.model_fields if name not in ("period_from", "period_to")
    ]
    return StatisticsPeriod.model_validate(
        {"period_from": first, "period_to": last, **dict.fromkeys(names, 0), **values}
    )


def _october(**values: object) -> StatisticsPeriod:
    return _part(PERIOD.first_day, PERIOD.last_day, **values)


def test_void_invoices_are_counted_and_never_summed() -> None:
    one = (
        figures.figures_of(InvoiceStatus.NORMAL, Sum(3, Decimal("300.00"), Decimal("39.00")))
        + figures.figures_of(InvoiceStatus.RED, Sum(1, Decimal("-40.00"), Decimal("-5.20")))
        + figures.figures_of(InvoiceStatus.VOID, Sum(2, Decimal("77.00"), Decimal("10.01")))
        + figures.figures_of(InvoiceStatus.VOID_RED, Sum(1, Decimal("-7.00"), Decimal("-0.91")))
        + figures.figures_of(InvoiceStatus.VOID_BLANK, Sum(1))
    )
    assert one.net == Sum(4, Decimal("260.00"), Decimal("33.80"))
    assert one.void == Sum(4, Decimal("70.00"), Decimal("9.10"))
    assert one.count == 8


def test_a_devices_red_amounts_are_negative_whatever_sign_it_tells() -> None:
    for sign in (1, -1):
        part = _october(
            issued=2,
            issued_amount=Decimal("200.00"),
            issued_tax=Decimal("26.00"),
            red=1,
            red_amount=Decimal("50.00") * sign,
            red_tax=Decimal("6.50") * sign,
            void=1,
            void_amount=Decimal("9.00"),
            void_tax=Decimal("1.17"),
        )
        told = [Statistics(invoice_type=InvoiceType.SPECIAL_PAPER, periods=(part,))]
        found = figures.of_device(told, PERIOD)[InvoiceType.SPECIAL_PAPER]
        assert found.red == Sum(1, Decimal("-50.00"), Decimal("-6.50"))
        assert found.net == Sum(3, Decimal("150.00"), Decimal("19.50"))


def test_only_the_period_of_the_statistics_counts_and_silence_is_no_zero() -> None:
    september = _part(date(2026, 9, 1), date(2026, 9, 30), issued=5, issued_amount=Decimal(5))
    told = [
        Statistics(invoice_type=InvoiceType.SPECIAL_PAPER, periods=(september, _october(issued=1))),
        Statistics(invoice_type=InvoiceType.ORDINARY_PAPER, periods=()),
    ]
    found = figures.of_device(told, PERIOD)
    assert found[InvoiceType.SPECIAL_PAPER].positive.count == 1
    assert InvoiceType.ORDINARY_PAPER not in found


def test_figures_are_kept_to_the_cent() -> None:
    kept = {
        InvoiceType.ORDINARY_PAPER: Figures(
            Sum(2, Decimal("0.10"), Decimal("0.01")), Sum(1, Decimal("-0.30")), Sum(1)
        )
    }
    assert figures.from_json(figures.as_json(kept)) == kept
