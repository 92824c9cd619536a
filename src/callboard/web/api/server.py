"""The door itself: a listening socket, and uvicorn behind it in this process's loop.

uvicorn is used for its protocol, not for its way of life. Its signal handlers stay away, since the house ends
in an order that only `app.py` knows. Its main loop, which wakes ten times a second to set a date, does not
run: a quiet server costs nothing. Its shutdown, which sleeps and polls and waits for open streams for ever,
is replaced by one that waits for the requests themselves and ends at the grace time.

The socket is bound first, by ourselves: so a taken address is one clear sentence before anything has started,
and port 0 tells which one it got.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys

import uvicorn
from starlette.types import ASGIApp

from callboard import logs
from callboard.errors import AddressInUse, StartRefused
from callboard.ids import Ids, SystemIds
from callboard.settings import Door as DoorConfig
from callboard.settings import is_loopback
from callboard.web.api.application import application
from callboard.web.api.desk import Desk
from callboard.web.api.protocol import BoundedProtocol

log = logs.get_logger(__name__)

BACKLOG = 512
_LAST_BREATH = 1.0
"""Seconds that a cancelled request has to let go."""


class Door:
    """The HTTP server: opened by `start`, closed by `stop`."""

    def __init__(
        self,
        desk: Desk,
        *,
        key: str,
        config: DoorConfig | None = None,
        body_bytes: int = 1 << 20,
        ids: Ids | None = None,
    ) -> None:
        logs.keep_secret(key)
        self._config = config or DoorConfig()
        self._closing = asyncio.Event()
        self._app: ASGIApp = application(
            desk,
            key=key,
            body_bytes=body_bytes,
            ids=ids or SystemIds(),
            closing=self._closing,
            streams=self._config.streams,
        )
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        """Where the door is, once it is bound."""
        if self._socket is None:
            raise RuntimeError("the door has no address before it is bound")
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def bind(self) -> None:
        """Take the address, or raise `AddressInUse`; callers wait until `start`."""
        if self._socket is None:
            self._socket = _listen(self._config.host, self._config.port)

    async def start(self) -> None:
        """Take the address and answer."""
        self.bind()
        assert self._socket is not None  # noqa: S101 - for the type checker
        config = uvicorn.Config(
            self._app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[self._socket])
        self._server = server

    async def stop(self, grace: float = 10.0) -> None:
        """Take no more requests, let those in flight end for `grace` seconds, then end them.

        What waits for something that may never come, a long poll or a stream, ends at once.
        """
        self._closing.set()
        server, self._server = self._server, None
        listening, self._socket = self._socket, None
        if server is not None:
            for listener in server.servers:
                listener.close()
            state = server.server_state
            for connection in list(state.connections):
                connection.shutdown()
            await _finish(set(state.tasks), grace)
            for connection in list(state.connections):
                # Nobody is served on it any more: a caller that never finished its request. One that is
                # closing already still has the end of its answer to send.
                if not connection.transport.is_closing():
                    connection.transport.abort()
        if listening is not None:
            listening.close()


async def _finish(tasks: set[asyncio.Task[None]], grace: float) -> None:
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=grace)
    if late:
        log.warning("requests did not end in time and were cancelled", count=len(late))
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=_LAST_BREATH)


def _listen(host: str, port: int) -> socket.socket:
    if not is_loopback(host):
        raise StartRefused(
            f"The door opens on loopback addresses only, not on {host}: identities come later."
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as fault:
        raise StartRefused(f"The host {host} has no address: {fault.strerror or fault}.") from fault
    listening = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # At once, not in `start`: two sockets may be bound to one address as long as neither listens.
        listening.listen(BACKLOG)
        listening.setblocking(False)  # noqa: FBT003 - the socket's own signature
    except OSError as fault:
        with contextlib.suppress(OSError):
            listening.close()
        if fault.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"Port {port} of {host} is in use by another program: stop that one, or choose another "
                f"port with --port or CALLBOARD_DOOR_PORT.",
                host=host,
                port=port,
            ) from fault
        raise StartRefused(
            f"Callboard cannot listen on {host} port {port}: {fault.strerror or fault}."
        ) from fault
    return listening
