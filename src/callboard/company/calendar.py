"""The calendar: what falls due for bots, delayed messages and schedules.

Each is a row of the timers table until its own turn drops it or sets it anew, together with the message that
it stands for. So a message that was due while nobody was there is sent once at the next start, and a crash
between the ringing and the turn rings again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from uuid import NAMESPACE_OID, uuid5

import msgspec
import structlog

from callboard.actors.runtime import LoopActor
from callboard.actors.timers import CancelTimer, SetTimer
from callboard.authoring.bot import Say
from callboard.company.asking import Services
from callboard.company.patience import patiently
from callboard.company.sitting import DELAYED, Delayed, keep, unsent, written
from callboard.errors import CallboardError
from callboard.facts import encode
from callboard.facts.membership import bot_stream
from callboard.ids import BotName, MessageId, PrincipalId, TimerId
from callboard.messages import To
from callboard.store.boardrows import Timer
from callboard.store.changes import DropTimer

SCHEDULE = "every"
"""The kind of timer that calls a handler of a bot again and again."""

TRY_AGAIN = 1.0
"""Seconds until a timer that could not be acted on is tried again."""

PAGE = 500

_log = structlog.get_logger("callboard.calendar")


class Schedule(msgspec.Struct, frozen=True):
    """What the timer of a schedule keeps."""

    bot: str
    type: str
    every: float


class Due(msgspec.Struct, frozen=True):
    """A timer rang."""

    timer: Timer


class Calendar(LoopActor[Due]):
    """Acts on the timers of delayed messages and of schedules, one after the other."""

    def __init__(self, services: Services, set_timer: Callable[[SetTimer | CancelTimer], object]) -> None:
        super().__init__(name="calendar", capacity=10_000, clock=services.clock)
        self._services = services
        self._set_timer = set_timer

    async def on_start(self) -> None:
        """Set all timers that the store keeps; those that fell due meanwhile ring at once."""
        after = None
        while page := await self._page(after):
            for timer in page:
                if timer.kind in {DELAYED, SCHEDULE}:
                    self.arm(timer)
            after = page[-1].id

    async def _page(self, after: TimerId | None) -> list[Timer]:
        # To fall over each time that the disk cannot be read would end the server after some times.
        read = partial(self._services.store.timers, after, PAGE)
        return await patiently(self.clock, read, unless=lambda: self.actor_inbox.closed, reader=self.name)

    def arm(self, timer: Timer) -> None:
        """Have a timer ring here."""
        self._set_timer(SetTimer(timer.id, timer.due_at, self.actor_ref.tell, Due(timer)))

    async def on_receive(self, message: Due) -> None:
        timer = message.timer
        try:
            if timer.kind == DELAYED:
                await self._send(timer)
            else:
                await self._call(timer)
        except CallboardError as error:
            _log.warning("calendar.timer_waits", timer=str(timer.id), code=error.code, reason=error.message)
            self._set_timer(SetTimer(timer.id, TRY_AGAIN, self.actor_ref.tell, message))

    async def _send(self, timer: Timer) -> None:
        kept = msgspec.json.decode(timer.data, type=Delayed)
        board, to = self._services.board, kept.to
        turn = self._services.journal.turn(principal=PrincipalId(kept.principal))
        said = Say(
            *(kept.id, to, kept.type, kept.json, kept.headers, kept.reply_to, kept.conversation),
            0.0,
        )
        earlier = None if kept.reply_to is None else await self._services.store.message(kept.reply_to)
        if to.kind == "bot" and board.find(to.name) is None and earlier is None:
            bot = BotName(to.name)
            letter = unsent(bot, "RECIPIENT_GONE", f"{bot} is no longer on the board.", kept.sender, said)
            turn.append(bot_stream(bot), "bot", [letter], expected=None, cause=kept.cause)
        else:
            if to.kind == "channel":
                board.make_channel(turn, to.name)
            ref = turn.post(written(said, kept.sender, kept.hops, kept.cause))
            if earlier is not None and earlier.asks:
                board.answer_ask(turn, earlier.id, kept.sender, earlier.sender, to, ref)
        turn.change(DropTimer(timer.id))
        await self._services.journal.commit(turn)

    async def _call(self, timer: Timer) -> None:
        kept = msgspec.json.decode(timer.data, type=Schedule)
        turn = self._services.journal.turn(principal=PrincipalId(f"bot:{kept.bot}"))
        if self._services.board.find(kept.bot) is None:
            turn.change(DropTimer(timer.id))
            await self._services.journal.commit(turn)
            return
        name = MessageId(self._services.ids.new())
        body = encode({"scheduled_for": timer.due_at})
        said = Say(name, To.bot(kept.bot), kept.type, body, {}, None, str(name), 0.0)
        turn.post(written(said, kept.bot, 0, None))
        due = _following(timer.due_at, kept.every, turn.at)
        following = keep(turn, timer.id, due, timer.target, SCHEDULE, encode(kept))
        await self._services.journal.commit(turn)
        self.arm(following)

    async def reconcile(self, bot: BotName, wanted: Mapping[str, float]) -> None:
        """Keep a timer for each schedule of a bot, and none that its code no longer has."""
        kept: dict[str, tuple[Timer, Schedule]] = {}
        after = None
        while page := await self._services.store.timers(after, PAGE):
            after = page[-1].id
            for timer in page:
                if timer.kind == SCHEDULE and timer.target == bot_stream(bot):
                    schedule = msgspec.json.decode(timer.data, type=Schedule)
                    kept[schedule.type] = (timer, schedule)
        turn = self._services.journal.turn()
        fresh = []
        for type_, every in wanted.items():
            if type_ not in kept or kept[type_][1].every != every:
                name = TimerId(uuid5(NAMESPACE_OID, f"{turn.tenant}/{bot}/{type_}"))
                due = turn.at + timedelta(seconds=every)
                data = encode(Schedule(bot, type_, every))
                fresh.append(keep(turn, name, due, bot_stream(bot), SCHEDULE, data))
        for type_, (timer, _) in kept.items():
            if type_ not in wanted:
                turn.change(DropTimer(timer.id))
                self._set_timer(CancelTimer(timer.id))
        if turn.entries:
            await self._services.journal.commit(turn)
        for timer in fresh:
            self.arm(timer)


def _following(due: datetime, every: float, now: datetime) -> datetime:
    """Return when a schedule is due next; what was missed while nobody was there is made up for once."""
    following = due + timedelta(seconds=every)
    return following if following > now else now + timedelta(seconds=every)
