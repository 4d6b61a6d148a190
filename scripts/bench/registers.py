"""Figures of the registers: the operator list, searches, depth of pages, one resource of the API."""

import importlib.util
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.principal import SYSTEM
from app.core import migrate
from app.core.clock import local_date, utc_now
from app.core.db import Database
from app.core.pagination import PageRequest, encode_cursor
from app.operators import queries
from app.operators.models import Operator
from scripts.bench.load import Target, load, medians, percentile, rates
from scripts.bench.memory import await_quiet
from scripts.bench.options import Options
from scripts.bench.seed import device_number, seed_operators
from scripts.bench.table import Figure, at_least, at_most, below, skipped
from scripts.rig import Rig, RigPlan
from scripts.rig_daemon import Daemon, plain_environment

CONNECTIONS = 4
SMALL = 10_000
"""The register that searches in a large one are compared with."""

DEEP_PAGE = 10_000
DEEP_LIMIT = 10
IDS = 200


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """Those wanted, on one site with the operators asked for."""
    wanted = options.only & {"list", "search", "depth", "api"}
    if not wanted:
        return
    rig = Rig(folder / "registers", RigPlan(devices=0))
    try:
        seed_operators(rig.database, options.operators)
        rig.start()
        await_quiet(rig.server.pid)
        bare = _reference(rig, "bare", "scripts.bench.bare", rig.data_dir / "qingka.db")
        try:
            yield from _of_pages(rig, bare, options, wanted)
        finally:
            bare.stop()
        if "list" in wanted:
            yield from _against_admins(rig, options)
    finally:
        rig.close()


def _of_pages(rig: Rig, bare: Daemon, options: Options, wanted: frozenset[str]) -> Iterator[Figure]:
    made: Mapping[str, Callable[[], Iterator[Figure]]] = {
        "list": lambda: _list(rig, bare, options),
        "api": lambda: _api(rig, bare, options),
        "depth": lambda: _depth(rig, options),
        "search": lambda: _search(rig, options),
    }
    for name, make in made.items():
        if name in wanted:
            yield from make()


def _page(rig: Rig) -> Target:
    return Target(rig.server.address, ("/clearing",), {"Cookie": rig.cookie()})


def _api_target(rig: Rig, *paths: str) -> Target:
    headers = {"Authorization": f"Bearer {rig.admin_key}"}
    return Target(rig.server.address, paths, headers)


def _reference(rig: Rig, name: str, module: str, database: Path) -> Daemon:
    return Daemon(
        [module, str(database)],
        environment=plain_environment(),
        output=rig.folder / f"{name}.log",
    )


# -- list ------------------------------------------------------------------------------------------


def _list(rig: Rig, bare: Daemon, options: Options) -> Iterator[Figure]:
    targets = [_page(rig), Target(bare.address, ("/",), {})]
    ours, theirs = rates(
        targets, seconds=options.seconds, rounds=options.rounds, connections=CONNECTIONS
    )
    name = f"list of {options.operators:,} against bare Starlette"
    yield at_least(name, ours, theirs, unit="/s", least=0.5)


def _against_admins(rig: Rig, options: Options) -> Iterator[Figure]:
    for name, package, path, least in (
        ("Django admin", "django", "/admin/auth/operator/", 40.0),
        ("SQLAdmin", "sqladmin", "/admin/operator/list?pageSize=50", 40.0),
    ):
        title = f"list of {options.operators:,} against {name}"
        if importlib.util.find_spec(package) is None:
            yield skipped(
                title, f"{package} is not installed: make bench installs requirements/bench.lock"
            )
            continue
        with _admin(rig, package) as daemon:
            headers = {"Cookie": daemon.said("cookie ")} if package == "django" else {}
            targets = [_page(rig), Target(daemon.address, (path,), headers)]
            ours, theirs = rates(
                targets, seconds=options.seconds, rounds=options.rounds, connections=CONNECTIONS
            )
        yield at_least(title, ours, theirs, unit="/s", least=least)


@contextmanager
def _admin(rig: Rig, package: str) -> Iterator[Daemon]:
    """The reference over a copy of the database, folded into one file."""
    copy = rig.folder / f"{package}.db"
    with rig.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(rig.data_dir / "qingka.db", copy)
    daemon = _reference(rig, package, f"scripts.bench.{package}", copy)
    try:
        yield daemon
    finally:
        daemon.stop()


# -- API and depth ---------------------------------------------------------------------------------


