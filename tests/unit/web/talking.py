"""What the door asks about messages and the board, answered from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from callboard.errors import ChannelInUse, NotFound
from callboard.ids import DEFAULT_TENANT, LOCAL_USER, MessageId, Position, PrincipalId
from callboard.web import talk, wire

AT = datetime(2030, 1, 1, tzinfo=UTC)
ID = MessageId(UUID("01920000-0000-7000-8000-000000000001"))
HEARS = talk.SubscriptionRow(bot="clerk", pattern="tickets.*", since=Position(1), own=False, declared=True)
LETTER: dict[str, Any] = {
    "id": Position(9),
    "bot": "clerk",
    "reason": "FAILED",
    "message": Position(7),
    "sender": "local",
    "recipient": "clerk",
    "type": "text",
    "attempts": 5,
    "error": "ValueError: no",
    "redriven": None,
}
BOT: dict[str, Any] = {
    "name": "clerk",
    "kind": "python",
    "description": "Takes tickets.\nAll of them.",
    "state": "running",
    "since": Position(1),
    "removed": None,
    "subscriptions": [HEARS],
    "last_error": None,
}


def row(position: int, **more: Any) -> talk.MessageRow:
    """Return a message with what became of it."""
    became = [
        talk.DeliveryRow(bot="clerk", outcome="retrying", attempts=2, at=AT),
        talk.DeliveryRow(bot="desk", outcome="waiting"),
    ]
    said: dict[str, Any] = {
        "id": ID,
        "position": Position(position),
        "cause": None,
        "principal": LOCAL_USER,
        "sender": "local",
        "to": "clerk",
        "channel": None,
        "type": "text",
        "body": msgspec.Raw(b'{"text":"hi"}'),
        "headers": {},
        "reply_to": None,
        "conversation": None,
        "hops": 0,
        "at": AT,
        "asks": False,
        "deliveries": became,
    }
    return talk.MessageRow(**{**said, **more})


def fact(position: int, cause: int | None) -> wire.LogRow:
    """Return a fact of the log."""
    return wire.LogRow(
        position=Position(position),
        cause=None if cause is None else Position(cause),
        kind="message",
        tenant=DEFAULT_TENANT,
        principal=LOCAL_USER,
        at=AT,
        subject="clerk",
        type="text",
        data=msgspec.Raw(b"{}"),
    )


@dataclass
class MemoryTalk:
    """Two messages, one bot, one channel and one dead letter."""

    asked: Callable[..., Awaitable[None]]
    rows: list[talk.MessageRow] = field(
        default_factory=lambda: [row(7), row(8, to=None, channel="tickets.new")]
    )

    async def send(
        self, request: talk.SendRequest, *, key: str | None, principal: PrincipalId
    ) -> talk.Accepted:
        await self.asked("send", request, key, principal)
        if request.to == "nobody":
            raise NotFound("No bot is named nobody.")
        if request.ask is not None:
            return talk.Accepted(id=ID, position=Position(7), answer=row(8, body=request.body))
        return talk.Accepted(id=ID, position=None if request.after else Position(7), repeated=key == "again")

    async def message(self, message: MessageId) -> talk.MessageRow:
        await self.asked("message", message)
        if message != ID:
            raise NotFound(f"No message has the id {message}.")
        return self.rows[0]

    async def audit(
        self,
        query: talk.AuditQuery,
        *,
        pair: tuple[str, str] | None = None,
        channel: str | None = None,
        conversation: str | None = None,
    ) -> talk.AuditPage:
        await self.asked("audit", query, pair, channel, conversation)
        begin = 0 if query.after is None else int(query.after.partition("@")[0])
        found = [one for one in self.rows if one.position > begin][: query.limit]
        more = bool(found) and found[-1] is not self.rows[-1]
        return talk.AuditPage(data=found, next=f"{found[-1].position}@log-1" if more else None)

    async def causes(self, position: Position) -> talk.Chain:
        await self.asked("causes", position)
        return talk.Chain(data=[fact(position, 5), fact(5, None)])

    async def effects(self, position: Position, after: str | None, limit: int) -> talk.Effects:
        await self.asked("effects", position, after, limit)
        begin = position if after is None else int(after.partition("@")[0])
        found = [one for one in (fact(8, 7), fact(9, 8), fact(10, 7)) if one.position > begin][:2]
        return talk.Effects(data=found, next="9@log-1" if found[-1].position == 9 else None)

    async def channels(self) -> talk.ChannelList:
        await self.asked("channels")
        return talk.ChannelList(data=[await self.channel("tickets.new")])

    async def channel(self, name: str) -> talk.ChannelAnswer:
        if name != "tickets.new":
            raise NotFound(f"No channel is named {name}.")
        return talk.ChannelAnswer(name=name, created=Position(2), subscribers=[HEARS])

    async def create_channel(self, name: str, principal: PrincipalId) -> talk.ChannelMade:
        await self.asked("create", name, principal)
        return talk.ChannelMade(name=name, made=name != "tickets.new")

    async def delete_channel(self, name: str, *, force: bool, principal: PrincipalId) -> talk.Done:
        await self.asked("delete", name, force, principal)
        if not force:
            raise ChannelInUse(f"{name} has subscribers: force it.")
        return talk.Done()

    async def subscribe(
        self, bot: str, pattern: str, request: talk.SubscribeRequest, principal: PrincipalId
    ) -> talk.Done:
        await self.asked("subscribe", bot, pattern, request.since, request.own, principal)
        return talk.Done()

    async def unsubscribe(self, bot: str, pattern: str, principal: PrincipalId) -> talk.Done:
        await self.asked("unsubscribe", bot, pattern, principal)
        return talk.Done()

    async def bots(self) -> talk.BotList:
        await self.asked("bots")
        return talk.BotList(data=[talk.BotAnswer(**BOT)])

    async def bot(self, name: str) -> talk.BotDetail:
        if name != "clerk":
            raise NotFound(f"No bot is named {name}.")
        return talk.BotDetail(**BOT, waiting=3)

    async def restart(self, name: str) -> talk.BotDetail:
        await self.asked("restart", name)
        return await self.bot(name)

    async def reload(self, principal: PrincipalId) -> talk.Reloaded:
        await self.asked("reload", principal)
        fault = talk.FileFault(file="bots/desk.py", line=3, message="SyntaxError: invalid syntax")
        actions = talk.ActionsReloaded(added=[], replaced=["price"], gone=[], kept=[])
        return talk.Reloaded(
            started=[],
            replaced=["clerk"],
            stopped=[],
            kept=["desk"],
            actions=actions,
            workflows=[talk.FromFolder(name="claims", version=2)],
            templates=None,
            faults=[fault],
        )

    async def dead_letters(self, bot: str | None, after: str | None, limit: int) -> talk.DeadLetters:
        await self.asked("dead", bot, after, limit)
        return talk.DeadLetters(data=[talk.DeadLetterRow(**LETTER)], next=None)

    async def dead_letter(self, letter: Position) -> talk.DeadLetterDetail:
        if letter != 9:
            raise NotFound(f"No dead letter stands at position {letter}.")
        return talk.DeadLetterDetail(**LETTER, at=AT, story=msgspec.Raw(b'{"traceback":"one\\ntwo"}'))

    async def redrive(self, letter: Position, principal: PrincipalId) -> talk.Done:
        await self.asked("redrive", letter, principal)
        await self.dead_letter(letter)
        return talk.Done()

    async def purge(self, letter: Position, principal: PrincipalId) -> talk.Done:
        await self.asked("purge", letter, principal)
        return talk.Done()
