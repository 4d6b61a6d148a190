"""An accounting agency (代账公司): forty enterprises with three machines each, and the parts they play.

A place is the number of a device, 0 to 119; enterprise `place // 3` has the machines 0, 1 and 2 of one
tax number, each of another kind and each with an operator of its own. Lock dates are relative to today,
so that the plot is the same on any day of any month, the first and the last included.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession

from app.contracts.periods import Period, due_period
from app.contracts.tax_numbers import check_character
from app.core.clock import local, local_date, utc_now
from tests.e2e.harness import TYPES, Subject, World, until
from tests.free_ports import free_port

ENTERPRISES = 40
MACHINES = ("tax_disk", "golden_tax_disk", "ukey")
PLACES = frozenset(range(ENTERPRISES * len(MACHINES)))

NOT_FILED = frozenset(range(6))
MISMATCH = frozenset({6, 7, 8})
UNPLUGGED = frozenset({9, 12, 15, 18})
ZOMBIES = frozenset({21, 25})
LOCKED = 28
APPROVED = (31, 32, 30, 34)
"""One taxpayer's sub machines, its main machine, which waits for them, and a sub machine of another."""
REJECTED = 35
ADMINS_OWN = 37
MISSING_NUMBER = 39
STATUS_BY_HAND = 43
CHANGED_AMOUNT = 6
IMPORTED = frozenset(range(45, 57))
NO_INVOICES = frozenset({117, 118, 119})

BATCH = PLACES - set(APPROVED)
NEVER_CLEARED = MISMATCH | ZOMBIES | {LOCKED}
CLEARED = PLACES - NEVER_CLEARED
DUE = PLACES - ZOMBIES - {LOCKED}
FAILING = {
    "bureau.not_filed": NOT_FILED,
    "bureau.mismatch": MISMATCH,
    "device.disconnected": UNPLUGGED,
    "device.locked": frozenset({LOCKED}),
}
"""What the first run of the batch fails with, and where."""
FAILING_AGAIN = {code: FAILING[code] for code in ("bureau.mismatch", "device.locked")}

INVOICES = 2
"""Of each type a device has issued in its period, unless it is one of NO_INVOICES."""

LOCKS_SOON = "台设备即将锁死"
"""In the subject of the daily digest."""

ADMIN_MAIL = "admin@agency.example"
STAFF_MAIL = "staff@agency.example"
FINANCE_MAIL = "finance@agency.example"


def mail_of(place: int) -> str:
    """The e-mail address of the operator at this place."""
    return f"{code_of(place).lower()}@agency.example"


def code_of(place: int) -> str:
    """The operator's code (工号)."""
    return f"DZ{place:03d}"


def cycle_of(enterprise: int) -> str:
    """Every other enterprise files by the quarter."""
    return ("monthly", "quarterly")[enterprise % 2]


def lock_date_of(place: int, today: date) -> date:
    """Due ones lock after this month; a zombie's last report is more than 90 days ago."""
    if place in ZOMBIES:
        return today - timedelta(days=151)
    if place == LOCKED:
        return today - timedelta(days=1)
    return Period.of(today).last_day


def wait_for_a_day_long_enough() -> date:
    """Today in Asia/Shanghai, once there are minutes left of it: lock dates are days."""

    def left() -> bool:
        now = local(utc_now()).replace(tzinfo=None)
        midnight = datetime.combine(now.date() + timedelta(days=1), time())
        return midnight - now > timedelta(minutes=8)

    until(left, seconds=9 * 60, what="midnight has passed")
    return local_date(utc_now())


