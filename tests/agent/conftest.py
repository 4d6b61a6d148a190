"""A fake tax server and bureau in this process, and runtimes on top of it.

The fake answers the XML messages from a few lines of state, keeps a log of what reached it, and can be
told to misbehave once. It shares no code with the driver's messages nor with the simulated servers.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import pytest
from defusedxml.ElementTree import fromstring

from app.agent import assembly
from app.agent.config import AgentConfig, DeviceConfig, parse_config
from app.agent.drivers.transports import AnswerLost, NotSent
from app.agent.drivers.xml.bureau import BureauClient
from app.agent.drivers.xml.dialects import dialect_of
from app.agent.drivers.xml.driver import XmlDriver
from app.agent.runtime import Runtime
from app.contracts.operations import FINAL_STATES, Operation, OperationRequest, OperationState
from app.core.ids import new_id

T = TypeVar("T")

NOW = datetime(2026, 11, 10, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai
NUMBER = "661814461322"
TAX_NO = "91420111LQHQ3ULKA4"
PASSWORD = "71624935"
PERIOD = "2026-10"


@dataclass
class FakeType:
    """One invoice type of the fake device."""

    lock: date = date(2026, 11, 16)
    report_from: date = date(2026, 10, 1)
    reported_at: datetime = datetime(2026, 10, 8, 9, 0)
    sealed: int = 0
    delivered: bool = False
    confirmed: bool = False
    used: set[str] = field(default_factory=set)


@dataclass
class Misbehaviour:
    """What goes wrong with a message: `effect` for the next `times` such messages."""

    message: str
    effect: str
    kind: str | None = None
    times: int = 1
    code: str = ""
    text: str = ""


@dataclass
class FakeWorld:
    """The state. `log` has (message, invoice type) of all that arrived, `acted` those that took effect."""

    kind: str = "tax_disk"
    dialect: str = "component"
    types: dict[str, FakeType] = field(
        default_factory=lambda: {"004": FakeType(), "007": FakeType()}
    )
    number: str = NUMBER
    tax_no: str = TAX_NO
    clock: datetime = datetime(2026, 11, 10, 10, 0)
    new_lock: date = date(2026, 12, 15)
    log: list[tuple[str, str]] = field(default_factory=list)
    acted: list[tuple[str, str]] = field(default_factory=list)
    ciphertexts: list[str] = field(default_factory=list)
    misbehaviours: list[Misbehaviour] = field(default_factory=list)
    filing: tuple[str, str] = ("0", "成功")
    plugged: bool = True
    tries_left: int = 8
    remarks: str = ""
    on_crash: Callable[[], None] = lambda: None

    # -- telling it to misbehave -----------------------------------------------------------------

    def will(self, message: str, effect: str, **more: Any) -> None:
        self.misbehaviours.append(Misbehaviour(message, effect, **more))

    def sent(self, message: str) -> list[str]:
        """The invoice types of the messages of this id that arrived, in order."""
        return [kind for name, kind in self.log if name == message]

    def clears(self) -> list[str]:
        """The invoice types whose JKHC took effect, in order."""
        return [kind for name, kind in self.acted if name == "JKHC"]

    def names(self) -> list[str]:
        """What arrived that belongs to a conversation, not to reading or probing."""
        reading = {"SKSBBH", "SKPXXCX", "JKSJCX"}
        return [f"{name} {kind}".strip() for name, kind in self.log if name not in reading]

    # -- the wire --------------------------------------------------------------------------------

    def exchange(self, side: str, message: bytes) -> bytes:
        root = fromstring(re.sub(r"^<\?xml[^>]*\?>", "", message.decode("gbk")))
        name, fields = root.get("id", ""), self._fields(root)
        kind = fields.get("fplxdm", "")
        wrong = self._misbehaviour(name, kind) or Misbehaviour(name, "none")
        if (not self.plugged and side == "device") or wrong.effect == "not_sent":
            raise NotSent("unplugged")
        self.log.append((name, kind))
        self._before(wrong)
        if wrong.effect == "refuse":
            return self._answer(name, {}, wrong.code, wrong.text)
        answer = self._handle(side, name, kind, fields, root)
        self._after(wrong)
        return b"\xff\x00" + answer[5:40] if wrong.effect == "garbage" else answer

    def _before(self, wrong: Misbehaviour) -> None:
        if wrong.effect == "unplugged_before":
            self.plugged = False
        if wrong.effect == "crash_before":
            self.on_crash()
        if wrong.effect.endswith("_before"):
            raise AnswerLost(wrong.effect, timed_out=True)

    def _after(self, wrong: Misbehaviour) -> None:
        if wrong.effect == "unplugged_after":
            self.plugged = False
        if wrong.effect == "crash_after":
            self.on_crash()
        if wrong.effect.endswith("_after"):
            raise AnswerLost(wrong.effect)

    def _misbehaviour(self, name: str, kind: str) -> Misbehaviour | None:
        for wrong in self.misbehaviours:
            if wrong.message == name and wrong.times and wrong.kind in (None, kind):
                wrong.times -= 1
                return wrong
        return None

    def _fields(self, root: Element) -> dict[str, str]:
        given = root.find("body/input")
        assert given is not None
        names = {"skpbh": "sksbbh", "skpkl": "sksbkl"}
        body = root.find("body")
        assert body is not None
        assert (body.get("yylxdm") == "1") is (self.dialect == "component")
        return {names.get(c.tag, c.tag): c.text or "" for c in given if len(c) == 0}

    def _answer(
        self,
        name: str,
        fields: dict[str, str],
        code: str = "0",
        text: str = "成功",
        groups: str = "",
    ) -> bytes:
        number = "skpbh" if self.dialect == "component" else "sksbbh"
        inner = "".join(
            f"<{k.replace('sksbbh', number)}>{escape(v)}</{k.replace('sksbbh', number)}>"
            for k, v in fields.items()
        )
        return (
            f'<?xml version="1.0" encoding="gbk"?><business id="{name}"><body><output>{groups}{inner}'
            f"<returncode>{code}</returncode><returnmsg>{text}</returnmsg></output></body></business>"
        ).encode("gbk")

    # -- the device and the bureau ---------------------------------------------------------------

    def _handle(
        self, side: str, name: str, kind: str, fields: dict[str, str], root: Element
    ) -> bytes:
        if side == "bureau":
            return self._bureau(name, root)
        if name == "SKSBBH":
            return self._answer(name, {"sksbbh": self.number})
        if fields["sksbkl"] != PASSWORD:
            self.tries_left -= 1
            return self._answer(name, {}, f"0963c{self.tries_left}", "证书口令错误")
        handler: Callable[[str, dict[str, str]], bytes] = getattr(self, f"_{name.lower()}")
        return handler(kind, fields)

    def _skpxxcx(self, kind: str, fields: dict[str, str]) -> bytes:
        info = {
            "sksbbh": self.number,
            "nsrsbh": self.tax_no,
            "nsrmc": "武汉源华环保科技股份有限公司",
            "fplxdm": "".join(self.types),
            "dqsz": f"{self.clock:%Y%m%d%H%M%S}",
            "bbh": "V2.0.1",
            "kpjh": "0",
            "qtkzxx": self.remarks,
        }
        return self._answer("SKPXXCX", info)

    def _sksbqtyxxcx(self, kind: str, fields: dict[str, str]) -> bytes:
        text = {"0": "20261116", "1": "202611100900"}[fields["xxlx"]]
        return self._answer("SKSBQTYXXCX", {"sksbxx": text})

    def _jksjcx(self, kind: str, fields: dict[str, str]) -> bytes:
        state = self.types[kind]
        monitor = {
            "fplxdm": kind,
            "kpjzsj": f"{state.lock:%Y%m%d}",
            "bsqsrq": f"{state.report_from:%Y%m%d}000000",
            "zxbsrq": f"{state.reported_at:%Y%m%d%H%M%S}",
            "dzkpxe": "99999.99",
        }
        return self._answer("JKSJCX", monitor)

    def _sjcb(self, kind: str, fields: dict[str, str]) -> bytes:
        state = self.types[kind]
        if state.delivered:
            return self._answer("SJCB", {}, "-101", "当天不能再次抄报")
        state.sealed += 1
        state.reported_at = self.clock
        self.acted.append(("SJCB", kind))
        return self._answer("SJCB", {"sq": "2026100100000020261031235959", "fphz": f"seal{kind}"})

    def _jkhc(self, kind: str, fields: dict[str, str]) -> bytes:
        state, ciphertext = self.types[kind], fields["fpjkmw"]
        self.ciphertexts.append(ciphertext)
        if ciphertext in state.used:
            return self._answer("JKHC", {}, "09d118", "已清卡，重复操作")
        assert ciphertext.startswith(f"clear{kind}")
        state.used.add(ciphertext)
        state.lock, state.report_from = self.new_lock, date(2026, 11, 1)
        self.acted.append(("JKHC", kind))
        return self._answer("JKHC", {})

    def _skpbsp(self, kind: str, fields: dict[str, str]) -> bytes:
        assert fields["czlx"] == "4"
        self.clock = datetime.strptime(fields["hzxx"], "%Y%m%d%H%M%S")
        return self._answer("SKPBSP", {})

    def _tjxxcx(self, kind: str, fields: dict[str, str]) -> bytes:
        counts = [
            "qckcfs",
            "lgfpfs",
            "thfpfs",
            "zsfpfs",
            "zffpfs",
            "fsfpfs",
            "fffpfs",
            "kffpfs",
            "qmkcfs",
        ]
        inner = "".join(f"<{name}>1</{name}>" for name in counts)
        days = f"<qsrq>{fields['qsrq']}</qsrq><jzrq>{fields['zzrq']}</jzrq>"
        group = (
            f'<tjxx count="1"><group xh="1">{days}{inner}<zsfpljje>12.50</zsfpljje></group></tjxx>'
        )
        return self._answer("TJXXCX", {}, groups=group)

    def _fpcx(self, kind: str, fields: dict[str, str]) -> bytes:
        group = (
            '<fpxx count="1"><group xh="1"><fpdm>3100000130</fpdm><fphm>10000001</fphm><fpzt>1</fpzt>'
            "<scbz>1</scbz><kprq>20261003</kprq><kpsj>121622</kpsj><hjje>-10.00</hjje><hjse>-1.30</hjse>"
            '<sfxm count="1"><group xh="1"><xm>某</xm></group></sfxm><jshj>-11.30</jshj></group></fpxx>'
        )
        return self._answer("FPCX", {}, groups=group)

    def _bureau(self, name: str, root: Element) -> bytes:
        body = root.find("body")
        assert body is not None
        assert body.get("skph") == NUMBER
        assert body.get("nsrsbh") == TAX_NO
        groups = list(root.iter("group"))
        assert body.get("count") == str(len(groups))
        answers = [self._bureau_type(name, group) for group in groups]
        return self._answer(name, {}, groups="".join(answers))

    def _bureau_type(self, name: str, group: Element) -> str:
        kind = group.findtext("fplxdm") or ""
        state, extra, code = self.types[kind], "", self.filing if name == "QLJS" else ("0", "成功")
        if name == "WLCB":
            assert group.findtext("fphz") == f"seal{kind}"
            state.delivered = True
        if name == "QLJS" and not all(one.delivered for one in self.types.values()):
            code = ("not_reported", "有票种未抄报")
        if name == "QLJS" and code[0] == "0":
            extra = f"<fpjkmw>clear{kind}:{len(self.sent('QLJS'))}</fpjkmw><szjkmw/>"
        if name == "QLJSJGQR":
            state.confirmed = True
        self.acted.append((name, kind))
        result = f"<returncode>{code[0]}</returncode><returnmsg>{code[1]}</returnmsg>"
        return f"<group><fplxdm>{kind}</fplxdm>{extra}{result}</group>"


@dataclass
class FakeTransport:
    """One side of the fake world."""

    world: FakeWorld
    side: str
    address: str = "fake"

    def exchange(self, message: bytes, timeout: float | None = None) -> bytes:
        return self.world.exchange(self.side, message)

    def close(self) -> None:
        pass


def fake_driver(world: FakeWorld, config: DeviceConfig, password: str) -> XmlDriver:
    dialect = dialect_of(world.dialect)
    return XmlDriver(
        "tax_server",
        config.kind,
        dialect=dialect,
        transport=FakeTransport(world, "device"),
        bureau=BureauClient(FakeTransport(world, "bureau"), dialect),
        password=password,
        number=config.number,
        timeout=2,
    )


@dataclass
class Lab:
    """Runtimes over one fake world and one journal; `restart` is what a new process would be."""

    world: FakeWorld
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    now: datetime = NOW
    running: list[Runtime] = field(default_factory=list)

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def config(self) -> AgentConfig:
        device = {
            "driver": "tax_server",
            "url": "http://127.0.0.1:9",
            "bureau_url": "http://127.0.0.1:9/bureau",
            "number": NUMBER,
            "password": PASSWORD,
            "kind": self.world.kind,
        }
        base = {"probe_seconds": 600, "settle_seconds": 0.05, "device": [device]}
        return parse_config(base | self.settings)

    def start(self, prepare: Callable[[Runtime], None] | None = None) -> Runtime:
        runtime = assembly.build_runtime(self.config(), self.folder, clock=self.clock)
        self.world.on_crash = runtime.journal.close
        self.running.append(runtime)
        if prepare is not None:
            prepare(runtime)
        runtime.start()
        return runtime

    def restart(self) -> Runtime:
        self.running.pop().stop()
        return self.start()

    def submit(self, kind: str = "clear", **more: Any) -> UUID:
        request = self.request(kind, **more)
        self.running[-1].submit(NUMBER, request)
        return request.id

    @staticmethod
    def request(kind: str = "clear", **more: Any) -> OperationRequest:
        content = {"id": new_id(), "kind": kind, "period": PERIOD} | more
        return OperationRequest.model_validate(content)

    def done(self, operation_id: UUID) -> Operation:
        """The operation once it is final."""
        return self.until(operation_id, *FINAL_STATES)

    def until(self, operation_id: UUID, *states: OperationState) -> Operation:
        """The operation once it is in one of these states."""
        return self.eventually(lambda: self._in_state(operation_id, *states))

    def run(self, kind: str = "clear", **more: Any) -> Operation:
        """Submit and wait."""
        return self.done(self.submit(kind, **more))

    @staticmethod
    def eventually(question: Callable[[], T | None]) -> T:
        """The first answer that is not None, within ten seconds."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (answer := question()) is not None:
                return answer
            time.sleep(0.005)
        raise AssertionError("it did not come")

    def _in_state(self, operation_id: UUID, *states: OperationState) -> Operation | None:
        operation = self.running[-1].operation(operation_id)
        return operation if operation.state in states else None


@pytest.fixture
def world() -> FakeWorld:
    """A tax disk with two types that are due: lock date in the clock's month, nothing reported."""
    return FakeWorld()


@pytest.fixture
def lab(world: FakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Runtimes over `world`; all of them are stopped at the end."""
    monkeypatch.setattr(
        assembly, "build_driver", lambda config, password: fake_driver(world, config, password)
    )
    laboratory = Lab(world, tmp_path)
    yield laboratory
    for runtime in laboratory.running:
        runtime.stop()


@pytest.fixture
def reported_lab(lab: Lab) -> Lab:
    """A started runtime whose device has been reported already."""
    lab.start()
    assert lab.run("report").state is OperationState.SUCCEEDED
    lab.world.log.clear()
    lab.world.acted.clear()
    return lab
