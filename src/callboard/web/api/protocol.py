"""uvicorn's HTTP protocol, with a bound on the head of a request: its first line and its headers.

The parser itself has none, and a caller needs no key to send a head that never ends: it would be held in
memory until there is none left. Bodies have their bound in `reading.py`.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 1 << 20
"""A head that is larger is refused; what comes in one piece with its end is not counted apart."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _in_head = False
    _held = 0

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_head, self._held = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Count no more: what follows is the body."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the head has grown too large."""
        if self._in_head:
            self._held += len(data)
            if self._held > HEAD_BYTES:
                self.send_400_response("The head of the request is too large.")
                return
        super().data_received(data)
