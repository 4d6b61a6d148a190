"""The threads that plain routes run on: what may block (database, files) never runs on the event loop.

The same as Starlette's thread pool does, without the two turns of the event loop that one costs besides.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache, partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 200
"""For requests. One that waits for its turn to write keeps its thread, and the one that has the turn needs
a thread to come to its end: with fewer threads than writers at once they would wait for each other."""


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="request")


async def on_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the call gives, made on a thread with the context variables of here.

    Who is cancelled meanwhile is so only once the call has ended: it uses what the caller will put away.
    """
    work = partial(copy_context().run, partial(call, *args, **kwargs))
    future = asyncio.get_running_loop().run_in_executor(_pool(), work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise
