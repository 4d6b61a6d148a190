"""Measures speed and scale: python -m scripts.bench [--quick] [--only FIGURE …]; `make bench`.

Prints one table and writes build/bench.json. What the figures mean stands in docs/measuring.md.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.core.clock import utc_now
from scripts.bench import audit, batch, bulk, engine, ledger, registers, start
from scripts.bench.options import Options, parse
from scripts.bench.table import Figure, table, write_json

PARTS: dict[str, Callable[[Options, Path], Iterator[Figure]]] = {
    "start": start.figures,
    "registers": registers.figures,
    "audit": audit.figures,
    "engine": engine.figures,
    "bulk": bulk.figures,
    "batch": batch.figures,
    "ledger": ledger.figures,
}


def main(arguments: Sequence[str]) -> int:
    """Measure what is wanted; 0 when everything measured meets its target."""
    options = parse(arguments)
    started = time.monotonic()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="qingka-bench-") as folder:
        for name, part in PARTS.items():
            figures += _measure(name, part, options, Path(folder))
    write_json(options.output, _about(options, time.monotonic() - started), figures)
    print(table(figures))
    return 0 if all(one.met is not False for one in figures) else 1


def _measure(
    name: str, part: Callable[[Options, Path], Iterator[Figure]], options: Options, folder: Path
) -> list[Figure]:
    """The figures of one part; one that breaks is a line of the table, and the others go on."""
    found: list[Figure] = []
    try:
        for figure in part(options, folder):
            print("  ".join(figure.cells), file=sys.stderr, flush=True)
            found.append(figure)
    except (Exception, AssertionError) as error:  # noqa: BLE001 - told in the table
        print(f"{name} broke: {error!r}", file=sys.stderr, flush=True)
        found.append(Figure(f"{name}: broke", f"{type(error).__name__}: {error}"[:80], met=False))
    return found


def _about(options: Options, seconds: float) -> dict[str, Any]:
    sizes = {
        name: value for name, value in asdict(options).items() if name not in ("only", "output")
    }
    return {
        "at": utc_now().isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "seconds": round(seconds, 1),
        "sizes": sizes,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
