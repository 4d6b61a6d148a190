"""The reference for the engine: DBOS workflows of three steps that do nothing; a program.

python -m scripts.bench.engine_bare URL COUNT. The queue is set up as the product's. Prints `seconds …`, from the first
workflow put into the queue until the last one is done.
"""

import sys
import time
from collections.abc import Callable
from typing import cast

from dbos import DBOS, WorkflowHandle

QUEUE = "bare"
CONCURRENCY = 100


@DBOS.step()
async def nothing(place: int) -> int:
    """One step."""
    return place


@DBOS.workflow()
async def three_steps(number: int) -> int:
    """Three of them."""
    for place in range(3):
        await nothing(place)
    return number


def main(url: str, count: int) -> float:
    """Run so many; gives the seconds."""
    DBOS(
        config={
            "name": "bare",
            "system_database_url": url,
            "log_level": "WARNING",
            "max_executor_threads": 64,
            "notification_listener_polling_interval_sec": 0.1,
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=CONCURRENCY, polling_interval_sec=0.1)
    _run(5)
    started = time.monotonic()
    _run(count)
    seconds = time.monotonic() - started
    DBOS.destroy(workflow_completion_timeout_sec=0)
    return seconds


def _run(count: int) -> None:
    workflow = cast(Callable[[int], int], three_steps)
    handles: list[WorkflowHandle[int]] = [
        DBOS.enqueue_workflow(QUEUE, workflow, number) for number in range(count)
    ]
    for handle in handles:
        handle.get_result()


if __name__ == "__main__":
    print(f"seconds {main(sys.argv[1], int(sys.argv[2])):.4f}", flush=True)
