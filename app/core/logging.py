"""Structured logs on standard error: one line per event, JSON when not on a terminal."""

import logging
import sys
from collections import deque
from typing import Any, TextIO

import structlog

_SECRET_MARKS = ("password", "token", "secret", "authorization", "cookie", "skpkl", "sksbkl", "key")


def _hide_secrets(_: Any, __: str, event: Any) -> Any:
    for name in event:
        if any(mark in name.lower() for mark in _SECRET_MARKS):
            event[name] = "***"
    return event


KEPT_LINES = 2000


class RecentLines(logging.Handler):
    """Keeps the last lines in memory, for the diagnostic bundle."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.lines.append(self.format(record))
        except Exception:  # noqa: BLE001  (as every handler of the standard library)
            self.handleError(record)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is now: a command that was called may have replaced it since."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """The base class sets it once; there is nothing to keep."""


_recent = RecentLines()


def recent_lines() -> list[str]:
    """The last log lines of this process, the oldest first; secrets are hidden as in the log."""
    return list(_recent.lines)


def configure(level: str = "INFO") -> None:
    """Route the standard library's and structlog's records through one pipeline."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = _StandardError()
    handler.setFormatter(_formatter(shared, renderer))
    _recent.setFormatter(_formatter(shared, structlog.processors.JSONRenderer(ensure_ascii=False)))
    root = logging.getLogger()
    root.handlers[:] = [handler, _recent]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "alembic.runtime"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _formatter(shared: list[Any], renderer: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )


def get_logger(name: str) -> Any:
    """A structured logger; fields are keyword arguments."""
    return structlog.stdlib.get_logger(name)
