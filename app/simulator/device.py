"""One virtual tax-control device: a pure state machine, without input or output.

Every transport (HTTP here, a serial converter or a shared library elsewhere) speaks for this one model.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from app.contracts.devices import InvoiceStatus
from app.contracts.periods import Period
from app.simulator import codes, seals
from app.simulator.codes import DeviceRefusal, Refusal
from app.simulator.model import PASSWORD_TRIES, ClearedMark, DeviceState, Invoice, Seal, TypeState
from app.simulator.totals import Totals, months, totals

LONGEST_STATISTICS = timedelta(days=366 * 3)


class VirtualDevice:
    """Acts on `state` and `invoices`. `true_time` gives the right local time; the device adds its drift.

    Every method that meets a reason to say no raises `DeviceRefusal` with the family's own code.
    """

    def __init__(
        self, state: DeviceState, invoices: list[Invoice], true_time: Callable[[], datetime]
    ) -> None:
        self.state = state
        self.stored_invoices = invoices
        self._true_time = true_time

    # -- reading ---------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The device's own clock: naive Asia/Shanghai, to the second."""
        drift = timedelta(seconds=self.state.clock_offset_seconds)
        return (self._true_time() + drift).replace(microsecond=0)

    @property
    def overdue(self) -> bool:
        """Past a lock date: it issues nothing, and is still reported and cleared, which unlocks it."""
        return any(state.lock_date < self.now.date() for state in self.state.types)

    @property
    def locked(self) -> bool:
        """It refuses to be reported and cleared: by hand, or overdue with more than one period open.

        A tax office's unlocking outweighs both.
        """
        if self.state.lock_override is not None:
            return self.state.lock_override
        return self.overdue and any(self._several_open(state) for state in self.state.types)

    def number(self) -> str:
        """编号查询 (SKSBBH); wants no password."""
        self._require_plugged()
        return self.state.number

    def check_password(self, password: str) -> None:
        """A wrong password costs a try; at zero the right one is refused too, until it is reset."""
        self._require_plugged()
        state = self.state
        if state.tries_left and password == state.password:
            state.tries_left = PASSWORD_TRIES
            return
        state.tries_left = max(0, state.tries_left - 1)
        raise codes.wrong_password(state.kind, state.tries_left)

    def authorised(self, invoice_type: str) -> TypeState:
        """The state of a type the device is authorised for."""
        found = self.state.of_type(invoice_type)
        if found is None:
            raise self.refusal(Refusal.TYPE_NOT_AUTHORIZED)
        return found

    def earliest_lock_date(self) -> date:
        """The lock date of the type that locks first."""
        return min(state.lock_date for state in self.state.types)

    def last_reported_at(self) -> datetime | None:
        """The latest report of any type."""
        return max(
            (state.last_reported_at for state in self.state.types if state.last_reported_at),
            default=None,
        )

    def not_uploaded(self) -> list[Invoice]:
        """Invoices issued offline that have not reached the bureau."""
        return [invoice for invoice in self.stored_invoices if not invoice.uploaded]

    def statistics(self, invoice_type: str, first: date, last: date) -> list[Totals]:
        """统计 of each calendar month of the range, months without invoices included."""
        self.authorised(invoice_type)
        if not timedelta(0) <= last - first <= LONGEST_STATISTICS:
            raise self.refusal(Refusal.BAD_FIELD, "统计起止日期有误")
        mine = self._of_type(invoice_type)
        return [totals(mine, start, end) for start, end in months(first, last)]

    def invoices_of_month(self, invoice_type: str, period: Period) -> list[Invoice]:
        """发票查询 by month (cxfs 1), in the order of issue."""
        self.authorised(invoice_type)
        return [i for i in self._of_type(invoice_type) if Period.of(i.issued_at) == period]

    def invoices_by_number(
        self, invoice_type: str, code: str, first: str, last: str
    ) -> list[Invoice]:
        """发票查询 by code and a range of numbers (cxfs 0)."""
        self.authorised(invoice_type)
        return [
            invoice
            for invoice in self._of_type(invoice_type)
            if invoice.code == code and first <= invoice.number <= last
        ]

    # -- changing --------------------------------------------------------------------------------

    def report(self, invoice_type: str) -> Seal:
        """数据抄报 (SJCB): seal the totals of the oldest open period.

        Totals that were sealed today but have not reached the bureau are given again; once they have,
        the same day refuses with 当天不能再次抄报.
        """
        self._require_unlocked()
        state = self.authorised(invoice_type)
        today = self.now.date()
        if state.open_period >= Period.of(today):
            raise self.refusal(Refusal.NO_TOTALS)
        self._require_uploaded(invoice_type)
        self._require_one_open_period(state)
        if state.seal is not None and self._sealed_today(state.seal, today):
            if state.seal.delivered:
                raise self.refusal(Refusal.REPORTED_TODAY)
            return state.seal
        state.seal = self._seal(state)
        state.last_reported_at = self.now
        return state.seal

    def take_invoices(self, invoices: Sequence[Invoice]) -> None:
        """Keep newly issued invoices, in the order of issue."""
        self.stored_invoices.extend(invoices)
        self.stored_invoices.sort(key=lambda i: (i.issued_at, i.invoice_type, i.number))

    def delivered(self, invoice_type: str, blob: str) -> None:
        """The secure channel tells the device that the bureau has taken these sealed totals."""
        state = self.state.of_type(invoice_type)
        if state is not None and state.seal is not None and state.seal.blob == blob:
            state.seal.delivered = True

    def clear(self, invoice_type: str, ciphertext: str) -> ClearedMark:
        """监控回传 (JKHC): take the bureau's one-time ciphertext; totals reset, lock date moves on."""
        self._require_unlocked()
        state = self.authorised(invoice_type)
        content = self._open_ciphertext(ciphertext)
        if content["r"] in state.used_nonces:
            raise self.refusal(Refusal.ALREADY_USED)
        if content["t"] != invoice_type:
            raise self.refusal(Refusal.WRONG_TYPE)
        if state.seal is None:
            raise self.refusal(Refusal.NOT_REPORTED)
        if content["p"] != state.open_period:
            raise self.refusal(Refusal.WRONG_PERIOD)
        lock_date = date.fromisoformat(content["l"])
        if Period.of(lock_date) <= Period.of(state.lock_date):
            raise self.refusal(Refusal.LOCK_DATE_INVALID)
        state.used_nonces.append(content["r"])
        return self._move_on(state, lock_date)

    def set_clock(self, at: datetime) -> None:
        """Set the clock. Refused for a time before the latest report or invoice (时钟不能往前改)."""
        newest = max((i.issued_at for i in self.stored_invoices), default=datetime.min)
        newest = max(newest, self.last_reported_at() or datetime.min)
        if at < newest:
            raise self.refusal(Refusal.CLOCK_BACKWARDS)
        self.state.clock_offset_seconds = (at - self._true_time()).total_seconds()
        for state in self.state.types:
            if state.seal is not None:
                state.seal.stale = True

    def refusal(self, refusal: Refusal, detail: str = "") -> DeviceRefusal:
        """`refusal` in the words of this device's family."""
        return codes.refuse(self.state.kind, refusal, detail)

    # -- rules -----------------------------------------------------------------------------------

    def _require_plugged(self) -> None:
        if not self.state.plugged:
            raise self.refusal(Refusal.NOT_FOUND)

    def _require_unlocked(self) -> None:
        if self.locked:
            raise self.refusal(Refusal.LOCKED)

    def _require_uploaded(self, invoice_type: str) -> None:
        waiting = {i.status for i in self.not_uploaded() if i.invoice_type == invoice_type}
        if InvoiceStatus.NORMAL in waiting:
            raise self.refusal(Refusal.OFFLINE_NOT_UPLOADED)
        if InvoiceStatus.RED in waiting:
            raise self.refusal(Refusal.RED_NOT_UPLOADED)
        if waiting:
            raise self.refusal(Refusal.VOID_NOT_UPLOADED)

    def _require_one_open_period(self, state: TypeState) -> None:
        """After the tax office has unlocked the device, the oldest period is taken first instead."""
        if self.state.lock_override is False or not self._several_open(state):
            return
        others = any(self._several_open(other) for other in self.state.types if other is not state)
        raise self.refusal(Refusal.SEVERAL_TYPES_AND_PERIODS if others else Refusal.SEVERAL_PERIODS)

    def _several_open(self, state: TypeState) -> bool:
        return state.open_period.plus(1) < Period.of(self.now)

    @staticmethod
    def _sealed_today(seal: Seal, today: date) -> bool:
        return not seal.stale and seal.sealed_at.date() == today

    def _of_type(self, invoice_type: str) -> Sequence[Invoice]:
        return [i for i in self.stored_invoices if i.invoice_type == invoice_type]

    # -- sealing ---------------------------------------------------------------------------------

    def _seal(self, state: TypeState) -> Seal:
        period = state.open_period
        sums = totals(self._of_type(state.invoice_type), state.report_from, state.report_to.date())
        content = {
            "n": self.state.number,
            "x": self.state.taxpayer.tax_no,
            "t": state.invoice_type,
            "p": period,
            "l": state.lock_date.isoformat(),
            "c": self.now.isoformat(),
            "f": str(round(self.state.clock_offset_seconds)),
            "k": ",".join(str(bucket.count) for bucket in sums.by_status.values()),
            "a": str(sum(bucket.amount for bucket in sums.by_status.values())),
            "s": str(sum(bucket.tax for bucket in sums.by_status.values())),
        }
        blob = seals.seal("totals", self.state.number, content, seals.TOTALS_BYTES)
        return Seal(period=period, sealed_at=self.now, blob=blob)

    def _open_ciphertext(self, ciphertext: str) -> dict[str, str]:
        try:
            return seals.unseal("clear", self.state.number, ciphertext, seals.CIPHERTEXT_BYTES)
        except seals.BadSeal as error:
            named = seals.peek_number(ciphertext, seals.CIPHERTEXT_BYTES)
            other = named is not None and named != self.state.number
            raise self.refusal(Refusal.WRONG_DEVICE if other else Refusal.BAD_CHECKSUM) from error

    def _move_on(self, state: TypeState, lock_date: date) -> ClearedMark:
        mark = ClearedMark(
            period=state.open_period,
            cleared_at=self.now,
            lock_date_before=state.lock_date,
            lock_date_after=lock_date,
        )
        state.cleared.append(mark)
        state.seal = None
        state.report_from = state.open_period.plus(1).first_day
        state.lock_date = lock_date
        if all(other.lock_date >= self.now.date() for other in self.state.types):
            self.state.lock_override = None
        return mark
