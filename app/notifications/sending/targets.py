"""Where outgoing requests may go: not into the own network, unless that is allowed (SSRF guard).

The name is resolved here and the connection is made to the very address that was looked at, so that a
name cannot point elsewhere between the look and the connection (DNS rebinding).
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from app.errors import Invalid
from app.notifications.errors import TargetForbidden, TargetUnresolved

_PORTS = {"http": 80, "https": 443}
MAX_URL = 1000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str, *, allow_private: bool) -> None:
    """Whether this may be registered: http or https, no user in it, a host that may be reached.

    Raises Invalid (field `url`), TargetForbidden, TargetUnresolved.
    """
    host, port = parse_url(url)
    resolve(host, port, allow_private=allow_private)


def parse_url(url: str) -> tuple[str, int]:
    """Host and port. Raises Invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise _invalid("地址格式不正确") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _invalid("应为 http:// 或 https:// 开头的完整地址")
    if parts.username is not None or parts.password is not None:
        raise _invalid("地址中不能含有用户名或密码")
    if (
        len(url) > MAX_URL
        or not url.isascii()
        or any(c.isspace() or not c.isprintable() for c in url)
    ):
        raise _invalid("地址过长，或含有空白与非 ASCII 字符（中文域名请用 xn-- 形式）")
    return parts.hostname, port


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of the host, all of them allowed. Raises TargetUnresolved, TargetForbidden."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TargetUnresolved(f"{host}：{error}", errors={"url": "主机名无法解析"}) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private:
        for address in addresses:
            if not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise TargetForbidden(f"{host} → {address}", errors={"url": "目标指向内部网络"})
    return addresses


def is_public(address: Address) -> bool:
    """Whether this address is of the public internet, also where it hides in another's clothes."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _nat64(address)
        if address.teredo is not None:
            return False
        if inner is not None:
            return is_public(inner)
        # Whatever else is not of the one block given out for the internet (IPv4 in other spellings,
        # the old site-local addresses, translators of the own network) leads inside.
        return address in _GLOBAL_UNICAST and address.is_global
    return address.is_global and not address.is_multicast and address not in _PROTOCOLS


_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
"""IETF protocol assignments (RFC 6890); a cloud's metadata service answers in it."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address not in _NAT64:
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _invalid(text: str) -> Invalid:
    return Invalid(text, errors={"url": text})
