"""The line from a caller to a server's door: one request at a time over a connection that is kept alive.

    line = Line("http://127.0.0.1:7331", key)
    health = line.call("GET", "/health", wire.Health)

What the server refuses is raised as the error that it was there; what keeps a request from it is
`ServerUnreachable`, in words that say what to do. A request that changes something is never sent twice by
itself: the first may have arrived.
"""

from __future__ import annotations

import http.client
import time
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from callboard.errors import RequestInvalid, ServerUnreachable
from callboard.units import size_text
from callboard.web import inbox, talk, wire
from callboard.web.refusals import error_of

T = TypeVar("T")

SOON = 30.0
"""Seconds to wait for an answer that should come soon."""

_STALE = 3.0
"""The server ends a connection that was idle for five seconds; one older than this is not trusted."""
_LARGEST = 64 << 20


class Line:
    """One caller's line to one door. Not for use by several threads at once."""

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ServerUnreachable(
                f"{url!r} is not the address of a Callboard, such as http://127.0.0.1:7331."
            )
        self.url = url
        self._key = key
        self._host = parts.hostname
        self._port = parts.port or 80
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def call(
        self,
        verb: str,
        path: str,
        kind: type[T],
        *,
        query: dict[str, str] | None = None,
        body: msgspec.Struct | None = None,
        timeout: float = SOON,
        idempotency: str | None = None,
    ) -> T:
        """Return what the server says, or raise what it refuses with."""
        target = wire.API + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"{wire.KEY_SCHEME} {self._key}"
        if idempotency is not None:
            if not idempotency.isascii() or not idempotency.isprintable():
                raise RequestInvalid("An idempotency key is of printable ASCII characters only.")
            headers[talk.KEY_HEADER] = idempotency
        sent = None
        if body is not None:
            sent = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        status, data = self._exchange(verb, target, sent, headers, timeout)
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise error_of(data, status, self.url)
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as fault:
            raise ServerUnreachable(
                f"What answers at {self.url} does not speak this version's language: {fault}."
            ) from None

    def open_stream(
        self, path: str, last: str | None, quiet: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Open a stream of events on a connection of its own; `last` is the id of the event seen last.

        `quiet` is how many seconds may pass without a byte.
        """
        headers = {"Accept": inbox.STREAM_TYPE}
        if self._key is not None:
            headers["Authorization"] = f"{wire.KEY_SCHEME} {self._key}"
        if last is not None:
            headers[inbox.RESUME_HEADER] = last
        connection = http.client.HTTPConnection(self._host, self._port, timeout=quiet)
        try:
            connection.request("GET", wire.API + path, headers=headers)
            answer = connection.getresponse()
            refused = answer.read(_LARGEST) if answer.status >= http.HTTPStatus.BAD_REQUEST else None
        except (OSError, http.client.HTTPException) as fault:
            connection.close()
            raise self._unreachable(fault) from fault
        if refused is not None:
            connection.close()
            raise error_of(refused, answer.status, self.url)
        return connection, answer

    def close(self) -> None:
        """End the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, verb: str, target: str, sent: bytes | None, headers: dict[str, str], timeout: float
    ) -> tuple[int, bytes]:
        """Send and receive; replace an old connection that broke, where asking twice does no harm."""
        if time.monotonic() - self._used > _STALE:
            self.close()
        again = self._connection is not None and verb == "GET"
        while True:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._host, self._port)
            connection = self._connection
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            try:
                connection.request(verb, target, sent, headers)
                response = connection.getresponse()
                data = response.read(_LARGEST + 1)
            except (OSError, http.client.HTTPException) as fault:
                self.close()
                if again and not isinstance(fault, TimeoutError):
                    again = False
                    continue
                raise self._unreachable(fault) from fault
            self._used = time.monotonic()
            if response.will_close or len(data) > _LARGEST:
                self.close()
            if len(data) > _LARGEST:
                raise ServerUnreachable(
                    f"The answer of {self.url} is larger than {size_text(_LARGEST)}: ask for less at once.",
                    url=self.url,
                )
            return response.status, data

    def _unreachable(self, fault: Exception) -> ServerUnreachable:
        if isinstance(fault, ConnectionRefusedError):
            text = f"Nobody answers at {self.url}: start Callboard with `callboard up`."
        elif isinstance(fault, TimeoutError):
            text = f"The Callboard at {self.url} did not answer in time; its log says what it is busy with."
        else:
            text = f"The connection to {self.url} broke ({str(fault) or type(fault).__name__}); try again."
        return ServerUnreachable(text, url=self.url)
