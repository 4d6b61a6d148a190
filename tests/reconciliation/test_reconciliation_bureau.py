"""The bureau's view held against the device's: every pair of states, and periods that are not the same."""

from datetime import UTC, date, datetime

import pytest

from app.contracts.devices import BureauState, BureauTypeView, BureauView, InvoiceType, Monitor
from app.contracts.periods import Period
from app.reconciliation.bureau import Agreement, OwnState, Told, summary, told

PERIOD = Period("2026-10")
AT = datetime(2026, 11, 10, 2, 0, tzinfo=UTC)
ORDINARY, SPECIAL = InvoiceType.ORDINARY_PAPER, InvoiceType.SPECIAL_PAPER
MONITORS = {
    # state: (lock date, last report)
    OwnState.NOT_REPORTED: (date(2026, 11, 16), datetime(2026, 10, 9)),
    OwnState.REPORTED: (date(2026, 11, 16), datetime(2026, 11, 9)),
    OwnState.CLEARED: (date(2026, 12, 15), datetime(2026, 11, 9)),
}
SAME = {
    BureauState.READY: OwnState.REPORTED,
    BureauState.NOT_FILED: OwnState.REPORTED,
    BureauState.MISMATCH: OwnState.REPORTED,
    BureauState.PENDING: OwnState.REPORTED,
    BureauState.CLEARED: OwnState.CLEARED,
    BureauState.NOT_REPORTED: OwnState.NOT_REPORTED,
}


def _told(
    states: dict[InvoiceType, tuple[BureauState, OwnState]], about: Period | None = PERIOD
) -> Told:
    view = BureauView(
        number="1" * 12,
        asked_at=AT,
        types=tuple(
            BureauTypeView(invoice_type=kind, state=state, period=about)
            for kind, (state, _) in states.items()
        ),
    )
    monitors = [
        Monitor(
            invoice_type=kind,
            lock_date=MONITORS[own][0],
            report_from=datetime(2026, 10, 1),
            last_reported_at=MONITORS[own][1],
        )
        for kind, (_, own) in states.items()
    ]
    return told(view, PERIOD, monitors)


@pytest.mark.parametrize("own", OwnState)
@pytest.mark.parametrize("state", BureauState)
def test_every_pair(state: BureauState, own: OwnState) -> None:
    found = _told({SPECIAL: (state, own)})
    (one,) = found.types
    assert (one.bureau, one.own) == (state, own)
    if state is BureauState.UNKNOWN:
        assert found.agreement is Agreement.NOT_TOLD
    else:
        same = SAME[state] is own
        assert found.agreement is (Agreement.AGREES if same else Agreement.DIFFERS)


def test_one_type_that_is_not_reported_holds_all_of_them_back() -> None:
    """The bureau says 未抄报 of both; that is no difference for the one that was reported."""
    states = {
        SPECIAL: (BureauState.NOT_REPORTED, OwnState.NOT_REPORTED),
        ORDINARY: (BureauState.NOT_REPORTED, OwnState.REPORTED),
    }
    assert _told(states).agreement is Agreement.AGREES
    states[SPECIAL] = (BureauState.NOT_REPORTED, OwnState.REPORTED)
    assert _told(states).agreement is Agreement.DIFFERS


@pytest.mark.parametrize(
    ("about", "state", "own"),
    [
        (PERIOD.plus(1), BureauState.CLEARED, OwnState.CLEARED),
        (PERIOD.plus(-1), BureauState.NOT_REPORTED, OwnState.NOT_REPORTED),
    ],
)
def test_an_answer_about_another_period(about: Period, state: BureauState, own: OwnState) -> None:
    """Of a later one: this one is over. Of an earlier one: this one is not reported."""
    found = _told({SPECIAL: (BureauState.MISMATCH, own)}, about)
    assert (found.types[0].bureau, found.agreement) == (state, Agreement.AGREES)


def test_the_sentence_counts_devices() -> None:
    agrees = _told({SPECIAL: (BureauState.READY, OwnState.REPORTED)})
    differs = _told({SPECIAL: (BureauState.READY, OwnState.CLEARED)})
    tellings = [agrees, agrees, differs, Told(message="没有问到")]
    assert summary(tellings) == (
        "已询问税务端：2 台设备与税务端一致，1 台不一致，1 台税务端没有提供。"
    )
    assert summary([agrees]) == "已询问税务端：1 台设备与税务端一致。"
    assert summary([None, None]).startswith("没有询问税务端")
