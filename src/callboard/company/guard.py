"""The guard against a handler that kills the process: a crash of C code, memory run out, `os._exit`.

Theory of operation
    A handler that raises leaves a failed delivery behind. One that takes the process with it leaves
    nothing, and would be called again at each start. So after an unclean stop each bot writes its attempt
    (`started`) before it calls the handler, until one of its turns has committed: then the process
    evidently survives it.

    An attempt that was under way when the process ended is found at the next start. If that end was
    unclean it counts as one death of the message, whoever was to blame: several bots may have been at
    work. From then on the message is a suspect, and suspects run one at a time in the whole house, each
    written down again first. An innocent one succeeds as soon as it is its turn; the guilty one dies
    alone, and at the third death it is a dead letter, `KILLED_PROCESS`.

    A suspect that asks gives up its place: the bot that it asks may have a suspect of its own before
    itself.

Rejected
    Writing each attempt always: a commit more for each message, for what nearly never happens.
"""

from __future__ import annotations

import asyncio

import structlog

from callboard.company.sitting import Delivered, Sitting
from callboard.ids import BotName, Position
from callboard.store.boardrows import Delivery
from callboard.store.changes import RecordDelivery

DEATHS = 3
"""So many ends of the process while one message was being handled, and it is not tried again."""

_log = structlog.get_logger("callboard.authoring.bot")


class Alert:
    """What all bots of a house share of this: whether the last stop was unclean, and who may run alone."""

    def __init__(self, *, unclean: bool = False) -> None:
        self.unclean = unclean
        self.alone = asyncio.Lock()
        self.begun: set[tuple[BotName, Position]] = set()
        """Attempts of this life of the process: one whose bot was stopped meanwhile is no death."""


class Guard:
    """Watches over the attempts of one bot."""

    def __init__(self, bot: BotName, alert: Alert) -> None:
        self._bot = bot
        self._alert = alert
        self.wary = alert.unclean
        """Whether every attempt is written down before it begins."""
        self._runs_alone = False

    def look_back(self, started: list[Delivery], cursor: Position, sitting: Sitting) -> list[Delivery]:
        """Put into a sitting what follows from attempts that were under way; return those past hope.

        One that lies below the cursor is tried again beside the stream. One past it stays where it is, with a
        time on it, so that it is not counted again at the next start unless it has begun again.
        """
        lost = []
        for one in started:
            deaths = one.deaths + self._died_of(one)
            if deaths >= DEATHS:
                lost.append(one)
                continue
            outcome = "started" if one.message > cursor else "retrying"
            sitting.turn.change(
                RecordDelivery(
                    *(self._bot, one.message, outcome, one.attempts, sitting.turn.at, one.error),
                    deaths=deaths,
                    redriven=one.redriven,
                )
            )
            if deaths:
                _log.warning("bot.process_died", bot=self._bot, message=one.message, deaths=deaths)
        return lost

    def _died_of(self, one: Delivery) -> int:
        ours = (self._bot, one.message) in self._alert.begun
        return 1 if self._alert.unclean and one.next_try_at is None and not ours else 0

    def watches(self, given: Delivered) -> bool:
        """Whether an attempt must be written down before it begins."""
        return self.wary or given.deaths > 0

    async def take_place(self, given: Delivered) -> None:
        """Wait until no other suspect runs, if this is one."""
        if given.deaths > 0:
            await self._alert.alone.acquire()
            self._runs_alone = True
        self._alert.begun.add((self._bot, given.message.position))

    def give_place(self) -> None:
        """Let the next suspect run; again has no effect."""
        if self._runs_alone:
            self._runs_alone = False
            self._alert.alone.release()

    def survived(self, message: Position) -> None:
        """Note that the attempt has ended and its turn is on disk: the process lives."""
        self.wary = False
        self._alert.begun.discard((self._bot, message))
