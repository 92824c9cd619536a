"""The part of the front desk that answers for bots outside and persons."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import msgspec

from callboard.company.bus import Bus
from callboard.company.outside import Ack, Outgoing
from callboard.company.sitting import Delivered
from callboard.desk.talk import TalkDesk
from callboard.ids import Position, PrincipalId
from callboard.messages import To
from callboard.store.port import Head, Store
from callboard.units import seconds
from callboard.web import inbox, talk
from callboard.web.api.event import Event

STILL_HERE = 15.0
"""Seconds of quiet after which a stream shows that it is open."""

AT_ONCE = 100
"""Messages that a stream reads at once."""


class InboxDesk:
    """What the house says to those outside who have an inbox in it."""

    def __init__(self, store: Store, bus: Bus, said: TalkDesk) -> None:
        self._store = store
        self._bus = bus
        self._guests = bus.guests
        self._talk = said

    # ── who is there ─────────────────────────────────────────────────────────────────────────────────────

    async def declare(self, request: inbox.DeclareRequest, principal: PrincipalId) -> None:
        await self._guests.declare(
            request.name, request.kind, request.description, request.subscribes, principal=principal
        )

    async def remove(self, bot: str, principal: PrincipalId) -> inbox.RemovedAnswer:
        return inbox.RemovedAnswer(name=bot, dead_letters=await self._bus.remove(bot, principal=principal))

    async def send(
        self, bot: str, request: talk.SendRequest, *, key: str | None, principal: PrincipalId
    ) -> talk.Accepted:
        sender = self._guests.find(bot).name
        return await self._talk.send_as(sender, request, key=key, principal=principal)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    async def read(self, bot: str, query: inbox.InboxQuery) -> inbox.InboxPage:
        head = await self._store.head()
        served = await self._guests.read(
            bot,
            limit=query.limit,
            wait=seconds(query.wait),
            reader=query.reader,
            take_over=query.take_over,
            after=None if query.after is None else head.resolve(query.after),
        )
        rows = _rows(served.given, head)
        return inbox.InboxPage(
            data=rows,
            next=rows[-1].cursor if rows else query.after,
            held_until=served.again if served.held else None,
        )

    async def stream(
        self, bot: str, query: inbox.StreamQuery, after: str | None
    ) -> AsyncGenerator[list[Event[inbox.InboxRow]], None]:
        head = await self._store.head()
        async with self._guests.stream(
            bot,
            limit=AT_ONCE,
            pause=STILL_HERE,
            reader=query.reader,
            take_over=query.take_over,
            after=None if after is None else head.resolve(after),
        ) as pages:
            yield []
            async for given in pages:
                yield [Event(row, row.cursor) for row in _rows(given, head)]

    # ── acknowledging ────────────────────────────────────────────────────────────────────────────────────

    async def acknowledge(self, bot: str, request: inbox.AckRequest) -> inbox.AckAnswer:
        head = await self._store.head()
        said = str(request.up_to)
        settled = await self._guests.acknowledge(
            bot,
            Ack(
                head.resolve(said) if "@" in said else Position(int(said)),
                [_outgoing(one) for one in request.messages],
                None if request.failed is None else request.failed.reason,
                request.reader,
            ),
        )
        return inbox.AckAnswer(
            settled=settled.count,
            repeated=settled.repeated,
            sent=[inbox.AckSent(id=one.id, position=one.position) for one in settled.sent],
            next_try_at=settled.next_try_at,
            dead=settled.dead,
        )


def _rows(given: Sequence[Delivered], head: Head) -> list[inbox.InboxRow]:
    return [_row(one, head) for one in given]


def _row(one: Delivered, head: Head) -> inbox.InboxRow:
    message = one.message
    return inbox.InboxRow(
        id=message.id,
        position=message.position,
        cursor=head.cursor(message.position),
        cause=message.cause,
        sender=message.sender,
        channel=message.to.name if message.to.kind == "channel" else None,
        type=message.type,
        body=msgspec.Raw(message.json.encode()),
        headers=dict(message.headers),
        reply_to=message.reply_to,
        conversation=message.conversation,
        hops=message.hops,
        at=message.at,
        asks=message.asks,
        attempt=one.attempt,
    )


def _outgoing(one: inbox.AckMessage) -> Outgoing:
    to = None
    if one.channel is not None:
        to = To.channel(one.channel)
    elif one.to is not None:
        to = To.bot(one.to)
    return Outgoing(
        *(to, one.type, bytes(one.body).decode(), one.headers, one.reply_to, one.conversation),
        0.0 if one.after is None else seconds(one.after),
    )
