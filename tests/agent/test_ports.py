"""Ports and their threads: one after another on a port, in parallel between ports, none left idle."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.agent.drivers.base import DeviceUnavailable
from app.agent.ports import Port, WorkerPool


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    running = WorkerPool(most=8, idle_seconds=0.05)
    yield running
    running.close(5)


def eventually(question: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.005)
    return False


def test_jobs_of_a_port_run_one_after_another_in_order(pool: WorkerPool) -> None:
    port, seen, active, most = Port(pool), [], [0], [0]

    def job(number: int) -> None:
        active[0] += 1
        most[0] = max(most[0], active[0])
        seen.append(number)
        active[0] -= 1

    for number in range(200):
        port.submit(lambda number=number: job(number))  # type: ignore[misc]
    assert eventually(lambda: not port.busy)
    assert seen == list(range(200))
    assert most == [1]


def test_a_stuck_port_delays_no_other(pool: WorkerPool) -> None:
    release = threading.Event()
    stuck, other = Port(pool), Port(pool)
    stuck.submit(lambda: release.wait(5))
    assert other.call(lambda: 42, wait=5, limit=5) == 42
    assert stuck.busy
    release.set()


def test_a_call_that_cannot_begin_says_busy_and_is_not_run_later(pool: WorkerPool) -> None:
    release, ran = threading.Event(), []
    port = Port(pool)
    port.submit(lambda: release.wait(5))
    with pytest.raises(DeviceUnavailable, match=r"device\.busy"):
        port.call(lambda: ran.append(1), wait=0.02, limit=5)
    release.set()
    assert port.call(lambda: "next", wait=5, limit=5) == "next"
    assert ran == []


def test_a_call_that_does_not_end_says_timeout(pool: WorkerPool) -> None:
    release = threading.Event()
    with pytest.raises(DeviceUnavailable, match=r"device\.timeout"):
        Port(pool).call(lambda: release.wait(5), wait=0.02, limit=0.02)
    release.set()


def test_errors_reach_the_caller_and_the_port_goes_on(pool: WorkerPool) -> None:
    port = Port(pool)
    with pytest.raises(ZeroDivisionError):
        port.call(lambda: 1 // 0, wait=5, limit=5)
    port.submit(lambda: 1 // 0)
    assert port.call(lambda: 1, wait=5, limit=5) == 1


def test_threads_come_with_the_work_and_go_with_it(pool: WorkerPool) -> None:
    gate = threading.Barrier(9)
    ports = [Port(pool) for _ in range(8)]
    for port in ports:
        port.submit(lambda: gate.wait(5))
    assert eventually(lambda: gate.n_waiting == 8)
    assert pool.threads == 8
    gate.wait(5)
    assert eventually(lambda: pool.threads == 0)
    assert ports[0].call(lambda: 1, wait=5, limit=5) == 1


def test_more_ports_than_threads_all_get_their_turn(pool: WorkerPool) -> None:
    done: list[int] = []
    for number in range(100):
        Port(pool).submit(lambda number=number: done.append(number))  # type: ignore[misc]
    assert eventually(lambda: len(done) == 100)


def test_a_closed_pool_drops_what_has_not_begun() -> None:
    pool, ran = WorkerPool(most=1, idle_seconds=0.05), []
    gate, begun = threading.Event(), threading.Event()
    pool.submit(lambda: begun.set() or (gate.wait(5)))  # type: ignore[func-returns-value]
    assert begun.wait(5)
    pool.submit(lambda: ran.append(1))
    assert pool.close(0.01) is False
    gate.set()
    assert pool.close(5) is True
    pool.submit(lambda: ran.append(2))
    assert ran == []
