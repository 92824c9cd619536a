"""The triggers: one actor that keeps those of all active workflows, and has them fire.

    triggers = Triggers(services, runs, publisher, set_timer)
    publisher.shelf.witnesses.append(triggers.changed)
    await root.ask(StartChild(triggers.as_child()))
    await triggers.begun()                              # what was published so far is set
    await triggers.fire("claims.3f9a2c1b", {"claim": 7}, principal=principal)

Theory of operation
    What there is follows from what is published. Told that a workflow has changed, the actor compares the
    entries of its active version with the rows of triggers, and writes down what is new and what is gone,
    with the timers that belong to it. A crash between the publication and that is mended at the next start,
    when all workflows are compared.

    What is in memory here is what is committed. Schedules ring here and are fired by a task each; messages
    and ends of runs are heard from the log; webhooks and operators fire in the task of their own request.
    For one trigger there is a lock, under which it is fired by its schedule, turned on or off, or retired:
    so a timer that a turn moves cannot outlive its trigger.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog

from callboard.actors.children import Child
from callboard.actors.runtime import LoopActor
from callboard.actors.timers import CancelTimer, SetTimer
from callboard.company.asking import Services
from callboard.errors import ActorError, NotFound, ShuttingDown, StoreUnavailable, WrongState
from callboard.facts.events import WorkflowCancelled, WorkflowCompleted, WorkflowFailed
from callboard.facts.membership import matches
from callboard.facts.triggering import KIND, TriggerDisabled, TriggerEnabled, trigger_stream
from callboard.ids import DEFAULT_TENANT, Position, PrincipalId, StreamId, Tenant
from callboard.messages import Message
from callboard.retry import Backoff
from callboard.runs.plans import Plans
from callboard.runs.runs import Runs
from callboard.spelling import no_such
from callboard.store.runrows import Audible
from callboard.triggers.entries import Entry
from callboard.triggers.firing import PASSING, Fired, Firing, Shot
from callboard.triggers.hearing import ENDS, RUN, Hearing
from callboard.triggers.setting import Kept, compare
from callboard.triggers.timetable import Timetable

SETTLING = 60.0
"""Seconds that somebody waits until what was published is set."""
BEGINNING = 86_400.0
"""Seconds that a start waits for that: a slow disk makes it late, and is no reason to refuse it."""
LOOK_AGAIN = 1.0
"""Seconds until it is looked again at what could not be set."""
REMEMBERED = 10_000
"""Channels for which it is kept who listens."""

_log = structlog.get_logger("callboard.triggers")


class Changed(msgspec.Struct, frozen=True):
    """A workflow may have other triggers than before."""

    workflow: str


class Rang(msgspec.Struct, frozen=True):
    """A time of a schedule has come."""

    trigger: str


class Settle(msgspec.Struct, frozen=True):
    """Answered once all that was told before is done."""


class Triggers(LoopActor[Changed | Rang | Settle]):
    """Keeps the triggers of all workflows."""

    def __init__(
        self,
        services: Services,
        runs: Runs,
        plans: Plans,
        set_timer: Callable[[SetTimer | CancelTimer], object],
    ) -> None:
        super().__init__(name="triggers", capacity=10_000, clock=services.clock)
        self.firing = Firing(services, runs)
        self._services = services
        self._plans = plans
        self._kept: dict[str, Kept] = {}
        self._listening: dict[str, list[Kept]] = {}
        """Who listens to a channel, as far as it was asked for."""
        self._paths: dict[str, Kept] = {}
        self._hearing = Hearing(services, self.firing, self._interested)
        self._timetable = Timetable(services, self.firing, set_timer, self._ring)
        self._errands: set[asyncio.Task[None]] = set()

    def as_child(self) -> Child:
        """Return the actor, to be kept alive."""
        return Child(self.name, lambda: self, vital=True)

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        store, board = self._services.store, self._services.board
        board.witnesses.append(self._said)
        for kind in (WorkflowCompleted, WorkflowFailed, WorkflowCancelled):
            board.listeners.setdefault(kind, []).append(self._run_ended)
        names = {row.name for row in await store.workflows()}
        names |= {row.workflow for row in await store.triggers() if row.live}
        fresh = [since for name in sorted(names) for since in await self._compare(name)]
        head, heard = (await store.head()).position, await store.heard() or Position(0)
        since = min((one.since for one in self._kept.values() if one.hears), default=head)
        if self._hearing.deaf:
            since = Position(0)  # nobody knows yet who of them listens, and since when
        self._hearing.open(min(max(since, heard), *fresh, head), head if since < head else Position(0))

    async def on_stop(self) -> None:
        self._deafen()
        await self._hearing.close()
        for errand in list(self._errands):
            errand.cancel()
        if self._errands:
            await asyncio.wait(self._errands)

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        self._deafen()

    def _deafen(self) -> None:
        board = self._services.board
        if self._said in board.witnesses:
            board.witnesses.remove(self._said)
        for listeners in board.listeners.values():
            if self._run_ended in listeners:
                listeners.remove(self._run_ended)

    async def on_receive(self, message: Changed | Rang | Settle) -> None:
        match message:
            case Changed(workflow=name):
                since = await self._compare(name)
                if since:
                    self._hearing.rewind(min(since), (await self._services.store.head()).position)
            case Rang(trigger=trigger):
                kept = self._kept.get(trigger)
                if kept is not None:
                    self._run_errand(self._fire_schedule(kept))

    def _run_errand(self, work: Coroutine[Any, Any, None]) -> None:
        errand = asyncio.create_task(work, name="triggers: errand")
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────

    def changed(self, workflow: str, tenant: Tenant = DEFAULT_TENANT) -> Coroutine[Any, Any, None] | None:
        """Have the triggers of a workflow looked at: something of it was published."""
        if tenant != DEFAULT_TENANT or not self.actor_ref.is_alive():
            return None
        self.actor_ref.tell(Changed(workflow))
        return self._settled_soon()

    async def begun(self) -> None:
        """Wait until all that was published before the start is set."""
        await self.actor_ref.ask(Settle(), timeout=BEGINNING)

    async def _settled_soon(self) -> None:
        with contextlib.suppress(ActorError):  # it is told, and done when it can be
            await self.actor_ref.ask(Settle(), timeout=SETTLING)

    async def _compare(self, workflow: str) -> list[Position]:
        """See that the triggers of a workflow are those of its active version.

        Return from where those listen to the log that are new.
        """
        mine = [one for one in self._kept.values() if one.entry.workflow == workflow]
        deaf = workflow in self._hearing.deaf
        for one in mine:
            await one.lock.acquire()
        try:
            found = await compare(self._services, self._plans, self._timetable, workflow, self._kept)
            self._hearing.deaf.discard(workflow)
        except Exception as error:  # noqa: BLE001  the triggers of one workflow keep nobody from the others
            # Such as a kind of step that is gone: runs that are there fail by it, and none begins.
            _log.error("triggers.not_set", workflow=workflow, reason=str(error))
            found = []
            if isinstance(error, PASSING):
                self._hearing.deaf.add(workflow)
                self._run_errand(self._look_again(workflow))
        finally:
            for one in mine:
                one.lock.release()
        self._listening.clear()
        self._paths = {path: one for one in self._kept.values() if (path := one.entry.planned.webhook)}
        since = [self._kept[name].since for name in found if self._kept[name].hears]
        if deaf and workflow not in self._hearing.deaf:
            # What passed meanwhile was heard without them. As after a crash, nothing is fired twice by it.
            again = [one for one in self._kept.values() if one.entry.workflow == workflow and one.hears]
            since += [max(one.since, self._hearing.saved) for one in again]
        return since

    async def _look_again(self, workflow: str) -> None:
        await self.clock.sleep(LOOK_AGAIN)
        self.actor_ref.tell(Changed(workflow))

    # ── schedules ────────────────────────────────────────────────────────────────────────────────────────

    def _ring(self, trigger: str) -> None:
        self.actor_ref.tell(Rang(trigger))

    async def _fire_schedule(self, kept: Kept) -> None:
        pause = Backoff(first=0.5, factor=2.0, longest=30.0)
        while True:
            try:
                async with kept.lock:
                    if kept.enabled and self._kept.get(kept.entry.id) is kept:
                        await self._timetable.fire(kept.entry)
            except ShuttingDown:
                return  # its row is there at the next start
            except Exception as error:  # noqa: BLE001  whatever it was, it must not end a schedule for good
                _log.warning("trigger.waits", trigger=kept.entry.id, reason=str(error))
                await self.clock.sleep(pause.next())
            else:
                return

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────────

    def _said(self, message: Message) -> None:
        if message.to.kind == "channel" and self._listeners(message.to.name):
            self._hearing.stir(message.position)

    def _run_ended(self, _fact: object, position: Position, _stream: StreamId) -> None:
        if any(one.entry.kind == "run" for one in self._kept.values()):
            self._hearing.stir(position)

    def _listeners(self, channel: str) -> list[Kept]:
        found = self._listening.get(channel)
        if found is None:
            if len(self._listening) >= REMEMBERED:
                self._listening.clear()
            found = self._listening[channel] = [
                one
                for one in self._kept.values()
                if one.entry.planned.message is not None
                and matches(one.entry.planned.message.channel, channel)
            ]
        return found

    async def _interested(self, one: Audible) -> list[Entry]:
        """Return what a fact of the log fires."""
        found: list[Kept] = []
        if one.kind == "message":
            for kept in self._listeners(one.subject):
                wanted = kept.entry.planned.message
                if wanted is not None and wanted.type in {None, one.type}:
                    found.append(kept)
        elif runs := [kept for kept in self._kept.values() if kept.entry.planned.run]:
            row = await self._services.store.run(one.subject.removeprefix(RUN))
            if row is not None and row.path:
                return []  # an item or a round: no run of its workflow has ended
            for kept in runs:
                of = kept.entry.planned.run
                if row and of and row.workflow == of.workflow and of.status in {"any", ENDS[one.type]}:
                    found.append(kept)
        return [kept.entry for kept in found if kept.enabled and kept.since < one.position]

    # ── what operators and callers do ────────────────────────────────────────────────────────────────────

    def find(self, trigger: str) -> Kept:
        """Return a trigger that is awake; `NotFound` if there is none of that name."""
        kept = self._kept.get(trigger)
        if kept is None:
            self._must_know_all()
            raise NotFound(no_such("trigger", trigger, self._kept), trigger=trigger)
        return kept

    def _must_know_all(self) -> None:
        """Refuse to say that there is no such trigger while some could not be read: callers would give up."""
        if self._hearing.deaf:
            raise StoreUnavailable("Not all triggers could be read from the disk yet: ask again in a moment.")

    def keeps(self, trigger: str) -> bool:
        """Tell whether a trigger is kept here, so that something can fire it."""
        return trigger in self._kept

    def webhook(self, path: str) -> Kept:
        """Return the trigger behind a path; `NotFound` if there is none."""
        kept = self._paths.get(path)
        if kept is None:
            self._must_know_all()
            raise NotFound("There is no such webhook.")
        return kept

    async def fire(
        self, trigger: str, event: object, *, principal: PrincipalId, key: str | None = None
    ) -> Fired:
        """Have a trigger fire now, whether it is on or off; the same key again fires it once."""
        entry = self.find(trigger).entry
        envelope = {"kind": "manual", "by": principal}
        shot = Shot(
            entry=entry,
            event=event,
            envelope=envelope,
            principal=principal,
            key=None if key is None else f"by:{key}",
            insists=True,
            by=principal,
        )
        return await self.firing.known(shot) or await self.firing.fire(shot)

    async def switch(self, trigger: str, *, on: bool, principal: PrincipalId) -> bool:
        """Turn a trigger on or off; return whether it was otherwise."""
        kept = self.find(trigger)
        async with kept.lock:
            if self._kept.get(trigger) is not kept:
                raise WrongState(f"The trigger {trigger} has just been taken away: look what there is now.")
            if kept.enabled == on:
                return False
            fact = TriggerEnabled(trigger) if on else TriggerDisabled(trigger)
            turn = self._services.journal.turn(principal=principal)
            (told,) = turn.append(trigger_stream(trigger), KIND, [fact], expected=None)
            schedule = kept.entry.planned.schedule
            due = schedule.after(turn.at) if schedule is not None and on else None
            if schedule is not None:
                turn.change(self._timetable.change(trigger, due))
            receipt = await self._services.journal.commit(turn)
            kept.enabled, kept.since = on, receipt.position(told)
            if schedule is not None:
                self._timetable.stand(trigger, due)
            return True