class AgencyWorld(World):
    """The simulated devices of the agency's clients, and how they are entered into the registers."""

    def __init__(self, folder: Path, template: Path, today: date, **options: Any) -> None:
        self.today = today
        super().__init__(folder, template, devices=len(PLACES), **options)

    def enrol(self) -> list[Subject]:
        """Enter enterprises, operators and devices through REST, and read each device; by place."""
        with ThreadPoolExecutor(4) as pool:
            enrolled = list(pool.map(self._enrol_enterprise, range(ENTERPRISES)))
        return [subject for subjects in enrolled for subject in subjects]

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Everything a list of the REST API has, page after page."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            wanted = query | {"limit": 200} | ({"cursor": cursor} if cursor else {})
            page = self.get(path, **wanted)
            items += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return items

    def set_reminder_days(self, days: str) -> None:
        """On how many days before the lock date people are reminded; empty: never."""
        answer = self.api.patch("/settings", json={"reminder_days": days})
        assert answer.status_code == 200, answer.text

    def cleared_on_devices(self) -> dict[str, Counter[str]]:
        """How often each device took a clearing (JKHC), by type; devices that took none left out."""
        found: dict[str, Counter[str]] = {}
        for entry in self.simulation.send("GET", "/log"):
            if entry["acted"] and entry["message"] == "JKHC":
                found.setdefault(entry["device"], Counter())[entry["invoice_type"]] += 1
        return found

    def _new_device(self, place: int) -> str:
        enterprise, machine = divmod(place, len(MACHINES))
        number = f"6618{place:08d}"
        seventeen = f"91310115{enterprise:09d}"
        body = {
            "number": number,
            "kind": MACHINES[machine],
            "machine_no": machine,
            "tax_no": seventeen + check_character(seventeen),
            "taxpayer_name": f"上海代账客户{enterprise}有限公司",
            "invoice_types": TYPES,
            "lock_date": lock_date_of(place, self.today).isoformat(),
        }
        self.simulation.send("POST", "/devices", body)
        if place == LOCKED:
            self.simulation.patch(number, locked=True)
        for kind in () if place in NO_INVOICES else TYPES:
            issued = {"invoice_type": kind, "count": INVOICES}
            self.simulation.send("POST", f"/devices/{number}/invoices", issued)
        return number

    def _write_agent_config(self, settle: float) -> None:
        """With the kind of each device, which the wire does not tell (docs/protocols.md, section 1)."""
        super()._write_agent_config(settle)
        path = self.folder / "agent.toml"
        text = path.read_text(encoding="utf-8")
        for place, number in enumerate(self._numbers):
            line = f'number = "{number}"'
            text = text.replace(line, f'{line}\nkind = "{MACHINES[place % len(MACHINES)]}"')
        path.write_text(text, encoding="utf-8")

    def _enrol_enterprise(self, enterprise: int) -> list[Subject]:
        first = enterprise * len(MACHINES)
        device = self.simulation.view(self._numbers[first])
        made = self.post(
            "/enterprises",
            {
                "tax_no": device["tax_no"],
                "name": device["taxpayer_name"],
                "filing_cycle": cycle_of(enterprise),
            },
        )
        places = range(first, first + len(MACHINES))
        return [self._enrol_operator(place, made["id"]) for place in places]

    def _enrol_operator(self, place: int, enterprise_id: str) -> Subject:
        device = self.simulation.view(self._numbers[place])
        code, name = code_of(place), f"开票员{place}"
        body = {"code": code, "name": name, "enterprise_id": enterprise_id, "email": mail_of(place)}
        operator = self.post("/operators", body)
        registered = self.post("/devices", self._device_body(device, operator["id"]))
        read = self.post(f"/devices/{registered['id']}/refresh")
        assert read["lock_date"] == device["lock_date"]
        return Subject(
            *(code, name, operator["id"], registered["id"], device["number"], device["tax_no"]),
            due_period(date.fromisoformat(device["lock_date"])),
        )


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it arrived."""

    to: str
    subject: str
    message_id: str


@dataclass
class PostOffice:
    """A mail server that keeps what arrives."""

    address: str = ""
    letters: list[Letter] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        """Called by aiosmtpd for every mail."""
        content = envelope.original_content
        assert content is not None
        message = message_from_bytes(content, policy=default)
        for recipient in envelope.rcpt_tos:
            self.letters.append(
                Letter(recipient, str(message["Subject"]), str(message["Message-ID"]))
            )
        return "250 OK"

    def about(self, words: str) -> Counter[str]:
        """How many mails whose subject has these words each address got."""
        return Counter(one.to for one in list(self.letters) if words in one.subject)


@contextmanager
def post_office() -> Iterator[PostOffice]:
    """A real SMTP server on a free port of 127.0.0.1."""
    office = PostOffice()
    controller = Controller(
        office, hostname="127.0.0.1", port=free_port(), loop=asyncio.new_event_loop()
    )
    controller.start()
    office.address = f"smtp://127.0.0.1:{controller.port}?from=qingka@agency.example&tls=none"
    try:
        yield office
    finally:
        controller.stop()


@dataclass(frozen=True, slots=True)
class Agency:
    """The world, its operators by place, and where its mails arrive."""

    world: AgencyWorld
    subjects: list[Subject]
    post: PostOffice

    @property
    def period(self) -> Period:
        """The period that is due."""
        return Period.of(self.world.today).plus(-1)

    def places_of(self, operator_ids: Iterable[str]) -> frozenset[int]:
        """The places of these operators."""
        wanted = set(operator_ids)
        return frozenset(
            place for place, one in enumerate(self.subjects) if one.operator_id in wanted
        )

    def numbers(self, places: frozenset[int]) -> set[str]:
        """The device numbers at these places."""
        return {self.subjects[place].number for place in places}


def send(
    browser: httpx.Client, method: str, path: str, status: int, body: object = None
) -> dict[str, Any]:
    """A call of the REST API with a session cookie, as the pages' scripts make it; gives the body."""
    answer = browser.request(method, f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def inbox(browser: httpx.Client, kind: str) -> list[dict[str, Any]]:
    """The account's notifications of a kind."""
    found = send(browser, "GET", f"/notifications?kind={kind}&limit=200", 200)
    return list(found["items"])
