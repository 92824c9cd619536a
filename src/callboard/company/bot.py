"""The actor of one python bot: it takes messages in the order of the log and carries out handlers.

Theory of operation
    The bot stands at a *place*: it has seen everything in its inbox up to there. A hint is taken if the bot
    stands between the position that it names and the message; an older one is a repeat, and behind a newer
    one lies a gap, so the log is read. When the mailbox is empty and the board says that the inbox reaches
    further, the log is read too. Catch-ups come before the bot's own stream.

    What is done with a message is in `attempts.py`. Here is only which one is next: a message that failed and
    holds the stream is found again by reading on, one that failed beside it when its time has come.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog

from callboard.actors.runtime import Envelope, LoopActor
from callboard.actors.timers import SetTimer
from callboard.authoring.bot import EVERY_TYPE, Bot, Shape
from callboard.authoring.terms import Terms
from callboard.company.asking import Services
from callboard.company.attempts import FIRST_RETRY, Attempts, Refused
from callboard.company.board import Hint, Line
from callboard.company.clearing import Expire, expire_one
from callboard.company.patience import patiently
from callboard.company.sitting import Delivered, next_attempt
from callboard.errors import (
    CallboardError,
    ShuttingDown,
    StoreUnavailable,
)
from callboard.ids import BotName, Position
from callboard.messages import Message
from callboard.retry import Backoff
from callboard.store.boardrows import Delivery
from callboard.store.port import WHENEVER

PAGE = 100
"""Messages that are read from the log at once."""

EVERY_ONE = 1_000_000
"""Whatever is to be tried again, however much of it there is."""

_log = structlog.get_logger("callboard.authoring.bot")


class Retry:
    """Told by a timer: a delivery is to be tried again."""


class BotActor(LoopActor[Any]):
    """Carries out one bot."""

    def __init__(
        self,
        cls: type[Bot],
        shape: Shape,
        line: Line,
        services: Services,
        *,
        terms: Terms,
        set_timer: Callable[[SetTimer], object],
        chance: random.Random | None = None,
    ) -> None:
        super().__init__(name=f"bot:{shape.name}", capacity=terms.mailbox, clock=services.clock)
        self._name = BotName(shape.name)
        self._line = line
        self._services = services
        self._blocks = terms.on_error == "block"
        self._set_timer = set_timer
        self._attempts = Attempts(cls, shape, line, services, terms, chance)
        self._place = Position(0)
        self._held: Position | None = None
        """The message that failed and is waited for, if its bot holds its stream for it."""
        self._retry_at: datetime | None = None

    # ── the life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        wait = partial(patiently, self.clock, unless=lambda: self.actor_inbox.closed, bot=self._name)
        await wait(self._attempts.take_up)
        await self._attempts.begin()
        await wait(self._attempts.look_back)
        self._place = self._attempts.settled
        self._line.behind = True
        self._line.ref = self.actor_ref  # hints come from here on; those that lie behind are repeats
        self._begin_again()

    async def on_stop(self) -> None:
        await self._leave()

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        await self._leave()

    async def _leave(self) -> None:
        if self._line.ref is self.actor_ref:
            self._line.ref = None
        await self._attempts.end()

    async def _serve(self, first: Envelope[Any]) -> None:
        envelopes = [first, *self.actor_inbox.take_waiting(self.actor_inbox.capacity)]
        try:
            for envelope in envelopes:
                told = envelope.message
                if self.actor_inbox.closed:
                    break  # the rest waits in the log
                if type(told) is Hint:
                    await self._follow(told)
                elif type(told) is Expire:
                    await self._expire(told)
                elif type(told) is Retry:
                    self._line.again = True
            if self._line.again:
                await self._try_again()
            await self._read_on()
            await self._attempts.flush()
        except (StoreUnavailable, ShuttingDown) as fault:
            await self._recover(fault)
        except Refused as refused:
            self._start_over()
            self._attempts.one_by_one = refused.count
            self._begin_again()

    async def _follow(self, hint: Hint) -> None:
        """Take the message that a hint speaks of, if it is what comes next."""
        if not hint.before <= self._place < hint.message.position:
            return  # seen already, or behind a gap
        if self._held is None and not self._line.behind:
            await self._take(Delivered(hint.message))
            if self._held is None:
                self._place = hint.message.position

    # ── what there is to do ──────────────────────────────────────────────────────────────────────────────

    async def _read_on(self, *, always: bool = False) -> None:
        """Read the log until the bot stands where its inbox ends; catch-ups come first."""
        while self._held is None and not self.actor_inbox.closed:
            if self._line.behind:
                await self._catch_up()
                always = True  # what the catch-up has handled must not be taken from the mailbox
                continue
            if not always and self._line.last <= self._place:
                return
            always = False
            page = await self._services.store.inbox(self._name, self._place, PAGE)
            if await self._take_page(page.messages, None):
                self._place = Position(max(self._place, page.seen))

    async def _catch_up(self) -> None:
        """Handle what lies in subscriptions that began below where the bot stood."""
        store = self._services.store
        self._line.behind = False
        await self._attempts.flush()  # what was handled just now must be seen as handled
        for late in await store.catch_ups(self._name):
            opened, place = late.subscription.opened, late.cursor
            while place < opened:
                page = await store.catch_up(opened, place, PAGE)
                if not await self._take_page(page.messages, opened):
                    self._line.behind = True
                    return
                await self._attempts.flush()
                place = page.seen
            self._attempts.reach(opened)
            await self._attempts.flush()
            self._place = self._attempts.settled

    async def _take_page(self, messages: Sequence[Message], catch_up: Position | None) -> bool:
        """Handle messages of the log in turn; return whether nothing came in between."""
        begun = await self._begun() if messages else {}
        for message in messages:
            if self.actor_inbox.closed or (catch_up is None and self._line.behind):
                return False
            given = self._given(message, begun.get(message.position), catch_up)
            if given is not None:
                await self._take(given)
            if self._held is not None:
                return False
            if catch_up is None:
                self._place = message.position
        return True

    async def _begun(self) -> dict[Position, Delivery]:
        """Return what was tried before and is not settled, by message: hardly anything, as a rule."""
        store = self._services.store
        rows = [*await store.started(self._name), *await store.retries(self._name, WHENEVER, EVERY_ONE)]
        return {row.message: row for row in rows}

    def _given(
        self, message: Message, before: Delivery | None, catch_up: Position | None
    ) -> Delivered | None:
        """Return a message of the log with what earlier attempts left behind, if now is the time for it."""
        if before is None:
            return Delivered(message, catch_up=catch_up)
        if before.outcome == "retrying":
            if not self._blocks:
                return None  # beside the stream, when it is due
            if before.next_try_at is not None and before.next_try_at > self._services.clock.now():
                self._held = message.position
                self._arm(before.next_try_at)
                return None
        return msgspec.structs.replace(next_attempt(message, before, beside=False), catch_up=catch_up)

    async def _try_again(self) -> None:
        """Try again what is due: what holds the stream by reading on, all else beside it."""
        self._held = self._retry_at = None
        self._line.again = False
        store, now = self._services.store, self._services.clock.now()
        if self._blocks:
            await self._read_on(always=True)
            await self._attempts.flush()
        begun = [one for one in await store.started(self._name) if self._beside(one)]
        due = [
            one for one in await store.retries(self._name, now, PAGE) if not self._blocks or self._beside(one)
        ]
        for one in (*begun, *due):
            message = await store.message_at(one.message)
            if message is not None and not self.actor_inbox.closed:
                await self._take(next_attempt(message, one, beside=True))
        await self._attempts.flush()
        following = await store.next_retry(self._name)
        if following is not None:
            self._arm(max(following, now + timedelta(seconds=FIRST_RETRY)))

    def _beside(self, one: Delivery) -> bool:
        """Tell whether no reading of the log will come to a delivery that has begun."""
        return one.redriven or (one.message <= self._attempts.settled and self._held != one.message)

    async def _expire(self, told: Expire) -> None:
        """Give up what waited too long, and go on behind it."""
        await self._attempts.flush()
        await expire_one(self._services, self._name, told.before)
        cursor = await self._services.store.cursor(self._name)
        self._place = self._attempts.settled = Position(max(self._attempts.settled, cursor or 0))
        self._held = None

    async def _take(self, given: Delivered) -> None:
        again = await self._attempts.take(given)
        if again is not None:
            self._held = given.message.position if again.holds else self._held
            self._arm(again.at)

    def _arm(self, at: datetime) -> None:
        if self._retry_at is None or at < self._retry_at:
            self._retry_at = at
            self._set_timer(SetTimer(("retry", self._name), at, self.actor_ref.tell, Retry()))

    # ── when it cannot go on ─────────────────────────────────────────────────────────────────────────────

    async def _recover(self, fault: CallboardError) -> None:
        """Go back to what is on disk and try again, for as long as it takes."""
        self._start_over()
        _log.warning("bot.waits_for_the_disk", bot=self._name, reason=fault.message)
        pause = Backoff(first=0.1, factor=2.0, longest=5.0)
        while not self.actor_inbox.closed:
            await self.clock.sleep(pause.next())
            try:
                await self._attempts.look_for_answers()
                break
            except StoreUnavailable:
                continue
        self._begin_again()

    def _begin_again(self) -> None:
        if not self.actor_inbox.closed:
            self._line.behind = True
            self.actor_inbox.put_back([Envelope(Retry())])

    def _start_over(self) -> None:
        self._attempts.start_over()
        self._place, self._held = self._attempts.settled, None


def schedules(shape: Shape) -> dict[str, float]:
    """Return the types of messages by which a bot's schedules call it, and how often."""
    return {
        type_: handler.every
        for type_, handler in shape.handlers.items()
        if handler.every is not None and type_.startswith(EVERY_TYPE)
    }
