"""Where agents may be: in the local network, never at a link-local address (clouds' metadata services).

An address is looked at when it is entered; a name also whenever it is called, and the connection goes to
the addresses that were looked at, so that a name cannot point elsewhere in between.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.errors import Invalid

REFUSED = "不能使用这个地址"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def literal(host: str) -> Address | None:
    """The address a host spells, None for a name.

    In every spelling the system's resolver would understand: 2852039166 and 0xa9fea9fe are 169.254.169.254.
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None


def is_refused(address: Address) -> bool:
    """Whether no agent can be there."""
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_link_local or address.is_multicast or address.is_unspecified


def check_name(base_url: str) -> None:
    """Raise Invalid for a name that leads to an address no agent can have.

    A name that is not known yet is none of those: it is looked at again with every call.
    """
    host = urlsplit(base_url).hostname or ""
    if not host or literal(host) is not None:
        return
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    if any(map(is_refused, _addresses(found))):
        raise Invalid(errors={"base_url": REFUSED})


class Vetted(httpx.AsyncBaseTransport):
    """Resolves the name of an agent, and connects to an address of it that may be one."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.ConnectError for a name that leads where no agent can be, or nowhere."""
        host = request.url.host
        if literal(host) is not None:
            return await self._inner.handle_async_request(request)
        last: httpx.TransportError = httpx.ConnectError(f"no address of {host}")
        for address in await _resolved(host):
            try:
                return await self._inner.handle_async_request(_to(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error  # nothing was sent
        raise last

    async def aclose(self) -> None:
        """Close the transport beneath."""
        await self._inner.aclose()


async def _resolved(host: str) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(f"{host}: {error}") from error
    addresses = _addresses(found)
    if any(map(is_refused, addresses)):
        raise httpx.ConnectError(f"{host} leads to an address no agent can have")
    return addresses


def _to(request: httpx.Request, address: Address) -> httpx.Request:
    """The same request to this address; Host and the name under TLS stay those of the agent."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )


def _addresses(found: Sequence[Sequence[Any]]) -> list[Address]:
    texts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
