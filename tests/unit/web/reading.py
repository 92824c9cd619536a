"""What the door asks about inboxes that are read from outside, answered from memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from callboard.errors import Conflict, NotServed, ReaderConflict
from callboard.ids import Position, PrincipalId
from callboard.web import inbox, talk
from callboard.web.api.event import Event
from tests.unit.web.talking import AT, ID


def row(position: int, **more: Any) -> inbox.InboxRow:
    """Return a message that waits."""
    said: dict[str, Any] = {
        "id": ID,
        "position": Position(position),
        "cursor": f"{position}@log-1",
        "cause": None,
        "sender": "local",
        "channel": None,
        "type": "text",
        "body": msgspec.Raw(b'{"text":\n"hi"}'),
        "headers": {},
        "reply_to": None,
        "conversation": None,
        "hops": 0,
        "at": AT,
        "asks": False,
        "attempt": 1,
    }
    return inbox.InboxRow(**{**said, **more})


@dataclass
class MemoryInbox:
    """Two messages, of which the second is there when the first was acknowledged."""

    asked: Callable[..., Awaitable[None]]

    async def declare(self, request: inbox.DeclareRequest, principal: PrincipalId) -> None:
        await self.asked("declare", request, principal)

    async def remove(self, bot: str, principal: PrincipalId) -> inbox.RemovedAnswer:
        await self.asked("remove", bot, principal)
        return inbox.RemovedAnswer(name=bot, dead_letters=2)

    async def send(
        self, bot: str, request: talk.SendRequest, *, key: str | None, principal: PrincipalId
    ) -> talk.Accepted:
        await self.asked("send as", bot, request, key, principal)
        if bot == "clerk":
            raise Conflict("clerk speaks for itself.")
        return talk.Accepted(id=ID, position=Position(7))

    async def read(self, bot: str, query: inbox.InboxQuery) -> inbox.InboxPage:
        await self.asked("read", bot, query)
        if query.reader == "second":
            raise ReaderConflict("first reads: take it over.")
        data = [one for one in (row(7), row(8)) if query.after is None or one.cursor > query.after]
        return inbox.InboxPage(data=data[: query.limit], next=data[-1].cursor if data else query.after)

    async def stream(
        self, bot: str, query: inbox.StreamQuery, after: str | None
    ) -> AsyncGenerator[list[Event[inbox.InboxRow]], None]:
        await self.asked("stream", bot, query, after)
        if query.reader == "second":
            raise ReaderConflict("first reads: take it over.")
        yield []
        yield [Event(one, one.cursor) for one in (row(7), row(8)) if after is None or one.cursor > after]
        if query.reader == "first":
            raise ReaderConflict("second took over.")
        await self.asked("waits")

    async def acknowledge(self, bot: str, request: inbox.AckRequest) -> inbox.AckAnswer:
        await self.asked("ack", bot, request)
        if request.up_to == 9:
            raise NotServed("9 was not served.")
        sent = [inbox.AckSent(id=ID, position=Position(9)) for _ in request.messages]
        return inbox.AckAnswer(settled=0 if request.failed else 1, sent=sent)
