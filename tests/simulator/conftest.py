"""A virtual server as a subprocess, and a client that speaks its protocol by hand."""

import itertools
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest
from defusedxml.ElementTree import fromstring

PASSWORD = "88888888"
_counter = itertools.count(1)


@dataclass
class Answer:
    """A parsed answer: its id, the leaf fields of `output`, and the groups."""

    id: str
    fields: dict[str, str]
    groups: list[dict[str, str]]

    @property
    def code(self) -> str:
        return self.fields.get("returncode", "")


def parse(payload: bytes) -> Answer:
    text = re.sub(r"^<\?xml[^>]*\?>", "", payload.decode("gbk"))
    root = fromstring(text)
    output = root.find("body/output")
    assert output is not None
    fields = {child.tag: child.text or "" for child in output if len(child) == 0}
    groups = [{c.tag: c.text or "" for c in group} for group in output.iter("group")]
    return Answer(root.get("id", ""), fields, groups)


def message(name: str, fields: dict[str, str], *, component: bool = False) -> bytes:
    names = {"sksbbh": "skpbh", "sksbkl": "skpkl"} if component else {}
    inner = "".join(
        f"<{names.get(k, k)}>{escape(v)}</{names.get(k, k)}>" for k, v in fields.items()
    )
    mark = ' yylxdm="1"' if component else ""
    return (
        f'<?xml version="1.0" encoding="gbk"?><business id="{name}" comment="测试">'
        f"<body{mark}><input>{inner}</input></body></business>"
    ).encode("gbk")


def bureau_message(
    name: str, number: str, tax_no: str, groups: list[dict[str, str]], qtxx: str = ""
) -> bytes:
    inner = "".join(
        f'<group xh="{n}">' + "".join(f"<{k}>{v}</{k}>" for k, v in group.items()) + "</group>"
        for n, group in enumerate(groups, start=1)
    )
    extra = f"<qtxx>{qtxx}</qtxx>" if qtxx else ""
    return (
        f'<?xml version="1.0" encoding="gbk"?><business id="{name}"><body count="{len(groups)}" '
        f'skph="{number}" nsrsbh="{tax_no}" kpjh="0"><input>{inner}{extra}</input></body></business>'
    ).encode("gbk")


@dataclass
class VirtualServer:
    """A running server; `client` is bound to its address."""

    process: subprocess.Popen[str]
    url: str
    client: httpx.Client
    data_dir: Path
    component: bool = False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.client.close()
        self.process.send_signal(how)
        self.process.wait(timeout=10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def send(self, payload: bytes, path: str = "/SKServer/SKDo") -> bytes:
        headers = {"Content-Type": "text/xml"}
        answer = self.client.post(path, content=payload, headers=headers)
        answer.raise_for_status()
        return answer.content

    def payload(self, name: str, number: str, **fields: str) -> bytes:
        known = {"jqbh": "", "sksbbh": number, "sksbkl": PASSWORD} | fields
        return message(name, known, component=self.component)

    def ask(self, name: str, number: str, **fields: str) -> Answer:
        return parse(self.send(self.payload(name, number, **fields)))

    async def ask_async(
        self, client: httpx.AsyncClient, name: str, number: str, **fields: str
    ) -> Answer:
        known = {"sksbbh": number, "sksbkl": PASSWORD} | fields
        return parse((await client.post("/SKServer/SKDo", content=message(name, known))).content)

    def ask_bureau(
        self, name: str, number: str, groups: list[dict[str, str]], qtxx: str = ""
    ) -> Answer:
        payload = bureau_message(name, number, self.device(number)["tax_no"], groups, qtxx)
        return parse(self.send(payload, "/bureau"))

    def device(self, number: str) -> dict[str, Any]:
        view: dict[str, Any] = self.control("GET", f"/devices/{number}")
        return view

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, f"/control{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    def log(self, number: str, after: int = 0) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.control("GET", f"/log?device={number}&after={after}")
        return entries

    def last_seq(self) -> int:
        entries = self.control("GET", "/log")
        return entries[-1]["seq"] if entries else 0

    def numbers(self) -> list[str]:
        return [device["number"] for device in self.control("GET", "/devices")]

    def report(self, number: str) -> dict[str, str]:
        """The whole report conversation; fphz by type."""
        types = self.device(number)["invoice_types"]
        sealed = {t: self.ask("SJCB", number, fplxdm=t, jzlx="1").fields["fphz"] for t in types}
        groups = [{"fplxdm": t, "fphz": blob, "qtxx": ""} for t, blob in sealed.items()]
        answer = self.ask_bureau("WLCB", number, groups)
        assert [group["returncode"] for group in answer.groups] == ["0"] * len(types)
        return sealed

    def unlock(self, number: str) -> dict[str, str]:
        """QLJS for all types; fpjkmw by type."""
        types = self.device(number)["invoice_types"]
        answer = self.ask_bureau("QLJS", number, [{"fplxdm": t} for t in types])
        assert [group["returncode"] for group in answer.groups] == ["0"] * len(types)
        return {group["fplxdm"]: group["fpjkmw"] for group in answer.groups}

    def clear(self, number: str) -> dict[str, str]:
        """The whole clear conversation; fpjkmw by type."""
        ciphertexts = self.unlock(number)
        for kind, ciphertext in ciphertexts.items():
            answer = self.ask("JKHC", number, fplxdm=kind, fpjkmw=ciphertext, szjkmw="")
            assert answer.code == "0", answer
        groups = [{"fplxdm": t, "qtxx": c} for t, c in ciphertexts.items()]
        confirmed = self.ask_bureau("QLJSJGQR", number, groups)
        assert [g["returncode"] for g in confirmed.groups] == ["0"] * len(groups)
        return ciphertexts


StartServer = Callable[..., VirtualServer]


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers with given options; every one still running is stopped at the end."""
    running: list[VirtualServer] = []

    def start(*options: str, data_dir: Path | None = None) -> VirtualServer:
        directory = data_dir or tmp_path_factory.mktemp("virtual")
        command = [sys.executable, "-m", "app.simulator", "serve", "--port", "0"]
        with (directory / "stderr.log").open("a") as errors:
            process = subprocess.Popen(
                [*command, "--data-dir", str(directory), *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"virtual ready on (http://\S+)\n", line)
        assert found is not None, line
        client = httpx.Client(base_url=found[1], timeout=20)
        server = VirtualServer(process, found[1], client, directory)
        running.append(server)
        return server

    yield start
    for server in running:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="module")
def server(start_server: StartServer) -> VirtualServer:
    """Twelve devices in the middle of a month, shared by the tests of a module."""
    return start_server("--devices", "12", "--clock", "2026-11-10T10:00:00")


@pytest.fixture
def new_device(server: VirtualServer) -> Iterator[Callable[..., str]]:
    """Add a device of its own to the shared server; faults are switched off at the end."""

    def add(kind: str = "tax_disk", **changes: Any) -> str:
        number = f"9{next(_counter):011d}"
        body = {"number": number, "kind": kind, "tax_no": f"91350100M{number}"[:20]} | changes
        server.control("POST", "/devices", body)
        return number

    yield add
    server.control("DELETE", "/faults")
