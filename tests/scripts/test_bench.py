"""The measuring programs measure what they say: ratios, percentiles, loads, seeded registers."""

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import SYSTEM
from app.core.clock import local_date, utc_now
from app.core.db import Database
from app.core.pagination import PageRequest
from app.devices.models import Device, DeviceMonitor
from app.operators import queries
from app.operators.models import Operator
from scripts.bench.load import LoadFailed, Target, load, medians, percentile
from scripts.bench.memory import CommandFailed, await_quiet, measured, processor_seconds
from scripts.bench.options import ALL, parse
from scripts.bench.seed import device_number, seed_operators
from scripts.bench.table import Figure, above, at_least, at_most, below, skipped, table, write_json
from scripts.rig_daemon import plain_environment


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/right" else 500)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_ratios_and_limits_decide_what_is_met() -> None:
    assert at_least("a", 50, 100, unit="/s", least=0.5).met is True
    assert at_least("a", 49, 100, unit="/s", least=0.5).met is False
    assert at_most("a", 13, 10, unit="ms", most=1.3).met is True
    assert at_most("a", 14, 10, unit="ms", most=1.3).met is False
    assert below("a", 2.0, unit="s", most=2).met is True
    assert below("a", 2.1, unit="s", most=2).met is False
    assert above("a", 200_000, unit="/s", least=200_000).met is True
    assert above("a", 199_999, unit="/s", least=200_000).met is False
    assert skipped("a", "not installed").met is None


def test_table_stands_in_columns_also_with_chinese() -> None:
    shown = table([Figure("清卡", "1"), Figure("bulk", "2")]).splitlines()
    assert shown[0].startswith("figure  ours")
    assert shown[2].index("1") + 2 == shown[3].index("2")


def test_figures_are_kept_as_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.json"
    write_json(path, {"cores": 2}, [at_least("清卡", 1, 2, unit="/s", least=0.5, rounds=3)])
    text = path.read_text(encoding="utf-8")
    assert '"清卡"' in text
    assert '"rounds": 3' in text


def test_percentiles_are_of_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 50) == 51
    assert percentile(values, 99) == 100
    assert percentile([7.0], 99) == 7


def test_load_is_bounded_in_count(address: str) -> None:
    found = load(Target(address, ("/right",), {}), seconds=30, connections=3, most=30)
    assert len(found.latencies) == 30
    assert found.rate > 0


def test_load_of_errors_is_no_figure(address: str) -> None:
    with pytest.raises(LoadFailed, match="/wrong answered 500"):
        load(Target(address, ("/wrong",), {}), seconds=30, connections=1, most=5)


def test_medians_ask_in_turn() -> None:
    asked: list[str] = []
    found = medians([lambda: asked.append("a"), lambda: asked.append("b")], rounds=3)
    assert "".join(asked) == "ab" + "ababab"
    assert len(found) == 2


def test_commands_are_measured() -> None:
    run = measured(["json.tool", "--help"], plain_environment(), limit=60)
    assert "usage" in run.output
    assert run.seconds > 0
    with pytest.raises(CommandFailed, match="exited"):
        measured(["json.tool", "--no-such-option"], plain_environment(), limit=60)


def test_quick_sizes_yield_to_those_given() -> None:
    quick, full = parse(["--quick", "--operators", "70"]), parse([])
    assert quick.operators == 70
    assert quick.records < full.records
    assert full.only == frozenset(ALL)
    assert parse(["--only", "api"]).only == {"api"}


def test_seeded_registers_keep_the_invariants(database: Database) -> None:
    seed_operators(database, 45)
    with database.reading() as session:
        operators = {one.id: one for one in session.exec(select(Operator))}
        devices = list(session.exec(select(Device)))
        monitors = {one.device_id: one for one in session.exec(select(DeviceMonitor))}
        assert len(operators) == len(devices) == len(monitors) == 45
        for device in devices:
            operator = operators[device.operator_id]
            assert operator.device_numbers == device.number
            assert operator.device_count == 1
            assert operator.lock_date == device.lock_date == monitors[device.id].lock_date
            assert operator.enterprise_id == device.enterprise_id
        assert not session.execute(sa.text("PRAGMA foreign_key_check")).all()


def test_seeded_operators_are_found(database: Database) -> None:
    seed_operators(database, 45)
    with database.reading() as session:
        page = queries.list_operators(
            session,
            principal=SYSTEM,
            today=local_date(utc_now()),
            page=PageRequest(),
            q=device_number(40),
        )
    assert [row.code for row in page.items] == ["KP0000040"]


def test_processor_time_is_what_a_process_used() -> None:
    before, end = processor_seconds(os.getpid()), time.process_time() + 0.5
    while time.process_time() < end:
        pass
    assert processor_seconds(os.getpid()) - before >= 0.4


def test_a_process_that_sleeps_is_quiet() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        await_quiet(process.pid)
        with pytest.raises(TimeoutError):
            await_quiet(process.pid, limit=0)
    finally:
        process.kill()
        process.wait()
