"""The part of the front desk that answers for messages, channels, bots and dead letters.

What changes something goes through the bus, what only looks is asked of the store. That a name or an id is
known is looked up here first, so that an unknown one is the same clear error on every path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

import msgspec

from callboard.company.asking import LONGEST_CHAIN
from callboard.company.bus import Bus
from callboard.company.listing import Listing
from callboard.company.roster import Roster
from callboard.desk.pages import read_page
from callboard.errors import NotFound, RecipientUnknown
from callboard.facts.membership import matches
from callboard.ids import LOCAL_USER, SYSTEM, BotName, ChannelName, MessageId, Position, PrincipalId
from callboard.messages import Message, To
from callboard.reloading import Reloading
from callboard.spelling import no_such
from callboard.store.boardrows import Audited, AuditQuery, ChannelRow, DeadLetter, LogEntry, Subscription
from callboard.store.port import Store
from callboard.units import seconds
from callboard.web import talk, wire

COUNT_TO = 1_000
"""Counting what waits for a bot ends here: past it the number changes nothing that anybody does."""

AT_ONCE = 100
"""Channels that are looked at before others have their turn."""


T = TypeVar("T")


class TalkDesk:
    """What the house says of those who talk."""

    def __init__(self, store: Store, bus: Bus, roster: Roster, reloading: Reloading) -> None:
        self._store = store
        self._bus = bus
        self._roster = roster
        self._reloading = reloading

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────

    async def send(
        self, request: talk.SendRequest, *, key: str | None, principal: PrincipalId
    ) -> talk.Accepted:
        return await self.send_as(LOCAL_USER, request, key=key, principal=principal)

    async def send_as(
        self, sender: str, request: talk.SendRequest, *, key: str | None, principal: PrincipalId
    ) -> talk.Accepted:
        """Send, publish or ask under the name of somebody who is outside."""
        to = To.bot(request.to) if request.to is not None else To.channel(request.channel or "")
        what: dict[str, Any] = {
            "sender": sender,
            "to": to,
            "type": request.type,
            "json": bytes(request.body).decode(),
            "headers": request.headers,
            "conversation": request.conversation,
            "principal": principal,
        }
        if request.ask is not None:
            return await self._answered(await self._bus.ask(**what, seconds=seconds(request.ask)))
        after = 0.0 if request.after is None else seconds(request.after)
        sent = await self._bus.send(**what, reply_to=request.reply_to, after=after, key=key)
        return talk.Accepted(id=sent.id, position=sent.position, repeated=sent.repeated)

    async def _answered(self, answer: Message) -> talk.Accepted:
        """Say what was asked, and what was answered."""
        question = None if answer.reply_to is None else await self._store.message(answer.reply_to)
        return talk.Accepted(
            id=question.id if question else answer.id,
            position=question.position if question else None,
            answer=message_row(answer, []),
        )

    async def message(self, message: MessageId) -> talk.MessageRow:
        found = await self._store.message(message)
        if found is None:
            raise NotFound(f"No message has the id {message}.", id=str(message))
        audited = await self._store.audit(AuditQuery(after=Position(found.position - 1), limit=1))
        if audited and audited[0].message.id == message:
            return audited_row(audited[0])
        return message_row(found, [])

    async def audit(
        self,
        query: talk.AuditQuery,
        *,
        pair: tuple[str, str] | None = None,
        channel: str | None = None,
        conversation: str | None = None,
    ) -> talk.AuditPage:
        head = await self._store.head()
        for name in pair or ():
            await self._must_have_talked(name)
        if channel is not None:
            await self._must_have_been(channel)
        wanted = AuditQuery(
            pair=pair,
            channel=None if channel is None else ChannelName(channel),
            conversation=conversation,
            type=query.type,
            since=query.since,
            until=query.until,
            outcome=query.outcome,
            newest_first=query.order == "newest",
        )

        async def read(after: Position | None, limit: int) -> list[Audited]:
            return await self._store.audit(msgspec.structs.replace(wanted, after=after, limit=limit))

        begin = None if query.after is None else head.resolve(query.after)
        rows, more = await read_page(read, begin, query.limit, _message_place)
        after = None if more is None else head.cursor(more)
        return talk.AuditPage(data=[audited_row(row) for row in rows], next=after)

    async def _must_have_talked(self, name: str) -> None:
        """Refuse the name of somebody who is no bot and never said or was told anything."""
        names = [one.name for one in self._bus.listing()]
        if name in {*names, LOCAL_USER, SYSTEM}:
            return
        if not await self._store.audit(AuditQuery(bot=name, limit=1)):
            _unknown("bot", name, names)

    async def _must_have_been(self, channel: str) -> None:
        """Refuse the name of a channel that is not there, and on which nothing was ever said."""
        names = [one.name for one in await self._store.channels()]
        if channel in names:
            return
        if not await self._store.audit(AuditQuery(channel=ChannelName(channel), limit=1)):
            _unknown("channel", channel, names)

    # ── causes and effects ───────────────────────────────────────────────────────────────────────────────

    async def causes(self, position: Position) -> talk.Chain:
        chain = await self._store.causes(position, LONGEST_CHAIN)
        if not chain:
            _no_position(position)
        return talk.Chain(data=[log_row(entry) for entry in chain])

    async def effects(self, position: Position, after: str | None, limit: int) -> talk.Effects:
        if await self._store.entry(position) is None:
            _no_position(position)
        head = await self._store.head()
        begin = position if after is None else head.resolve(after)

        async def read(behind: Position | None, count: int) -> list[LogEntry]:
            return await self._store.effects(position, behind or begin, count)

        entries, more = await read_page(read, begin, limit, entry_place)
        cursor = None if more is None else head.cursor(more)
        return talk.Effects(data=[log_row(entry) for entry in entries], next=cursor)

    # ── channels ─────────────────────────────────────────────────────────────────────────────────────────

    async def channels(self) -> talk.ChannelList:
        exact: dict[str, list[Subscription]] = {}
        patterns: list[Subscription] = []
        for one in await self._store.subscriptions():
            (patterns if "*" in one.pattern else exact.setdefault(one.pattern, [])).append(one)
        found: list[talk.ChannelAnswer] = []
        for row in await self._store.channels():
            if len(found) % AT_ONCE == 0:
                await asyncio.sleep(0)  # of very many, let others have their turn in between
            found.append(_channel(row, sorted([*exact.get(row.name, ()), *patterns], key=_opened)))
        return talk.ChannelList(data=found)

    async def channel(self, name: str) -> talk.ChannelAnswer:
        rows = await self._store.channels()
        row = _named(rows, name, lambda one: one.name)
        if row is None:
            _unknown("channel", name, [one.name for one in rows])
        return _channel(row, await self._store.subscriptions())

    async def create_channel(self, name: str, principal: PrincipalId) -> talk.ChannelMade:
        return talk.ChannelMade(name=name, made=await self._bus.create_channel(name, principal=principal))

    async def delete_channel(self, name: str, *, force: bool, principal: PrincipalId) -> talk.Done:
        await self.channel(name)
        await self._bus.delete_channel(name, force=force, principal=principal)
        return talk.Done()

    async def subscribe(
        self, bot: str, pattern: str, request: talk.SubscribeRequest, principal: PrincipalId
    ) -> talk.Done:
        self._on_the_board(bot)
        since = None if request.since is None else Position(request.since)
        await self._bus.subscribe(bot, pattern, since=since, own=request.own, principal=principal)
        return talk.Done()

    async def unsubscribe(self, bot: str, pattern: str, principal: PrincipalId) -> talk.Done:
        self._on_the_board(bot)
        heard = [one.pattern for one in await self._store.subscriptions(bot=BotName(bot))]
        if pattern not in heard:
            listens = f"it listens to {', '.join(heard)}" if heard else "it listens to no channel"
            raise NotFound(f"{bot} does not listen to {pattern}: {listens}.", bot=bot, pattern=pattern)
        await self._bus.unsubscribe(bot, pattern, principal=principal)
        return talk.Done()

    def _on_the_board(self, bot: str) -> None:
        """Refuse a bot that was never declared, or was removed."""
        here = [one for one in self._bus.listing() if one.removed is None]
        if _named(here, bot, lambda one: one.name) is None:
            raise RecipientUnknown(no_such("bot", bot, [one.name for one in here]), bot=bot)

    # ── bots ─────────────────────────────────────────────────────────────────────────────────────────────

    async def bots(self) -> talk.BotList:
        return talk.BotList(data=[talk.BotAnswer(**_bot(one)) for one in self._bus.listing()])

    async def bot(self, name: str) -> talk.BotDetail:
        rows = self._bus.listing()
        row = _named(rows, name, lambda one: one.name)
        if row is None:
            _unknown("bot", name, [one.name for one in rows])
        waiting = await self._store.waiting(BotName(name), COUNT_TO)
        line, reads = self._bus.board.bots[name], await self._bus.guests.reader(name)
        return talk.BotDetail(
            **_bot(row),
            waiting=waiting,
            reader=None if reads is None else talk.ReaderRow(**msgspec.structs.asdict(reads)),
            handles=list(line.handles),
            schedules=dict(line.schedules),
        )

    async def restart(self, name: str) -> talk.BotDetail:
        await self.bot(name)
        await self._roster.restart(name)
        return await self.bot(name)

    async def reload(self, principal: PrincipalId) -> talk.Reloaded:
        done = await self._reloading.reload(principal=principal)
        return msgspec.convert(done, talk.Reloaded, from_attributes=True)

    # ── dead letters ─────────────────────────────────────────────────────────────────────────────────────

    async def dead_letters(self, bot: str | None, after: str | None, limit: int) -> talk.DeadLetters:
        if bot is not None:
            names = [one.name for one in self._bus.listing()]
            if bot not in names:
                _unknown("bot", bot, names)
        head = await self._store.head()
        begin = None if after is None else head.resolve(after)
        of = None if bot is None else BotName(bot)
        letters = await self._store.dead_letters(bot=of, after=begin, limit=limit)
        more = len(letters) >= limit
        cursor = head.cursor(letters[-1].letter) if more else None
        return talk.DeadLetters(data=[talk.DeadLetterRow(**_letter(one)) for one in letters], next=cursor)

    async def dead_letter(self, letter: Position) -> talk.DeadLetterDetail:
        found, entry = await self._store.dead_letter(letter), await self._store.entry(letter)
        if found is None or entry is None:
            _no_letter(letter)
        return talk.DeadLetterDetail(**_letter(found), at=entry.at, story=entry.data)

    async def redrive(self, letter: Position, principal: PrincipalId) -> talk.Done:
        if await self._store.dead_letter(letter) is None:
            _no_letter(letter)
        await self._bus.redrive(letter, principal=principal)
        return talk.Done()

    async def purge(self, letter: Position, principal: PrincipalId) -> talk.Done:
        if await self._store.dead_letter(letter) is None:
            _no_letter(letter)
        await self._bus.purge(letter, principal=principal)
        return talk.Done()


# ── as the door says it ──────────────────────────────────────────────────────────────────────────────────


def message_row(message: Message, deliveries: list[talk.DeliveryRow]) -> talk.MessageRow:
    """Say a message."""
    on_channel = message.to.kind == "channel"
    return talk.MessageRow(
        id=message.id,
        position=message.position,
        cause=message.cause,
        principal=message.principal,
        sender=message.sender,
        to=None if on_channel else message.to.name,
        channel=message.to.name if on_channel else None,
        type=message.type,
        body=msgspec.Raw(message.json.encode()),
        headers=dict(message.headers),
        reply_to=message.reply_to,
        conversation=message.conversation,
        hops=message.hops,
        at=message.at,
        asks=message.asks,
        deliveries=deliveries,
    )


def audited_row(row: Audited) -> talk.MessageRow:
    """Say a message with what became of it: a bot that has begun with it still has it before itself."""
    said = [
        talk.DeliveryRow(
            bot=one.bot,
            outcome=cast("talk.Outcome", one.outcome),
            attempts=one.attempts,
            at=one.last_at,
            next_try_at=one.next_try_at,
            error=one.error,
        )
        for one in row.deliveries
        if one.outcome != "started"
    ]
    settled = {one.bot for one in said}
    said += [talk.DeliveryRow(bot=bot, outcome="waiting") for bot in row.waiting if bot not in settled]
    return message_row(row.message, sorted(said, key=lambda one: one.bot))


def _message_place(row: Audited) -> tuple[Position, int]:
    """Return where a message stands, and about how large it is."""
    return row.message.position, len(row.message.json)


def entry_place(entry: LogEntry) -> tuple[Position, int]:
    """Return where a fact stands, and about how large it is."""
    return entry.position, len(entry.data)


def log_row(entry: LogEntry) -> wire.LogRow:
    """Say a fact of the log."""
    return wire.LogRow(**{name: getattr(entry, name) for name in entry.__struct_fields__})


def _subscription(one: Subscription) -> talk.SubscriptionRow:
    return talk.SubscriptionRow(
        bot=one.bot, pattern=one.pattern, since=one.since, own=one.own, declared=one.declared
    )


def _opened(one: Subscription) -> Position:
    return one.opened


def _channel(row: ChannelRow, subscriptions: Sequence[Subscription]) -> talk.ChannelAnswer:
    heard = [_subscription(one) for one in subscriptions if matches(one.pattern, row.name)]
    return talk.ChannelAnswer(name=row.name, created=row.created, subscribers=heard)


def _bot(one: Listing) -> dict[str, Any]:
    fields = ("name", "kind", "description", "state", "since", "removed", "last_error")
    said = {name: getattr(one, name) for name in fields}
    return {**said, "subscriptions": [_subscription(each) for each in one.subscriptions]}


def _letter(one: DeadLetter) -> dict[str, Any]:
    said = {name: getattr(one, name) for name in one.__struct_fields__ if name != "letter"}
    return {**said, "id": one.letter}


# ── what is not there ────────────────────────────────────────────────────────────────────────────────────


def _named(rows: Sequence[T], name: str, named: Callable[[T], str]) -> T | None:
    return next((row for row in rows if named(row) == name), None)


def _unknown(what: str, name: str, known: Sequence[str]) -> NoReturn:
    raise NotFound(no_such(what, name, known), name=name)


def _no_position(position: Position) -> NoReturn:
    raise NotFound(f"The log holds nothing at position {position}.", position=position)


def _no_letter(letter: Position) -> NoReturn:
    raise NotFound(f"No dead letter stands at position {letter}: it may have been purged.", letter=letter)
