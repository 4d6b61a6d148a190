"""The tax bureau's side: takes sealed totals, gives clearing ciphertexts, hears that they were written."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel

from app.contracts.periods import Period
from app.core.ids import new_id
from app.simulator import codes, seals

MAX_CLOCK_FACTOR = 24 * 3600
"""Seconds a device's clock may be wrong when it seals; beyond, the totals must be sealed again."""


class FilingState(StrEnum):
    """What became of the taxpayer's return for a period."""

    FILED = "filed"  # filed, and it matches the totals
    NOT_FILED = "not_filed"
    MISMATCH = "mismatch"
    PENDING = "pending"


class ReportedTotals(BaseModel):
    """The bureau's view of one type of one device in one period."""

    device: str
    tax_no: str
    invoice_type: str
    period: Period
    counts: dict[str, int] = {}
    amount: str
    tax: str
    lock_date: date
    sealed_at: datetime
    clock_factor: int
    reported_at: datetime
    ciphertext: str = ""
    new_lock_date: date | None = None
    unlocked_at: datetime | None = None
    confirmed_at: datetime | None = None


class Registered(BaseModel):
    """What the bureau knows about a device it issued."""

    number: str
    tax_no: str
    invoice_types: tuple[str, ...]


class Archive(Protocol):
    """Where the bureau keeps its books."""

    def reported(self, device: str) -> list[ReportedTotals]: ...

    def keep_reported(self, totals: ReportedTotals) -> None: ...

    def filing(self, tax_no: str, period: Period) -> FilingState: ...


class BureauRefusal(Exception):
    """The bureau says no, for one type. `code` and `text` are what the answer carries."""

    def __init__(self, code: str, text: str = "") -> None:
        self.code = code
        self.text = text or codes.known_text("bureau", code)
        super().__init__(f"{code} {self.text}")


