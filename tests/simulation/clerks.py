"""Actors under a supervisor: they crash, hang and come back, and nothing that was told to them is lost.

A clerk is told items and writes a turn for each. The dice let it raise, hang or die. What must hold: an asker
hears within its time-out; what was told and accepted is begun exactly once, in order, by this clerk or its
successor, unless it was in the hand of one that died; a clerk that dies too often is set aside, and the
others go on.
"""

from __future__ import annotations

import asyncio
from typing import Any

from callboard.actors.children import Child, ChildStatus, Describe, RestartLimit, State
from callboard.actors.directory import Directory
from callboard.actors.runtime import LoopActor
from callboard.actors.supervisor import Supervisor
from callboard.errors import ActorError, ActorStopped
from tests.simulation.workload import ROUNDS, Caller

PATIENCE = 2.0
GRACE = 5.0
CLERKS = ("clerk-1", "clerk-2")


class Desk:
    """Who told what to one clerk, and what it has begun."""

    def __init__(self) -> None:
        self.accepted: list[int] = []
        self.begun: list[int] = []


class Clerk(LoopActor[Any]):
    """Writes a turn for each item that it is told; an item's second part says what befalls the clerk."""

    inbox_capacity = 4

    def __init__(self, name: str, me: Caller, desk: Desk) -> None:
        super().__init__(name=name)
        self._me = me
        self._desk = desk

    async def on_start(self) -> None:
        if self._me.dice.random() < 0.1:
            raise RuntimeError("a clerk that cannot start")

    async def on_receive(self, message: Any) -> Any:
        item, fate = message
        self._desk.begun.append(item)
        self._me.ledger.note(self.name, "begins", item, fate)
        if fate == "hang":
            await self.clock.sleep(1_000.0)
        if fate == "crash":
            raise RuntimeError("a handler that fails")
        draft = self._me.draft()
        draft.put(self._me.said())
        await self._me.commit(draft)
        return item


class Office:
    """The supervisor with its clerks, and those who tell them."""

    def __init__(self, me: Caller) -> None:
        self._me = me
        self._desks = {name: Desk() for name in CLERKS}
        self._directory: Directory[Any] = Directory()
        self._items = 0
        children = [Child(name, lambda name=name: self._hire(name)) for name in CLERKS]  # type: ignore[misc]
        self.supervisor = Supervisor(
            children,
            name="office",
            clock=me.house.clock,
            directory=self._directory,
            limit=RestartLimit(most=3, within=20.0),
            grace=GRACE,
        ).launch()

    def _hire(self, name: str) -> Clerk:
        return Clerk(name, self._me, self._desks[name])

    async def visit(self) -> None:
        """Tell and ask the clerks this and that."""
        me = self._me
        for _ in range(ROUNDS * 2):
            name = me.dice.choice(CLERKS)
            ref = self._directory.find(name)
            if ref is None:
                await asyncio.sleep(0.1)
                continue
            self._items += 1
            fate = me.dice.choices(["well", "crash", "hang"], [20, 2, 1])[0]
            began = me.house.clock.monotonic()
            try:
                if me.dice.random() < 0.5:
                    ref.tell((self._items, fate))
                    self._desks[name].accepted.append(self._items)
                else:
                    await ref.ask((self._items, fate), timeout=PATIENCE)
            except (ActorError, RuntimeError) as error:
                me.ledger.note(name, "does not answer", self._items, type(error).__name__)
            if me.house.clock.monotonic() - began > PATIENCE + 0.001:
                me.ledger.complain(f"an asker of {name} heard nothing within its time-out")
            await me.pause()

    async def close(self) -> None:
        """End all clerks, and look whether anything that was told vanished."""
        try:
            status = await self._settled()
        except ActorStopped:
            self._me.ledger.complain("the supervisor ended by itself")
            return
        down = {one.name for one in status if one.state is not State.RUNNING}
        before = self._me.house.clock.monotonic()
        await self.supervisor.aclose()
        if self._me.house.clock.monotonic() - before > 2 * GRACE * len(CLERKS) + 1:
            self._me.ledger.complain("the supervisor did not end its clerks within their grace")
        for name, desk in self._desks.items():
            self._look(name, desk, down=name in down)

    async def _settled(self) -> tuple[ChildStatus, ...]:
        """Wait until every clerk that crashed is back, or was set aside."""
        tries = 0
        while True:
            status: tuple[ChildStatus, ...] = await self.supervisor.ask(Describe(), timeout=PATIENCE)
            if not any(one.state is State.BACKING_OFF for one in status):
                return status
            tries += 1
            if tries > 20:
                self._me.ledger.complain("a clerk that crashed was never started again")
                return status
            await asyncio.sleep(0.5)

    def _look(self, name: str, desk: Desk, *, down: bool) -> None:
        told = set(desk.accepted)
        begun = [item for item in desk.begun if item in told]
        if begun != sorted(set(begun)):
            self._me.ledger.complain(f"{name} began items twice or out of order: {begun}")
        # Only the newest may be left: it was down, or cancelled when its grace was over.
        if begun != sorted(told)[: len(begun)]:
            self._me.ledger.complain(f"{name} passed over what it was told: {sorted(told - set(begun))}")
        hung = bool(desk.begun) and not down
        if len(begun) < len(told) and not down and not hung:
            self._me.ledger.complain(f"{name} ended well and left {sorted(told - set(begun))}")
