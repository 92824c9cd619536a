"""The bus: what others may do with messages, channels, subscriptions and dead letters; and what falls due.

    sent = await bus.send(sender="local", to=To.bot("clerk"), type="ticket", json='{"text":"lamp"}')
    answer = await bus.ask(sender="local", to=To.bot("clerk"), type="question", json="{}", seconds=30)
    await bus.subscribe("clerk", "tickets.*")

Everything here is checked against the board, handed to the journal as one turn, and true when it returns.
From there the board routes it, in the order of the log (`board.py`). It is done in the task of whoever calls,
so a thousand callers share one commit; what falls due later is in `calendar.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
import structlog

from callboard.actors.children import StopChild
from callboard.actors.supervisor import Supervisor
from callboard.authoring.bot import Say
from callboard.company import clearing, letters
from callboard.company.asking import ASK, Question, Services, within
from callboard.company.board import Board, Line
from callboard.company.composing import compose
from callboard.company.guests import KINDS, Guests
from callboard.company.listing import Listing, listed
from callboard.company.sitting import DELAYED, Delayed, keep, written
from callboard.errors import (
    AskTimeout,
    CallboardError,
    ChannelInUse,
    Conflict,
    ConstraintViolated,
    KeyReused,
    NotFound,
    ShuttingDown,
    StoreUnavailable,
)
from callboard.facts import encode
from callboard.facts.membership import (
    BotDeclared,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
    bot_stream,
    channel_stream,
    matches,
)
from callboard.ids import (
    SYSTEM,
    BotName,
    ChannelName,
    MessageId,
    Position,
    PrincipalId,
    TimerId,
    WaitId,
)
from callboard.messages import Message, To, check_name, check_new_bot, check_pattern
from callboard.spelling import did_you_mean, no_such
from callboard.store.changes import CloseWait, KeepKey, MoveCursor, OpenWait
from callboard.store.turn import Turn

_log = structlog.get_logger("callboard.bus")

CODED = frozenset({"python", "webhook", "workflow"})
"""Kinds of bots that are there because code or configuration says so."""


class Sent(msgspec.Struct, frozen=True):
    """A message that was accepted."""

    id: MessageId
    position: Position | None
    """None is one that is sent later."""
    repeated: bool = False
    """The idempotency key was used before: this is what came of it then."""


class Bus:
    """What the house holds of the bus."""

    def __init__(self, services: Services) -> None:
        self.board: Board = services.board
        self._services = services
        self.supervisor: Supervisor | None = None
        """Keeps the actors of bots alive; set once it runs."""
        self.guests = Guests(services, self.declare)
        """Bots outside and persons, and their inboxes."""

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
        said, asker = await compose(
            *(self._services, to, type, json),
            headers=headers,
            reply_to=reply_to,
            conversation=conversation,
            after=after,
        )
        scope, digest = f"send:{sender}", _digest(said)
        if key is not None:
            known = await self._repeated(scope, key, digest)
            if known is not None:
                return known
        self._services.pace.take(sender, to)
        turn = self._services.journal.turn(principal=principal)
        if after > 0:
            return await self._send_later(turn, said, sender, key)
        if to.kind == "channel":
            self.board.make_channel(turn, to.name)
        ref = turn.post(written(said, sender, 0, None))
        if asker is not None and said.reply_to is not None:
            self.board.answer_ask(turn, said.reply_to, sender, asker, said.to, ref)
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
        said, _ = await compose(self._services, to, type, json, headers=headers, conversation=conversation)
        self._services.pace.take(sender, to)
        answer = self.board.wait_for(said.id, sender, to.name)
        wait: WaitId | None = None
        """Of a bot outside that asks: by this its answer is known from one that comes too late."""
        try:
            turn = self._services.journal.turn(principal=principal)
            ref = turn.post(written(said, sender, 0, None, asks=True))
            if self.board.find(sender) is not None:
                wait = WaitId(self._services.ids.new())
                due, what = turn.at + timedelta(seconds=seconds), Question(to.name, Position(0), 0, "")
                owner = bot_stream(BotName(sender))
                turn.change(OpenWait(wait, owner, ASK, str(said.id), ref, due, encode(what)))
            receipt = await self._services.journal.commit(turn)
            late = AskTimeout(
                f"{to.name} did not answer within {seconds:g} s; the question is {said.id}.",
                question=str(said.id),
            )
            try:
                return await within(self._services.clock, seconds, answer, late)
            except AskTimeout:
                await self._say_if_dead(said, receipt.position(ref))
                raise
        finally:
            self.board.forget(said.id)
            if wait is not None:
                await asyncio.shield(self._close(wait))

    async def _say_if_dead(self, question: Say, position: Position) -> None:
        """Raise an AskTimeout that says more, if the question itself became a dead letter."""
        with contextlib.suppress(StoreUnavailable):  # that there was no answer is true all the same
            given = await self._services.store.delivery(BotName(question.to.name), position)
            if given is not None and given.outcome == "dead":
                text = f"{question.to.name} gave up the question {question.id}, which is a dead letter"
                raise AskTimeout(f"{text}: {given.error}", question=str(question.id)) from None

    async def _close(self, wait: WaitId) -> None:
        turn = self._services.journal.turn()
        turn.change(CloseWait(wait))
        try:
            await self._services.journal.commit(turn)
        except CallboardError as error:  # its bot closes it when it is started anew
            _log.warning("bus.wait_not_closed", wait=str(wait), reason=error.message)

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
            raise NotFound(no_such("channel", name, self.board.channels), name=name)
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
        line = self.board.must_find(bot)
        check_pattern(pattern)
        if (bot, pattern) in self.board.subscriptions:
            return
        begin = self.board.check_since(since)
        turn = self._services.journal.turn(principal=principal)
        facts: list[msgspec.Struct] = [Subscribed(line.name, pattern, begin, own)]
        turn.append(bot_stream(line.name), "bot", facts, expected=None)
        if "*" not in pattern:
            self.board.make_channel(turn, pattern)
        await self._services.journal.commit(turn)

    async def unsubscribe(self, bot: str, pattern: str, *, principal: PrincipalId = SYSTEM) -> None:
        """Have a bot listen no longer; what was said before is still delivered."""
        line = self.board.must_find(bot)
        if (bot, pattern) not in self.board.subscriptions:
            listens = [one.pattern for one in self.board.listens(bot)]
            raise NotFound(f"{bot} does not listen to {pattern!r}{did_you_mean(pattern, listens) or '.'}")
        turn = self._services.journal.turn(principal=principal)
        turn.append(bot_stream(line.name), "bot", [Unsubscribed(line.name, pattern)], expected=None)
        await self._services.journal.commit(turn)

    # ── bots ─────────────────────────────────────────────────────────────────────────────────────────────

    async def declare(
        self,
        name: str,
        kind: str,
        description: str,
        patterns: Mapping[str, bool],
        *,
        principal: PrincipalId = SYSTEM,
    ) -> Line:
        """Put a bot on the board, and make the subscriptions in its code what they are there."""
        bot = BotName(check_new_bot(name))
        line = self.board.find(bot)
        if line is not None and line.kind != kind and KINDS & {kind, line.kind}:
            raise Conflict(
                f"{bot} is on the board as a bot of the kind {line.kind}: choose another name, or remove "
                "that one first.",
                bot=bot,
                kind=line.kind,
            )
        facts: list[msgspec.Struct] = []
        again = bot in self.board.bots and line is None
        if again:  # what it had before itself when it was removed is settled first
            await clearing.bury_rest(self._services, self.board.bots[bot])
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
            turn = self._services.journal.turn(principal=principal)
            (ref, *_) = turn.append(bot_stream(bot), "bot", facts, expected=None)
            if again:
                turn.change(MoveCursor(bot, ref))
            for pattern in patterns:
                if "*" not in pattern:
                    self.board.make_channel(turn, pattern)
            await self._services.journal.commit(turn)
        return self.board.bots[bot]

    def listing(self) -> list[Listing]:
        """Return all bots that were ever declared, by name, and how each is."""
        return listed(self.board, self.supervisor.status() if self.supervisor is not None else ())

    async def restart(self, bot: str) -> None:
        """Start a bot again that was set aside."""
        line = self.board.must_find(bot)
        if self.supervisor is None:
            raise ShuttingDown("The bots are not running now: try again in a moment.")
        if line.name not in {child.name for child in self.supervisor.status()}:
            raise Conflict(
                f"{bot} is absent: no code is loaded for it, so there is nothing to start.", bot=bot
            )
        self.supervisor.restart(bot)

    async def remove(self, bot: str, *, principal: PrincipalId = SYSTEM) -> int:
        """Take a bot off the board; what waits for it becomes dead letters, and their number is returned."""
        line = self.board.must_find(bot)
        children = {child.name for child in self.supervisor.status()} if self.supervisor else set()
        if self.supervisor is not None and bot in children:
            if line.kind in CODED:
                raise Conflict(
                    f"The code of {bot} is loaded: take it out of bots/ or the configuration, and reload."
                )
            await self.supervisor.actor_ref.ask(StopChild(bot))
        await clearing.remove(self._services, line, principal)
        return await clearing.bury_rest(self._services, line)

    async def finish_removals(self) -> None:
        """Bury what still waits for removed bots: a crash may have come between the removal and this."""
        for line in list(self.board.bots.values()):
            if line.removed is not None:
                await clearing.bury_rest(self._services, line)

    async def expire(self, before: datetime) -> int:
        """Make dead letters of what was sent before a time and still waits, for each bot on the board."""
        return await clearing.expire(self._services, before)

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