def _api(rig: Rig, bare: Daemon, options: Options) -> Iterator[Figure]:
    with rig.database.reading() as session:
        ids = list(session.exec(select(Operator.id).order_by(col(Operator.code)).limit(IDS)))
    targets = [
        _api_target(rig, *(f"/api/v1/operators/{one}" for one in ids)),
        Target(bare.address, tuple(f"/operators/{one.hex}" for one in ids), {}),
    ]
    ours, theirs = rates(
        targets, seconds=options.seconds, rounds=options.rounds, connections=CONNECTIONS
    )
    yield at_least("API: one operator against bare Starlette", ours, theirs, unit="/s", least=0.4)


def _depth(rig: Rig, options: Options) -> Iterator[Figure]:
    page = min(DEEP_PAGE, options.operators // DEEP_LIMIT)
    with rig.database.reading() as session:
        row = session.execute(
            sa.select(col(Operator.urgency), col(Operator.id))
            .order_by(col(Operator.urgency), col(Operator.id))
            .offset((page - 1) * DEEP_LIMIT - 1)
            .limit(1)
        ).one()
    cursor = encode_cursor(row.urgency.isoformat(), row.id.hex)
    first = f"/api/v1/operators?limit={DEEP_LIMIT}"
    with rig.client() as client:
        ask = partial(client.get, headers={"Accept-Encoding": "identity"})
        near, far = medians(
            [
                lambda: ask(f"{rig.server.address}{first}").raise_for_status(),
                lambda: ask(f"{rig.server.address}{first}&cursor={cursor}").raise_for_status(),
            ],
            rounds=100 * options.rounds,
        )
    name = f"depth: page {page:,} against page 1"
    yield at_most(name, far * 1000, near * 1000, unit="ms", most=1.3)


# -- search ----------------------------------------------------------------------------------------


def _questions(operators: int) -> dict[str, str]:
    """What people type: from one hit to a great many."""
    some = operators // 3
    return {
        "name": "王伟芳",
        "part of a name": "伟芳",
        "pinyin": "wangweifang",
        "part of pinyin": "lijun",
        "initials": "wwf",
        "one letter": "w",
        "code": f"KP{some:07d}",
        "end of a code": f"{some:07d}"[-4:],
        "device number": device_number(some),
        "end of a device number": device_number(some)[-4:],
        "two words": "财务 王",
        "all": "kp",
        "nothing": "欧阳不在",
    }


def _search(rig: Rig, options: Options) -> Iterator[Figure]:
    questions = _questions(options.operators)
    paths = [f"/api/v1/operators?q={quote(text)}" for text in questions.values()]
    most = 60 * options.rounds * len(paths)
    found = load(_api_target(rig, *paths), seconds=120, connections=1, most=most)
    slowest = {
        name: percentile(found.latencies[place :: len(paths)], 99) * 1000
        for place, name in enumerate(questions)
    }
    name = f"search of {options.operators:,}: p99, alone"
    yield below(name, found.percentile(99), unit="ms", most=50, p99_of_each=slowest)
    yield _search_growth(rig, options, list(questions.values()))


def _search_growth(rig: Rig, options: Options, questions: list[str]) -> Figure:
    size = min(SMALL, options.operators // 2)
    small = Database(f"sqlite:///{rig.folder / 'small.db'}")
    try:
        migrate.upgrade(small)
        seed_operators(small, size)
        large_ms, small_ms = _search_times((rig.database, small), questions, options.rounds)
    finally:
        small.dispose()
    return at_most(
        f"search: {options.operators:,} against {size:,} operators",
        statistics.fmean(large_ms),
        statistics.fmean(small_ms),
        unit="ms",
        most=2.0,
        large=dict(zip(questions, large_ms, strict=True)),
        small=dict(zip(questions, small_ms, strict=True)),
    )


def _search_times(
    databases: tuple[Database, Database], questions: list[str], rounds: int
) -> tuple[list[float], list[float]]:
    """Median milliseconds of each question in both, asked in turn without the network."""
    today = local_date(utc_now())

    def ask(database: Database, q: str) -> float:
        started = time.perf_counter()
        with database.reading() as session:
            queries.list_operators(
                session, principal=SYSTEM, today=today, page=PageRequest(50), q=q, active=True
            )
        return time.perf_counter() - started

    found: list[list[float]] = [[], []]
    for q in questions:
        pair = medians([partial(ask, one, q) for one in databases], rounds=10 * rounds)
        for place, seconds in enumerate(pair):
            found[place].append(seconds * 1000)
    return found[0], found[1]
