"""Verifies an audit trail and says what it took; a program, so that its memory is its own.

python -m scripts.bench.verify DATABASE. Prints `verified RECORDS SECONDS MB`: MB is how much the memory of the process grew.
"""

import os
import sys
import time

from app.audit.checkpoint import Signer
from app.audit.verification import verify
from app.core.db import Database
from scripts.bench.memory import PeakMemory


def main(path: str) -> None:
    """Verify the whole trail."""
    database = Database(f"sqlite:///{path}")
    with database.reading() as session, PeakMemory(os.getpid()) as memory:
        started = time.perf_counter()
        result = verify(session, signer=Signer(b"bench"))
        seconds = time.perf_counter() - started
    if not result.ok:
        raise SystemExit(result.sentence)
    print(
        f"verified {result.checked} {seconds:.4f} {memory.own - memory.before.own:.2f}", flush=True
    )


if __name__ == "__main__":
    main(sys.argv[1])
