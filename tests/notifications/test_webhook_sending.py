"""Webhooks on the wire: the signature as others compute it, no redirects, deadlines, and the SSRF guard."""

import ipaddress
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from app.errors import Invalid
from app.notifications.errors import TargetForbidden, TargetUnresolved
from app.notifications.sending import webhook
from app.notifications.sending.guarded_http import MAX_ANSWER, post
from app.notifications.sending.standard_webhooks import body_of, headers_of, new_secret, signature
from app.notifications.sending.targets import check_url, is_public
from app.notifications.sending.webhook import Parcel

AT = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)


def _parcel(url: str, secret: str) -> Parcel:
    return Parcel(url, secret, "msg_1", body_of("clearing.failed", AT, {"operator": "赵伟"}))


def test_signature_is_that_of_the_standard() -> None:
    """The example of the specification's reference libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    wanted = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body) == wanted


def test_secrets_are_long_and_new() -> None:
    made = {new_secret() for _ in range(8)}
    assert len(made) == 8
    assert all(one.startswith("whsec_") and len(one) == 6 + 44 for one in made)


def test_malformed_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        headers_of("whsec_!!!", "msg_1", AT, b"{}")


def test_an_independent_receiver_accepts_the_signature(receiver: Any) -> None:
    secret = new_secret()
    receiver.expect(secret)
    result = webhook.send(_parcel(receiver.url(), secret), at=AT, allow_private=True)
    assert (result.ok, result.status) == (True, 200)
    (request,) = receiver.requests
    assert request["signed"]
    assert "赵伟" in request["body"]
    receiver.expect(new_secret())
    assert webhook.send(_parcel(receiver.url(), secret), at=AT, allow_private=True).ok
    assert not receiver.requests[1]["signed"], "the receiver does look at it"


def test_redirects_are_not_followed(receiver: Any) -> None:
    result = webhook.send(
        _parcel(receiver.url("redirect"), new_secret()), at=AT, allow_private=True
    )
    assert (result.ok, result.status, result.code) == (False, 302, "webhook.failed")
    assert [request["path"] for request in receiver.requests] == ["/redirect"]


def test_gone_is_final(receiver: Any) -> None:
    result = webhook.send(_parcel(receiver.url("gone"), new_secret()), at=AT, allow_private=True)
    assert (result.code, result.final) == ("webhook.gone", True)


def test_an_endless_answer_is_cut(receiver: Any) -> None:
    answer = post(receiver.url("big"), headers={}, body=b"{}", allow_private=True)
    assert len(answer.body) == MAX_ANSWER


def test_an_answer_byte_by_byte_gains_no_time(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time; the whole does not."""
    monkeypatch.setattr(webhook, "post", _with_timeout(1.0))
    result = webhook.send(_parcel(receiver.url("slow"), new_secret()), at=AT, allow_private=True)
    assert (result.ok, result.code) == (False, "webhook.failed")
    assert result.message == "接收方没有在规定时间内应答"


def _with_timeout(seconds: float) -> Any:
    def posted(url: str, **more: Any) -> Any:
        return post(url, timeout=seconds, **more)

    return posted


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = webhook.send(
        _parcel(f"http://127.0.0.1:{port}/", new_secret()), at=AT, allow_private=True
    )
    assert (result.ok, result.status, result.final) == (False, 0, False)
    assert "无法连接接收方" in result.message


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "64:ff9b::a00:1",  # NAT64 of 10.0.0.1
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        "::127.0.0.1",  # IPv4-compatible
        "64:ff9b:1::7f00:1",  # NAT64 of the own network
        "fec0::1",  # site-local
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "192.0.0.192",  # a cloud's metadata
    ],
)
def test_own_network_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111"])
def test_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "http://",
        "http://user:secret@example.com/",
        "http://example.com/a b",
        "http://example.com:99999/",
        "https://example.com/" + "x" * 1000,
        "https://例子.example/",
    ],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_url(url, allow_private=True)
    assert "url" in caught.value.errors


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/",
        "http://localhost/",
        "http://[::1]/",
        "http://2130706433/",  # 127.0.0.1 as one number
        "http://0x7f.1/",
        "https://169.254.169.254/latest/meta-data/",
    ],
)
def test_registering_an_inner_address_is_refused(url: str) -> None:
    with pytest.raises((TargetForbidden, TargetUnresolved)):
        check_url(url, allow_private=False)


def test_a_name_with_one_inner_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve_to(monkeypatch, [["93.184.216.34", "10.0.0.5"]])
    with pytest.raises(TargetForbidden, match=r"10\.0\.0\.5"):
        check_url("https://mixed.example/", allow_private=False)


def test_a_name_that_points_elsewhere_later_is_refused(
    monkeypatch: pytest.MonkeyPatch, receiver: Any
) -> None:
    """DNS rebinding: what counts is the address that is connected to."""
    _resolve_to(monkeypatch, [["93.184.216.34"], ["127.0.0.1"]])
    url = receiver.url().replace("127.0.0.1", "rebound.example")
    check_url(url, allow_private=False)
    result = webhook.send(_parcel(url, new_secret()), at=AT, allow_private=False)
    assert (result.code, result.final) == ("webhook.target_forbidden", True)
    assert receiver.requests == []


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("app.notifications.sending.targets.socket.getaddrinfo", unknown)
    result = webhook.send(
        _parcel("https://nowhere.example/", new_secret()), at=AT, allow_private=False
    )
    assert (result.code, result.final) == ("webhook.target_unresolved", False)


def _resolve_to(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> None:
    """Each lookup takes the next answer, the last one stays."""
    given: Iterator[list[str]] = iter(answers)
    last: list[list[str]] = []

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        last[:] = [next(given, last[0] if last else [])]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in last[0]]

    monkeypatch.setattr("app.notifications.sending.targets.socket.getaddrinfo", lookup)
