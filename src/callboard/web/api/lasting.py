"""Requests that last: long polls, and streams of events.

They wait for something that may not come for a long time. So each ends when its caller hangs up, which is
noticed at once and not at the next word to it, and when the door closes, lest a quiet reader hold up the end
of the house. A stream writes no faster than its caller reads; what is not written yet stays in the log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from callboard.errors import CallboardError, Overloaded, ShuttingDown
from callboard.web.api import problems
from callboard.web.api.event import Event
from callboard.web.api.reading import Gone
from callboard.web.inbox import STREAM_TYPE

T = TypeVar("T")

_FAREWELL = 0.5
"""Seconds that a caller has to take the end of its stream when the door closes."""


async def while_wanted(work: Coroutine[Any, Any, T], receive: Receive, closing: asyncio.Event) -> T:
    """Carry something out, unless the caller hangs up (`Gone`) or the door closes (`ShuttingDown`)."""
    tasks = [asyncio.create_task(one) for one in (work, _hung_up(receive), closing.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            return tasks[0].result()  # type: ignore[return-value]  # of the three, it is the work's
        if tasks[1].done():
            raise Gone
        raise ShuttingDown("The server is closing; ask again when it is back.")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Seats:
    """How many streams may be open at once: each costs a connection, and a page of what it writes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    def take(self) -> None:
        """Take one, or refuse it."""
        if self._taken >= self._most:
            raise Overloaded(
                f"There are {self._most} streams open, which is as many as may be: close some, or set "
                "door.streams to more."
            )
        self._taken += 1

    def leave(self) -> None:
        """Give one back."""
        self._taken -= 1


class EventStream:
    """A response whose body is what a generator yields, written as server-sent events."""

    def __init__(
        self, events: AsyncGenerator[list[Event[Any]], None], closing: asyncio.Event, seats: Seats
    ) -> None:
        self._events = events
        self._closing = closing
        self._seats = seats

    @classmethod
    async def open(
        cls,
        events: AsyncGenerator[list[Event[Any]], None],
        receive: Receive,
        closing: asyncio.Event,
        seats: Seats,
    ) -> ASGIApp:
        """Have the first page come, so that a refusal is still an answer of its own.

        What has ended, and was read to its end, is not opened: 204 keeps a browser from asking again.
        """

        async def begin() -> list[Event[Any]] | None:
            return await anext(events, None)

        seats.take()
        try:
            first = await while_wanted(begin(), receive, closing)
        except BaseException:
            seats.leave()
            raise
        if first is None:
            seats.leave()
            return Response(status_code=204)

        async def all_of_it() -> AsyncGenerator[list[Event[Any]], None]:
            async with contextlib.aclosing(events):
                yield first
                async for page in events:
                    yield page

        return cls(all_of_it(), closing, seats)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(receive, send)
        finally:
            self._seats.leave()

    async def _answer(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", STREAM_TYPE.encode()), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await while_wanted(self._write(send), receive, self._closing)
        except ShuttingDown:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await send({"type": "http.response.body", "body": b""})

    async def _write(self, send: Send) -> None:
        last = b""
        async with contextlib.aclosing(self._events) as events:
            try:
                async for page in events:
                    body = b"".join(map(_written, page)) or b": still here\n\n"
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            except CallboardError as error:
                last = b"event: ended\ndata: " + msgspec.json.encode(problems.problem(error), enc_hook=str)
                last += b"\n\n"
        await send({"type": "http.response.body", "body": last})


def _written(event: Event[Any]) -> bytes:
    """Return an event as it goes over the wire: JSON has no line ends of its own."""
    name = b"event: %b\n" % event.name.encode() if event.name else b""
    data = _on_one_line(msgspec.json.encode(event.answer))
    return b"id: %b\n%bdata: %b\n\n" % (event.id.encode(), name, data)


def _on_one_line(json: bytes) -> bytes:
    """Put JSON on one line: in a body that travels as it was sent, ends of lines are only blanks."""
    return json.replace(b"\r", b" ").replace(b"\n", b" ")