class VirtualBureau:
    """One bureau for all devices. Methods work on one invoice type and raise `BureauRefusal`."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def take_totals(self, device: Registered, invoice_type: str, blob: str, now: datetime) -> None:
        """网络抄报 (WLCB) of one type. Taking the same or newer totals of a period again is fine."""
        content = self._open_totals(device, invoice_type, blob)
        known = self._known(device.number, invoice_type, Period(content["p"]))
        totals = _read_totals(content, now)
        if known is not None:
            totals = totals.model_copy(
                update={
                    "ciphertext": known.ciphertext,
                    "new_lock_date": known.new_lock_date,
                    "unlocked_at": known.unlocked_at,
                    "confirmed_at": known.confirmed_at,
                }
            )
        self._archive.keep_reported(totals)

    def unlock(self, device: Registered, invoice_type: str, now: datetime) -> str:
        """清零解锁 (QLJS) of one type: the ciphertext for its latest reported period.

        Every authorised type must have been reported for that period, and the return be filed and
        match. Asked again, the bureau gives the same ciphertext: there is one for each clearing.
        """
        totals = self._latest(device, invoice_type)
        self._require_all_types(device, totals.period)
        if totals.confirmed_at is not None:
            raise BureauRefusal("already_cleared")
        self._require_clock(totals)
        self._require_filed(totals)
        if not totals.ciphertext:
            totals = self._issue(totals, now)
            self._archive.keep_reported(totals)
        return totals.ciphertext

    def confirm(self, device: Registered, invoice_type: str, quoted: str, now: datetime) -> None:
        """结果确认 (QLJSJGQR) of one type. `quoted` holds the ciphertext that was written."""
        records = [t for t in self._archive.reported(device.number) if t.ciphertext]
        mine = [t for t in records if t.invoice_type == invoice_type]
        if not mine:
            raise BureauRefusal(codes.GENERAL, "没有该票种的清零解锁记录")
        latest = max(mine, key=lambda totals: totals.period)
        same_period = {t.ciphertext for t in records if t.period == latest.period}
        if not any(ciphertext in quoted for ciphertext in same_period):
            raise BureauRefusal(codes.GENERAL, "清卡信息与清零解锁记录不符")
        if latest.confirmed_at is None:
            self._archive.keep_reported(latest.model_copy(update={"confirmed_at": now}))

    # -- rules -----------------------------------------------------------------------------------

    def _open_totals(self, device: Registered, invoice_type: str, blob: str) -> dict[str, str]:
        try:
            content = seals.unseal("totals", device.number, blob, seals.TOTALS_BYTES)
        except seals.BadSeal as error:
            raise BureauRefusal(codes.GENERAL, "汇总资料校验失败") from error
        if content["t"] != invoice_type or content["x"] != device.tax_no:
            raise BureauRefusal(codes.GENERAL, "汇总资料与票种或纳税人不符")
        return content

    def _known(self, number: str, invoice_type: str, period: Period) -> ReportedTotals | None:
        return next(
            (
                totals
                for totals in self._archive.reported(number)
                if totals.invoice_type == invoice_type and totals.period == period
            ),
            None,
        )

    def _latest(self, device: Registered, invoice_type: str) -> ReportedTotals:
        mine = [t for t in self._archive.reported(device.number) if t.invoice_type == invoice_type]
        if not mine:
            raise BureauRefusal("not_reported")
        return max(mine, key=lambda totals: totals.period)

    def _require_all_types(self, device: Registered, period: Period) -> None:
        reported = {
            totals.invoice_type
            for totals in self._archive.reported(device.number)
            if totals.period == period
        }
        if not reported.issuperset(device.invoice_types):
            raise BureauRefusal("not_reported")

    @staticmethod
    def _require_clock(totals: ReportedTotals) -> None:
        if abs(totals.clock_factor) > MAX_CLOCK_FACTOR:
            raise BureauRefusal("clock_factor")

    def _require_filed(self, totals: ReportedTotals) -> None:
        state = self._archive.filing(totals.tax_no, totals.period)
        if state is not FilingState.FILED:
            raise BureauRefusal(state.value)

    @staticmethod
    def _issue(totals: ReportedTotals, now: datetime) -> ReportedTotals:
        lock_date = next_lock_date(totals.period, totals.lock_date, totals.sealed_at.date())
        content = {
            "n": totals.device,
            "t": totals.invoice_type,
            "p": str(totals.period),
            "l": lock_date.isoformat(),
            "r": new_id().hex[-16:],
        }
        ciphertext = seals.seal("clear", totals.device, content, seals.CIPHERTEXT_BYTES)
        return totals.model_copy(
            update={"ciphertext": ciphertext, "new_lock_date": lock_date, "unlocked_at": now}
        )


def next_lock_date(cleared: Period, lock_date: date, today: date) -> date:
    """The lock date after clearing `cleared`: the next period's, in the month after that period.

    For a device that is up to date this is the 15th of the month after the device clock's month, moved
    on to Monday from a weekend; never in the month of `lock_date` or before. With older periods still
    open it may fall into the current month: then no earlier than its last day once the 15th is past.
    """
    month = max(cleared.plus(2), Period.of(lock_date).plus(1))
    day = month.first_day + timedelta(days=14)
    if day.weekday() >= 5:
        day += timedelta(days=7 - day.weekday())
    if Period.of(today) == month and day < today:
        return month.plus(1).first_day - timedelta(days=1)
    return day


def _read_totals(content: dict[str, str], now: datetime) -> ReportedTotals:
    names = ("normal", "red", "void_blank", "void", "void_red")
    counts = (int(count) for count in content["k"].split(","))
    return ReportedTotals(
        device=content["n"],
        tax_no=content["x"],
        invoice_type=content["t"],
        period=Period(content["p"]),
        counts=dict(zip(names, counts, strict=True)),
        amount=content["a"],
        tax=content["s"],
        lock_date=date.fromisoformat(content["l"]),
        sealed_at=datetime.fromisoformat(content["c"]),
        clock_factor=int(content["f"]),
        reported_at=now,
    )
