"""The last lines of the log, in memory, for the agent's own page. Secrets are hidden before they come here."""

import logging
import re
from collections import deque

_KEPT = 200
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class LogTail(logging.Handler):
    """Thread-safe, as every handler; keeps the last two hundred lines."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        text = _COLOURS.sub("", self.format(record))
        self._lines.append(text.splitlines()[0][:500] if text else "")

    def lines(self) -> list[str]:
        """Newest first."""
        return list(self._lines)[::-1]

    def install(self) -> None:
        """Take what the program logs, written and freed of secrets as its first handler does it."""
        root = logging.getLogger()
        if root.handlers:
            self.setFormatter(root.handlers[0].formatter)
        root.addHandler(self)
