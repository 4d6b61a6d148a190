"""What one clearing costs: python -m scripts.clearing_cost [--json] [--statements].

Runs the product with a mounted agent in one process, beside simulated devices, on SQLite; one clearing to get warm, then
one that is counted, from the POST of its request until the engine has put it away. It runs three times, as what
counts functions or calls of the system slows down what is counted: plain (statements, commits, processor time),
profiled (functions, files, HTTP calls, hand-overs to threads), and under `strace` where that is installed (fsyncs).
"""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from app.main import create_app
from app.settings import Settings
from scripts.clearing_watch import Functions, Statements
from scripts.rig import Rig, RigPlan
from tests.e2e.harness import Subject

STAGES = ("request", "init", "backup", "clear", "done", "after")
"""Of the product's own stages `request` is what comes before, `after` what follows the success."""
NAMES = {"qingka.db": "product", "workflows.db": "dbos", "agent-journal.db": "agent"}
PROFILED = (
    *("http_calls", "hand_overs", "files", "files_of_server"),
    *("functions_of_app", "functions"),
)
INVOICES_OF_TYPE = 50
LIMIT = 120.0


class Site(Rig):
    """The site of the measurements with the server in this process."""

    def start(self) -> None:
        """Serve from a thread of this process."""
        settings = Settings(
            data_dir=self.data_dir,
            agent_config=self.folder / "agent.toml",
            api_rate_per_minute=1_000_000,
            log_level="WARNING",
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(settings), log_config=None, lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()
        self.api = self.client()
        self._agent_id = self._register_agent()

    def client(self) -> httpx.Client:
        """A client of the REST API with the admin's key."""
        port = self._listener.getsockname()[1]
        return httpx.Client(
            base_url=f"http://127.0.0.1:{port}/api/v1",
            headers={"Authorization": f"Bearer {self.admin_key}"},
            trust_env=False,
            timeout=60,
        )

    def close(self) -> None:
        """End the server and the simulation."""
        self._server.should_exit = True
        self._thread.join(30)
        super().close()


class Course:
    """Follows a clearing by the statements it is made of."""

    def __init__(self) -> None:
        self.statements = Statements(self._follow)
        self.over = threading.Event()
        self.succeeded_at = 0.0
        self._succeeding = False
        self._watching = False

    def begin(self) -> None:
        """From here on it is counted."""
        self.over.clear()
        self._succeeding, self._watching, self.statements.stage = False, True, "request"

    def _follow(self, file: str, text: str) -> None:
        if not self._watching:
            return
        if file == "qingka.db":
            self._follow_product(text)
        elif text.startswith("UPDATE") and "status='SUCCESS'" in text.replace('"', ""):
            self._watching = False
            self.over.set()

    def _follow_product(self, text: str) -> None:
        if text.startswith("UPDATE clearing_stages SET") and "state='running'" in text:
            name = next(one for one in STAGES if f"name = '{one}'" in text)
            self.statements.stage = name
        elif text.startswith("UPDATE clearing_requests SET") and "state='succeeded'" in text:
            self._succeeding = True
        elif text.startswith("COMMIT") and self._succeeding:
            self._succeeding, self.statements.stage = False, "after"
            self.succeeded_at = time.time()


def run_once(folder: Path, *, profiled: bool) -> dict[str, Any]:
    """Clear twice; gives what the second time cost."""
    course, functions = Course(), Functions()
    course.statements.watch()
    if profiled:
        functions.watch()
    site = Site(folder, RigPlan(devices=2, probe=300.0))
    try:
        site.start()
        first, second = site.subjects(2, invoices=INVOICES_OF_TYPE)
        _clear(site, course, first)
        course.statements.statements.clear()
        course.statements.commits.clear()
        course.statements.texts.clear()
        began, processor = time.time(), time.process_time()
        functions.counting = True
        _clear(site, course, second)
        functions.counting = False
        processor = time.process_time() - processor
    finally:
        site.close()
    return {
        "began": began,
        "succeeded": course.succeeded_at,
        "processor_ms": round(1000 * processor),
        "elapsed_ms": round(1000 * (course.succeeded_at - began)),
        "statements": _by_file(course.statements.statements),
        "commits": _by_file(course.statements.commits),
        "texts": course.statements.texts,
        **(functions.summary() if profiled else {}),
    }


def _clear(site: Site, course: Course, subject: Subject) -> None:
    course.begin()
    request_id = site.begin(subject)
    if not course.over.wait(LIMIT):
        raise RuntimeError(f"it did not succeed: {site.request(request_id)}")
    time.sleep(0.2)  # the engine's commit
    course.statements.stage = ""


def _by_file(found: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (file, stage), count in found.items():
        table.setdefault(NAMES.get(file, file), {})[stage] = count
    return table


def measure() -> dict[str, Any]:
    """All three runs, each in a process of its own."""
    plain = _child("--run", "plain")
    profiled = _child("--run", "profiled")
    return plain | {name: profiled[name] for name in PROFILED} | {"fsyncs": _fsyncs()}


def _child(*arguments: str, prefix: Sequence[str] = ()) -> dict[str, Any]:
    command = [*prefix, sys.executable, "-m", "scripts.clearing_cost", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _fsyncs() -> int | None:
    """Until the success; None without strace, or where it may not look."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory(prefix="qingka-cost-") as folder:
        trace = Path(folder) / "trace"
        watching = [strace, "-f", "--seccomp-bpf", "-ttt", "-e", "trace=fsync,fdatasync", "-o"]
        try:
            found = _child("--run", "plain", prefix=[*watching, str(trace)])
        except subprocess.CalledProcessError:
            return None
        lines = [one.split() for one in trace.read_text(errors="replace").splitlines()]
    moments = [float(one[1]) for one in lines if "sync(" in one[2]]
    began, succeeded = float(found["began"]), float(found["succeeded"])
    return sum(began <= at <= succeeded for at in moments)


def _total(table: dict[str, dict[str, int]], *, until_success: bool) -> int:
    return sum(
        count
        for stages in table.values()
        for stage, count in stages.items()
        if stage != "after" or not until_success
    )


def report(found: dict[str, Any]) -> str:
    """The figures as a table for people."""
    lines = [f"{'':24}" + "".join(f"{name:>9}" for name in (*STAGES, "total"))]
    for what in ("commits", "statements"):
        for file, stages in sorted(found[what].items()):
            counts = [stages.get(stage, 0) for stage in STAGES]
            cells = "".join(f"{count:>9}" for count in (*counts, sum(counts)))
            lines.append(f"{what + ' ' + file:24}{cells}")
    for what in ("commits", "statements"):
        until, all_in_all = (_total(found[what], until_success=one) for one in (True, False))
        lines.append(f"{what}: {until} until the success, {all_in_all} with what follows it")
    lines += [f"{name.replace('_', ' ')}: {found[name]}" for name in PROFILED]
    if found["fsyncs"] is not None:
        lines.append(f"fsyncs until the success: {found['fsyncs']}")
    lines.append(f"processor: {found['processor_ms']} ms; elapsed: {found['elapsed_ms']} ms")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Print what a clearing costs."""
    parser = argparse.ArgumentParser(prog="clearing_cost", description="What one clearing costs.")
    parser.add_argument("--json", action="store_true", help="the figures for a program")
    parser.add_argument("--statements", action="store_true", help="every statement, by stage")
    parser.add_argument("--run", choices=("plain", "profiled"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        with tempfile.TemporaryDirectory(prefix="qingka-cost-") as folder:
            print(json.dumps(run_once(Path(folder), profiled=given.run == "profiled")))
        return
    found = measure()
    if given.statements:
        for file, stage, text in found["texts"]:
            print(f"{NAMES.get(file, file):8} {stage:8} {text}")
    del found["texts"]
    print(json.dumps(found) if given.json else report(found))


if __name__ == "__main__":
    main(sys.argv[1:])
