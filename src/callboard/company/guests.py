"""Bots outside and persons, as the house holds them: who they are, their inboxes, and what they say.

    await guests.declare("printer", "outside", "Prints.", ["jobs.*"], principal=LOCAL_USER)
    page = await guests.read("printer", limit=10, wait=30)
    await guests.acknowledge("printer", Ack(page[-1].message.position))

Each has an actor (`outside.py`) among those of the other bots, from the day it is declared. A read waits
here, in the task of whoever asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

from callboard.actors.children import Child
from callboard.actors.runtime import Ref
from callboard.actors.supervisor import Supervisor
from callboard.company.asking import Services
from callboard.company.board import Line
from callboard.company.outside import Ack, Open, OutsideBot, ReadOn, Settled
from callboard.company.reading import Reader, Reading, Seat
from callboard.company.serving import Served
from callboard.company.sitting import Delivered
from callboard.errors import ActorStopped, AskTimeout, Conflict, ShuttingDown
from callboard.ids import BotName, Position, PrincipalId
from callboard.messages import check_name, check_pattern

KINDS = frozenset({"outside", "person"})
"""Kinds of bots whose inbox is read over HTTP or on the command line."""

ANSWER_WITHIN = 30.0
"""Seconds that an inbox has to answer; an acknowledgement of very much takes a while."""

ReadMore = Callable[[int], Awaitable[Served]]
"""Reads on, so many messages at most."""

Declare = Callable[..., Awaitable[Line]]


class Guests:
    """All bots outside and persons."""

    def __init__(self, services: Services, declare: Declare) -> None:
        self._services = services
        self._declare = declare
        self._refs: dict[BotName, Ref[object]] = {}
        self._seats: dict[BotName, Seat] = {}
        self._supervisor: Supervisor | None = None

    def open(self, supervisor: Supervisor) -> None:
        """Start the actor of everyone of these kinds that is on the board."""
        self._supervisor = supervisor
        for line in self._services.board.bots.values():
            if line.kind in KINDS and line.removed is None:
                self._host(line)

    def _host(self, line: Line) -> None:
        if self._supervisor is None:
            raise ShuttingDown("The bots are not running now: try again in a moment.")

        def make() -> OutsideBot:
            actor = OutsideBot(line, self._services)
            self._refs[line.name], self._seats[line.name] = actor.actor_ref, actor.seat
            return actor

        if line.name not in {child.name for child in self._supervisor.status()}:
            self._supervisor.start_child(Child(line.name, make))

    async def declare(
        self,
        name: str,
        kind: str,
        description: str,
        patterns: Sequence[str] | None,
        *,
        principal: PrincipalId,
    ) -> Line:
        """Put one on the board, or see that it is there; `None` leaves the channels that it hears."""
        check_name("bot", name)
        if patterns is None:
            heard: Mapping[str, bool] = {
                one.pattern: one.own for one in self._services.board.listens(name) if one.declared
            }
        else:
            heard = dict.fromkeys(map(check_pattern, patterns), False)
        line = await self._declare(name, kind, description, heard, principal=principal)
        self._host(line)
        return line

    def find(self, name: str) -> Line:
        """Return the line of one that is on the board; refuse a bot that works here."""
        line = self._services.board.must_find(name)
        if line.kind not in KINDS:
            raise Conflict(
                f"{name} is a {line.kind} bot: it reads its own inbox and speaks for itself; only bots of "
                "the kinds outside and person are read and spoken for from here.",
                bot=name,
                kind=line.kind,
            )
        return line

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    async def read(
        self,
        name: str,
        *,
        limit: int,
        wait: float = 0.0,
        reader: str | None = None,
        take_over: bool = False,
        after: Position | None = None,
    ) -> Served:
        """Return what waits, at most `limit`; with nothing there, wait so many seconds for something."""
        clock = self._services.clock
        ends = clock.monotonic() + wait
        reading = Reading(reader, take_over=take_over, after=after)
        async with self._reading(name, reading) as read_on:
            while True:
                served = await read_on(limit)
                if served.given or clock.monotonic() >= ends:
                    return served
                await self._rest(reading, served.again, ends)

    @asynccontextmanager
    async def stream(
        self,
        name: str,
        *,
        limit: int,
        pause: float,
        reader: str | None = None,
        take_over: bool = False,
        after: Position | None = None,
    ) -> AsyncIterator[AsyncIterator[list[Delivered]]]:
        """Open a read that goes on: pages as they come, an empty one after `pause` seconds of quiet."""
        reading = Reading(reader, take_over=take_over, after=after)
        async with self._reading(name, reading) as read_on:
            yield self._pages(reading, read_on, limit, pause)

    async def _pages(
        self, reading: Reading, read_on: ReadMore, limit: int, pause: float
    ) -> AsyncIterator[list[Delivered]]:
        clock = self._services.clock
        quiet_until = clock.monotonic() + pause
        while True:
            served = await read_on(limit)
            if served.given or clock.monotonic() >= quiet_until:
                yield served.given
                quiet_until = clock.monotonic() + pause
            else:
                await self._rest(reading, served.again, quiet_until)

    @asynccontextmanager
    async def _reading(self, name: str, reading: Reading) -> AsyncIterator[ReadMore]:
        ref = self._ref(name)
        try:
            await _answer(ref, Open(reading), name, "read again")
            yield partial(self._read_on, name, ref, reading=reading)
        finally:
            reading.close()

    @staticmethod
    async def _read_on(name: str, ref: Ref[object], limit: int, *, reading: Reading) -> Served:
        try:
            served: Served = await _answer(ref, ReadOn(reading, limit), name, "read again")
        except ActorStopped:
            raise reading.ended or ActorStopped("The inbox was closed: read again.") from None
        return served

    async def _rest(self, reading: Reading, again: datetime | None, ends: float) -> None:
        clock = self._services.clock
        if again is not None:
            ends = min(ends, clock.monotonic() + max(0.0, (again - clock.now()).total_seconds()))
        await reading.rest(clock, ends)

    # ── acknowledging ────────────────────────────────────────────────────────────────────────────────────

    async def acknowledge(self, name: str, ack: Ack) -> Settled:
        """Settle what was served up to a position."""
        again = "repeat the same acknowledgement, which is done once"
        settled: Settled = await _answer(self._ref(name), ack, name, again)
        return settled

    async def reader(self, name: str) -> Reader | None:
        """Return who reads an inbox, if it is one that is read and somebody does."""
        line = self._services.board.find(name)
        ref = self._refs.get(line.name) if line is not None and line.kind in KINDS else None
        if line is None or ref is None or not ref.is_alive():
            return None
        return self._seats[line.name].reader()

    def _ref(self, name: str) -> Ref[object]:
        ref = self._refs.get(self.find(name).name)
        if ref is None:
            raise ShuttingDown(f"The inbox of {name} is not open now: try again in a moment.")
        return ref


async def _answer(ref: Ref[object], message: object, name: str, then: str) -> Any:
    """Ask an inbox; when it waits for a disk that cannot be written to, say what its caller can do."""
    try:
        return await ref.ask(message, timeout=ANSWER_WITHIN)
    except AskTimeout:
        raise AskTimeout(
            f"The inbox of {name} did not answer within {ANSWER_WITHIN:g} s: perhaps nothing can be written "
            f"now, which `callboard doctor` tells; {then}.",
            bot=name,
        ) from None
