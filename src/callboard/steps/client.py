"""The client of `http.request`: one session for the house, which connects to no private address.

    session = Session()
    answer = await session.exchange(Request("GET", "https://intake.example/", {}, None), most, well)
    await session.aclose()

Where a request goes is known only when it connects: a name may lead to any address, to another one each time
it is asked for, and a redirect to any name. So the name is checked with what it resolves to, for each
connection anew, and the address once more where the socket for it is made, which also sees those that were
written out. Redirects are followed here, one by one. To another origin go neither the author's headers, for
any of them may be a secret, nor a body.

A file of its own because aiohttp takes as long to import as all the rest: only who makes a request loads it.

Rejected
    Checking the address before the request: the name could resolve to another one by the time of connecting.
    Unpacking: a small answer could hold one that is larger than any bound.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from callboard.errors import (
    AnswerTooLarge,
    AnswerUnreadable,
    BadInput,
    RedirectRefused,
    TargetDenied,
    Unreachable,
)
from callboard.steps.exchange import Answer, Request

Allows = Callable[[str], bool]
"""Whether an address may be connected to."""

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SEE_OTHER = 303
"""The answer is elsewhere, to be read with GET."""

_ANYWHERE = frozenset(
    {"accept", "accept-encoding", "accept-language", "idempotency-key", "user-agent", "x-correlation-id"}
)
"""Headers that also go to another origin than the one they were written for."""

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")


class Session:
    """Makes requests; where nobody says otherwise, to the public internet alone."""

    def __init__(self, allows: Allows | None = None, *, resolver: AbstractResolver | None = None) -> None:
        allows = allows or is_public
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Guarded(resolver or ThreadedResolver(), allows),
                use_dns_cache=False,
                socket_factory=partial(_socket, allows),
                limit=0,  # the slots of the house hold
            ),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # the attempt's own time-out holds
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def exchange(self, asked: Request, most: int, well: Callable[[int], bool]) -> Answer:
        """Return what is answered in the end, in at most so many bytes."""
        url = _url(asked.url)
        for _ in range(MOST_REDIRECTS + 1):
            try:
                async with self._session.request(
                    asked.method, url, data=asked.body, headers=asked.headers, allow_redirects=False
                ) as response:
                    where = response.headers.get("Location")
                    if well(response.status) or response.status not in REDIRECTS or where is None:
                        return Answer(response.status, _headers(response), await _read(response, most))
            except aiohttp.InvalidURL as error:
                raise BadInput(f"with.url: this is no URL: {error}.") from None
            except aiohttp.ClientConnectorCertificateError as error:
                raise TargetDenied(f"The certificate of {url.host} is not valid: {error}.") from None
            except (aiohttp.ClientError, OSError) as error:
                what = str(error) or type(error).__name__
                raise Unreachable(f"{url.host} could not be reached: {what}.") from error
            url, asked = _onward(url, asked, where, response.status)
        raise RedirectRefused(f"There were more than {MOST_REDIRECTS} redirects; the last was to {url.host}.")


# ── where to ─────────────────────────────────────────────────────────────────────────────────────────────


class Guarded(AbstractResolver):
    """Resolves names, and refuses those that lead to an address that is not allowed, be it one of many."""

    def __init__(self, resolver: AbstractResolver, allows: Allows) -> None:
        self._resolver = resolver
        self._allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name."""
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            _check(self._allows, one["host"], host)
        return found

    async def close(self) -> None:
        """Close what is guarded."""
        await self._resolver.close()


def _socket(allows: Allows, info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = info
    _check(allows, address[0], address[0])
    return socket.socket(family, kind, protocol)


def _check(allows: Allows, address: str, host: str) -> None:
    if not allows(address):
        told = host if host == address else f"{host} ({address})"
        said = f"{told} is a private address, which workflows may not reach: see workflows.http_private."
        raise TargetDenied(said)


def anywhere(_: str) -> bool:
    """Allow every address."""
    return True


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet; an IPv6 address is also what it stands for."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            address = inner
        elif address in _COMPATIBLE or address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _url(text: str) -> URL:
    try:
        url = URL(text)
        url.origin()
    except ValueError as error:
        raise BadInput(f"with.url: this is no URL: {error}.") from None
    return url


def _onward(url: URL, asked: Request, where: str, status: int) -> tuple[URL, Request]:
    """Return where a redirect leads and what is asked for there, or refuse to go."""
    try:
        target = url.join(URL(where)).with_user(None)
        elsewhere = target.origin() != url.origin()
    except ValueError:
        raise RedirectRefused(f"{url.host} redirects to what is no URL.") from None
    if target.scheme not in {"http", "https"} or (url.scheme == "https" and target.scheme == "http"):
        raise RedirectRefused(f"{url.host} redirects from {url.scheme} to {target.scheme}.")
    method, body, headers = asked.method, asked.body, asked.headers
    posted = method == "POST" and status in {301, 302}
    if posted or (status == SEE_OTHER and method != "HEAD"):
        method, body = "GET", None
        headers = _without(headers, lambda name: name == "content-type")
    if elsewhere:
        if body is not None:
            said = f"{url.host} redirects to {target.host}, where the body is not sent: set that address."
            raise RedirectRefused(said)
        headers = _without(headers, lambda name: name not in _ANYWHERE)
    else:
        target = target.with_user(url.user).with_password(url.password)
    return target, Request(method, str(target), headers, body)


def _without(headers: dict[str, str], drop: Callable[[str], bool]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not drop(name.lower())}


# ── what comes back ──────────────────────────────────────────────────────────────────────────────────────


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Return the headers, names small; what is no UTF-8 in them is not kept."""
    found: dict[str, str] = {}
    for name, value in response.headers.items():
        text = value.encode(errors="surrogateescape").decode(errors="replace")
        small = name.lower()
        found[small] = f"{found[small]}, {text}" if small in found else text
    return found


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body, or refuse it as soon as it is too long."""
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in {"", "identity"}:
        raise AnswerUnreadable(f"{response.url.host} answered packed as {packed}, which was not asked for.")
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            said = f"{response.url.host} answered with more than {most:,} bytes, which an output may have."
            raise AnswerTooLarge(said)
    return bytes(data)
