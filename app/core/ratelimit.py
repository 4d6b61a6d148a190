"""Token buckets in the memory of one process.

A bucket holds up to a minute's worth of tokens and fills evenly; each call takes one. With several
processes each counts on its own, so that the whole allows at most their number times the rate.
"""

import math
import threading
from dataclasses import dataclass

_SWEEP_AT = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call may go on. `retry_after` and `reset_after` are whole seconds, rounded up."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: int
    reset_after: int

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit-*`, and `Retry-After` on a refusal."""
        headers = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_after),
        }
        if not self.allowed:
            headers["Retry-After"] = str(self.retry_after)
        return headers


class RateLimiter:
    """At most `per_minute` calls a minute for each key, a whole minute's worth at once at most."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / 60.0
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._sweep_at = _SWEEP_AT

    def take(self, key: str, now: float) -> Verdict:
        """Take one token of `key` at `now` (seconds; a clock set back only delays the filling)."""
        with self._lock:
            tokens = self._tokens(key, now)
            allowed = tokens >= 1.0
            if allowed:
                tokens -= 1.0
            self._buckets[key] = (tokens, now)
            if len(self._buckets) > self._sweep_at:
                self._sweep(now)
        return self._verdict(tokens, allowed)

    def _tokens(self, key: str, now: float) -> float:
        tokens, at = self._buckets.get(key, (float(self.per_minute), now))
        return min(float(self.per_minute), tokens + max(0.0, now - at) * self._rate)

    def _verdict(self, tokens: float, allowed: bool) -> Verdict:
        return Verdict(
            allowed=allowed,
            limit=self.per_minute,
            remaining=int(tokens),
            retry_after=0 if allowed else max(1, math.ceil((1.0 - tokens) / self._rate)),
            reset_after=math.ceil((self.per_minute - tokens) / self._rate),
        )

    def _sweep(self, now: float) -> None:
        """Forget the full buckets: a new one is full as well."""
        full = float(self.per_minute)
        kept = {
            key: bucket
            for key, bucket in self._buckets.items()
            if bucket[0] + (now - bucket[1]) * self._rate < full
        }
        self._buckets = kept
        self._sweep_at = max(_SWEEP_AT, 2 * len(kept))
