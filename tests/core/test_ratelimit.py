"""Token buckets."""

from app.core.ratelimit import RateLimiter


def test_a_minutes_worth_at_once_and_no_more() -> None:
    limiter = RateLimiter(3)
    verdicts = [limiter.take("a", 100.0) for _ in range(4)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]


def test_it_fills_evenly() -> None:
    limiter = RateLimiter(60)
    for _ in range(60):
        limiter.take("a", 0.0)
    assert not limiter.take("a", 0.5).allowed
    assert limiter.take("a", 1.5).allowed
    assert not limiter.take("a", 1.5).allowed


def test_keys_do_not_share() -> None:
    limiter = RateLimiter(1)
    assert limiter.take("a", 0.0).allowed
    assert limiter.take("b", 0.0).allowed
    assert not limiter.take("a", 0.0).allowed


def test_headers_say_when_to_come_back() -> None:
    limiter = RateLimiter(2)
    assert "Retry-After" not in limiter.take("a", 0.0).headers
    limiter.take("a", 0.0)
    assert limiter.take("a", 0.0).headers == {
        "RateLimit-Limit": "2",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": "60",
        "Retry-After": "30",
    }


def test_a_clock_set_back_gives_nothing_away() -> None:
    limiter = RateLimiter(1)
    limiter.take("a", 1000.0)
    assert not limiter.take("a", 500.0).allowed


def test_full_buckets_are_forgotten() -> None:
    limiter = RateLimiter(60)
    for i in range(10_000):
        limiter.take(str(i), 0.0)
    limiter.take("late", 1000.0)
    assert set(limiter._buckets) == {"late"}
