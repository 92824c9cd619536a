"""The bus: what others may do with messages, channels, subscriptions and dead letters; and what falls due.

    sent = await bus.send(sender="local", to=To.bot("clerk"), type="ticket", json='{"text":"lamp"}')
    answer = await bus.ask(sender="local", to=To.bot("clerk"), type="question", json="{}", seconds=30)
    await bus.subscribe("clerk", "tickets.*")

Everything here is checked against the board, handed to the journal as one turn, and true when it returns.
From there the board routes it, in the order of the log (`board.py`). It is done in the task of whoever calls,
so a thousand callers share one commit; what falls due later is in `calendar.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta

import msgspec

from callboard.actors import letters
from callboard.actors.asking import Services, check_sendable, within
from callboard.actors.board import Board, Line
from callboard.actors.children import ChildStatus
from callboard.actors.sitting import DELAYED, Delayed, keep, written
from callboard.actors.supervisor import Supervisor
from callboard.bot import Say
from callboard.changes import KeepKey
from callboard.errors import (
    AskTimeout,
    ChannelInUse,
    Conflict,
    ConstraintViolated,
    KeyReused,
    NotFound,
    ShuttingDown,
)
from callboard.facts import encode
from callboard.ids import (
    SYSTEM,
    BotName,
    ChannelName,
    MessageId,
    Position,
    PrincipalId,
    TimerId,
)
from callboard.membership import (
    BotDeclared,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
    bot_stream,
    channel_stream,
    matches,
)
from callboard.messages import Message, To, check_name, check_pattern, hops_allowed
from callboard.spelling import did_you_mean
from callboard.store import Subscription
from callboard.turn import Turn


class Sent(msgspec.Struct, frozen=True):
    """A message that was accepted."""

    id: MessageId
    position: Position | None
    """None is one that is sent later."""
    repeated: bool = False
    """The idempotency key was used before: this is what came of it then."""


class Listing(msgspec.Struct, frozen=True):
    """One bot, as an operator sees it."""

    name: str
    kind: str
    description: str
    state: str
    """`running`, `backing_off`, `quarantined`, `absent` (no code is loaded for it) or `removed`."""
    since: Position
    removed: Position | None
    subscriptions: list[Subscription]
    last_error: str | None


class Bus:
    """What the house holds of the bus."""

    def __init__(self, services: Services) -> None:
        self.board: Board = services.board
        self._services = services
        self.supervisor: Supervisor | None = None
        """Keeps the actors of bots alive; set once it runs."""

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────

    async def send(  # noqa: PLR0913 - a message has that many parts
        self,
        *,
        sender: str,
        to: To,
        type: str,  # noqa: A002 - the word of the domain
        json: str,
        principal: PrincipalId = SYSTEM,
        headers: Mapping[str, str] | None = None,
        reply_to: MessageId | None = None,
        conversation: str | None = None,
        after: float = 0.0,
        key: str | None = None,
    ) -> Sent:
        """Send or publish from outside a handler; the same key again gives what came of it the first time."""
        said, asker = await self._compose(to, type, json, headers, reply_to, conversation, after)
        scope, digest = f"send:{sender}", _digest(said)
        if key is not None:
            known = await self._repeated(scope, key, digest)
            if known is not None:
                return known
        turn = self._services.journal.turn(principal=principal)
        if after > 0:
            return await self._send_later(turn, said, sender, key)
        if to.kind == "channel":
            self.board.make_channel(turn, to.name)
        ref = turn.post(written(said, sender, 0, None))
        if asker is not None and said.reply_to is not None:
            self.board.answer_ask(turn, said.reply_to, sender, asker, ref)
        if key is not None:
            turn.change(KeepKey(scope, key, digest, ref))
        try:
            receipt = await self._services.journal.commit(turn)
        except ConstraintViolated:
            known = await self._repeated(scope, key, digest) if key is not None else None
            if known is None:
                raise
            return known
        return Sent(said.id, receipt.position(ref))

    async def ask(
        self,
        *,
        sender: str,
        to: To,
        type: str,  # noqa: A002 - as above
        json: str,
        seconds: float,
        principal: PrincipalId = SYSTEM,
        headers: Mapping[str, str] | None = None,
        conversation: str | None = None,
    ) -> Message:
        """Ask a bot from outside a handler, and return its answer. Raises AskTimeout."""
        said, _ = await self._compose(to, type, json, headers, None, conversation, 0.0)
        answer = self.board.wait_for(said.id, sender, to.name)
        try:
            turn = self._services.journal.turn(principal=principal)
            turn.post(written(said, sender, 0, None, asks=True))
            await self._services.journal.commit(turn)
            late = AskTimeout(
                f"{to.name} did not answer within {seconds:g} s; the question is {said.id}.",
                question=str(said.id),
            )
            return await within(self._services.clock, seconds, answer, late)
        finally:
            self.board.forget(said.id)

    async def _compose(
        self,
        to: To,
        type_: str,
        json: str,
        headers: Mapping[str, str] | None,
        reply_to: MessageId | None,
        conversation: str | None,
        after: float,
    ) -> tuple[Say, str | None]:
        """Return what is to be said, checked, and who asked if it answers an ask."""
        check_name(to.kind, to.name)
        check_name("message type", type_)
        hops_allowed(headers or {})
        earlier = None
        if reply_to is not None:
            earlier = await self._services.store.message(reply_to)
            if earlier is None:
                raise NotFound(f"There is no message {reply_to} to reply to.")
        known = earlier is not None and earlier.sender == to.name
        check_sendable(self.board, self._services.message_bytes, to, json, known=known)
        name = MessageId(self._services.ids.new())
        talk = conversation or (earlier.conversation if earlier else None) or str(name)
        said = Say(name, to, type_, json, dict(headers or {}), reply_to, talk, after)
        return said, earlier.sender if earlier is not None and earlier.asks else None

    async def _repeated(self, scope: str, key: str, digest: str) -> Sent | None:
        known = await self._services.store.key(scope, key)
        if known is None:
            return None
        if known.digest != digest:
            raise KeyReused(
                f"The key {key!r} was used before, for another message: take a new key for a new one."
            )
        message = await self._services.store.message_at(known.about)
        if message is None:
            raise KeyReused(f"The key {key!r} was used before; its message is gone by retention.")
        return Sent(message.id, message.position, repeated=True)

    async def _send_later(self, turn: Turn, said: Say, sender: str, key: str | None) -> Sent:
        if key is not None:
            raise Conflict("A message that is sent later takes no idempotency key.")
        kept = Delayed(
            *(said.id, sender, said.to, said.type, said.json, dict(said.headers), said.reply_to),
            *(said.conversation, 0, None, turn.principal),
        )
        timer = keep(
            turn, TimerId(said.id), turn.at + timedelta(seconds=said.after), "bus", DELAYED, encode(kept)
        )
        await self._services.journal.commit(turn)
        self._services.arm(timer)
        return Sent(said.id, None)

    # ── channels and subscriptions ───────────────────────────────────────────────────────────────────────

    async def create_channel(self, name: str, *, principal: PrincipalId = SYSTEM) -> bool:
        """Make a channel; return whether it was not there."""
        channel = ChannelName(check_name("channel", name))
        if channel in self.board.channels:
            return False
        turn = self._services.journal.turn(principal=principal)
        self.board.make_channel(turn, channel)
        await self._services.journal.commit(turn)
        return True

    async def delete_channel(self, name: str, *, force: bool, principal: PrincipalId = SYSTEM) -> None:
        """Take a channel off the board; what was said on it stays in the log."""
        channel = ChannelName(check_name("channel", name))
        if channel not in self.board.channels:
            raise NotFound(f"There is no channel {name!r}{did_you_mean(name, self.board.channels) or '.'}")
        hearers = sorted(
            one.bot
            for one in self.board.subscriptions.values()
            if matches(one.pattern, channel) and self.board.find(one.bot)
        )
        if hearers and not force:
            raise ChannelInUse(
                f"{', '.join(hearers)} listen to {name}: unsubscribe them first, or delete it with force.",
                subscribers=hearers,
            )
        turn = self._services.journal.turn(principal=principal)
        turn.append(channel_stream(channel), "channel", [ChannelDeleted(channel)], expected=None)
        await self._services.journal.commit(turn)

    async def subscribe(
        self,
        bot: str,
        pattern: str,
        *,
        since: Position | None = None,
        own: bool = False,
        principal: PrincipalId = SYSTEM,
    ) -> None:
        """Have a bot listen to a channel or a pattern; again has no effect."""
        line = self._line(bot)
        check_pattern(pattern)
        if (bot, pattern) in self.board.subscriptions:
            return
        turn = self._services.journal.turn(principal=principal)
        facts: list[msgspec.Struct] = [Subscribed(line.name, pattern, since, own)]
        turn.append(bot_stream(line.name), "bot", facts, expected=None)
        if "*" not in pattern:
            self.board.make_channel(turn, pattern)
        await self._services.journal.commit(turn)

    async def unsubscribe(self, bot: str, pattern: str, *, principal: PrincipalId = SYSTEM) -> None:
        """Have a bot listen no longer; what was said before is still delivered."""
        line = self._line(bot)
        if (bot, pattern) not in self.board.subscriptions:
            listens = [one.pattern for one in self.board.listens(bot)]
            raise NotFound(f"{bot} does not listen to {pattern!r}{did_you_mean(pattern, listens) or '.'}")
        turn = self._services.journal.turn(principal=principal)
        turn.append(bot_stream(line.name), "bot", [Unsubscribed(line.name, pattern)], expected=None)
        await self._services.journal.commit(turn)

    def _line(self, bot: str) -> Line:
        line = self.board.find(bot)
        if line is None:
            near = did_you_mean(bot, [name for name in self.board.bots if self.board.find(name)])
            raise NotFound(f"There is no bot called {bot!r}{near or '.'}")
        return line

    # ── bots ─────────────────────────────────────────────────────────────────────────────────────────────

    async def declare(self, name: str, kind: str, description: str, patterns: Mapping[str, bool]) -> Line:
        """Put a bot on the board, and make the subscriptions in its code what they are there."""
        bot = BotName(check_name("bot", name))
        line = self.board.find(bot)
        facts: list[msgspec.Struct] = []
        if line is None or (line.kind, line.description) != (kind, description):
            facts.append(BotDeclared(bot, kind, description))
        listens = {one.pattern: one for one in self.board.listens(bot)}
        facts += [
            Unsubscribed(bot, pattern)
            for pattern, one in listens.items()
            if one.declared and patterns.get(pattern) is not one.own
        ]
        facts += [
            Subscribed(bot, pattern, None, own, declared=True)
            for pattern, own in patterns.items()
            if pattern not in listens or (listens[pattern].declared and listens[pattern].own is not own)
        ]
        if facts:
            turn = self._services.journal.turn()
            turn.append(bot_stream(bot), "bot", facts, expected=None)
            for pattern in patterns:
                if "*" not in pattern:
                    self.board.make_channel(turn, pattern)
            await self._services.journal.commit(turn)
        return self.board.bots[bot]

    def listing(self) -> list[Listing]:
        """Return all bots that were ever declared, by name, and how each is."""
        children: dict[str, ChildStatus] = {}
        if self.supervisor is not None:
            children = {child.name: child for child in self.supervisor.status()}
        found = []
        for name in sorted(self.board.bots):
            line, child = self.board.bots[name], children.get(name)
            state = "absent" if child is None else child.state.value
            found.append(
                Listing(
                    name=line.name,
                    kind=line.kind,
                    description=line.description,
                    state=state if line.removed is None else "removed",
                    since=line.declared,
                    removed=line.removed,
                    subscriptions=self.board.listens(name),
                    last_error=child.last_error if child else None,
                )
            )
        return found

    async def restart(self, bot: str) -> None:
        """Start a bot again that was set aside."""
        self._line(bot)
        if self.supervisor is None:
            raise ShuttingDown("The bots are not running now: try again in a moment.")
        self.supervisor.restart(bot)

    # ── dead letters ─────────────────────────────────────────────────────────────────────────────────────

    async def redrive(self, letter: Position, *, principal: PrincipalId = SYSTEM) -> None:
        """Have a dead letter tried again: fresh attempts, beside the stream, hops counted from 0."""
        await letters.redrive(self._services, letter, principal)

    async def purge(self, letter: Position, *, principal: PrincipalId = SYSTEM) -> None:
        """Take a dead letter off the list."""
        await letters.purge(self._services, letter, principal)


def _digest(said: Say) -> str:
    what = f"{said.to}\0{said.type}\0{said.json}\0{said.reply_to}\0{said.after}"
    return hashlib.blake2b(what.encode(), digest_size=16).hexdigest()
