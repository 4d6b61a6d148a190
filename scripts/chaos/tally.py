"""What was counted: how often each promise was looked at, and how often it was broken."""

import threading
from collections import Counter
from collections.abc import Iterable

from scripts.bench.table import lines_of

HEADER = ("part", "promise", "counted", "wrong")


class Tally:
    """Counts by part and promise, in the order they came up; thread-safe."""

    def __init__(self) -> None:
        self._counted: Counter[tuple[str, str]] = Counter()
        self._wrong: dict[tuple[str, str], list[str]] = {}
        self._seen: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def check(self, part: str, promise: str, kept: bool, what: str) -> None:
        """Count one look at a promise; `what` names the case when it was not kept."""
        key = (part, promise)
        with self._lock:
            self._counted[key] += 1
            if not kept:
                self._wrong.setdefault(key, []).append(what)

    def see(self, part: str, what: str) -> None:
        """Count something that breaks no promise but is worth knowing, e.g. a failure before a retry."""
        with self._lock:
            self._seen[part, what] += 1

    @property
    def is_right(self) -> bool:
        """Whether something was counted and every promise was kept."""
        return bool(self._counted) and not self._wrong

    def table(self) -> str:
        """All counts as text."""
        rows = [
            (part, promise, f"{number:,}", str(len(self._wrong.get((part, promise), ()))))
            for (part, promise), number in self._counted.items()
        ]
        return "\n".join(line.rstrip() for line in lines_of([HEADER, *rows]))

    def seen(self) -> Iterable[str]:
        """What was seen besides, with how often."""
        for (part, what), number in sorted(self._seen.items()):
            yield f"{part}: {number} × {what}"

    def wrong(self) -> Iterable[str]:
        """Every case in which a promise was broken."""
        for (part, promise), cases in self._wrong.items():
            for case in cases:
                yield f"{part}: {promise}: {case}"
