"""Work on threads: results, errors, context, and that nobody goes on before it has ended."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from app.core.threads import THREADS, on_thread

WHO: ContextVar[str] = ContextVar("WHO")


def test_runs_elsewhere_with_the_context_of_here() -> None:
    def look() -> tuple[str, bool]:
        return WHO.get(), threading.current_thread() is threading.main_thread()

    async def ask() -> tuple[str, bool]:
        WHO.set("me")
        return await on_thread(look)

    assert asyncio.run(ask()) == ("me", False)


def test_an_error_comes_back() -> None:
    def fail(what: str, *, how: str) -> None:
        raise LookupError(what, how)

    async def ask() -> None:
        await on_thread(fail, "a", how="b")

    with pytest.raises(LookupError, match="a"):
        asyncio.run(ask())


def test_cancelling_waits_for_the_end() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(30)
        ended.set()

    async def ask() -> bool:
        task = asyncio.create_task(on_thread(work))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        return ended.is_set()

    assert asyncio.run(ask())


def test_as_many_at_once_as_there_are_threads() -> None:
    all_here = threading.Barrier(THREADS)

    async def ask() -> None:
        await asyncio.gather(*(on_thread(all_here.wait, 30) for _ in range(THREADS)))

    asyncio.run(ask())
