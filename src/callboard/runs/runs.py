"""The runs: starting them, speaking to them, waking those that sleep, and taking up what a crash left behind.

    runs = Runs(services, crew, plans, set_timer, grace=10)
    await root.ask(StartChild(runs.as_child()))
    began = await runs.start_run("claims", {"claim": 7}, principal=principal, request="a-key")
    await runs.do(began.run, Pause(by="ann"), principal=principal)

It is the supervisor of one actor for each run that has something to do. All others are rows: a timer or an
answer brings them back, and costs one fold of their events. An actor is found by its run's id in a directory
of its own, so a hundred thousand of them are looked up as fast as one.

At the start all timers of runs go onto the heap, which rings at once what fell due meanwhile, and the runs
that have something to do are taken up, a page at a time. Runs that only wait are not even read.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
import structlog

from callboard import run as machine
from callboard.actors.children import Child, ChildStatus, Policy, State
from callboard.actors.directory import Directory
from callboard.actors.runtime import Ref
from callboard.actors.supervisor import Supervisor
from callboard.actors.timers import CancelTimer, SetTimer
from callboard.company.asking import Services
from callboard.company.patience import patiently
from callboard.errors import (
    ActorError,
    ActorStopped,
    CallboardError,
    ConcurrencyLimit,
    ConstraintViolated,
    KeyReused,
    MailboxFull,
    NotFound,
    ShuttingDown,
)
from callboard.facts import encode
from callboard.ids import Position, PrincipalId
from callboard.run import commands
from callboard.runs.deleting import delete
from callboard.runs.fallen import Fallen, gone
from callboard.runs.forks import Read, Wanted, of_bounded_size
from callboard.runs.hearing_back import HearingBack
from callboard.runs.occasion import Occasion
from callboard.runs.placing import write_down
from callboard.runs.plans import Current, Plans, check_input
from callboard.runs.run import RunActor
from callboard.runs.running import Crew
from callboard.runs.runturn import Due, Waited
from callboard.runs.runwords import Begin, Decide, Do, Look, Message, Rang, Standing
from callboard.steps.approval import Word
from callboard.store.boardrows import Timer
from callboard.store.changes import KeepKey
from callboard.store.changes import Ref as Fact
from callboard.store.runrows import UnendedRun

PAGE = 100
"""Runs that are taken up at once at the start."""
PATIENCE = 60.0
"""Seconds that somebody waits for what he wants of a run: until it is committed, no attempt included."""
BACKING_OFF = 0.1
"""Seconds until it is looked again whether a run is up that fell over."""
KEYS = "run"
"""The scope of request ids: one for all workflows, so that the same id for another one is noticed."""

_luck = random.Random()  # noqa: S311 - it spreads retries; to seed one for each run takes as long as a step
_log = structlog.get_logger("callboard.runs")


class Began(msgspec.Struct, frozen=True):
    """A run that was started."""

    run: str
    workflow: str
    version: int
    status: str
    repeated: bool = False
    """The request id was used before: this is the run that came of it then."""


class Runs(Supervisor):
    """Keeps the actors of runs."""

    def __init__(
        self,
        services: Services,
        crew: Crew,
        plans: Plans,
        set_timer: Callable[[SetTimer | CancelTimer], object],
        *,
        grace: float,
        limits: machine.Limits | None = None,
        chance: Callable[[], random.Random] = lambda: _luck,
    ) -> None:
        self._awake: Directory[Message] = Directory()
        super().__init__(name="runs", clock=services.clock, grace=grace, together=True, directory=self._awake)
        self._services = services
        self._crew, self.crowds = crew, crew.crowds
        self._plans = crew.plans = Current(plans, services.board)
        self._set_timer = set_timer
        self._limits = limits or machine.Limits()
        self._chance = chance
        self._fresh: set[str] = set()
        self._errands: set[asyncio.Task[None]] = set()
        self._hearing_back = HearingBack(services, self.answered)
        self._fallen = Fallen(
            services, set_timer, self.rang, self.answered, self._run_errand, self.stop_child
        )

    def as_child(self) -> Child:
        """Return the supervisor, to be kept alive."""
        return Child(self.name, lambda: self, vital=True)

    @property
    def awake(self) -> int:
        """How many runs have an actor."""
        return len(self._awake)

    # ── what can be done ─────────────────────────────────────────────────────────────────────────────────

    async def start_run(
        self,
        workflow: str,
        trigger: object,
        *,
        principal: PrincipalId,
        version: int | None = None,
        request: str | None = None,
        envelope: object = None,
        cause: Position | None = None,
        occasion: Occasion | None = None,
    ) -> Began:
        """Start a run; it is on disk when this returns. The same request id again gives the same run."""
        digest = hashlib.sha256(encode([workflow, version, trigger]).encode()).hexdigest()
        if request is not None and (known := await self._known(request, digest)) is not None:
            return known
        version, plan = await self._plans.current(workflow, version)
        check_input(plan, trigger)
        id_ = str(self._services.ids.new()) if occasion is None else occasion.run
        whole = envelope if envelope is not None else {"kind": "manual", "by": principal}
        start = commands.Start(id_, version, trigger, whole, principal)
        return await self._begin(Begin(start, plan, None, cause, occasion), request, digest)

    async def fork_run(self, wanted: Wanted, *, principal: PrincipalId, request: str | None = None) -> Began:
        """Start a run that takes over what another one has done, and is done again from a step of it."""
        digest = wanted.digest()
        if request is not None and (known := await self._known(request, digest)) is not None:
            return known
        source = await Read.of(self._services.store, wanted.run)
        _, plan = await self._plans.current(source.state.workflow, source.state.version)
        begin = source.fork(plan, wanted, str(self._services.ids.new()), principal)
        check_input(plan, begin.start.trigger)
        with of_bounded_size(wanted.run):
            return await self._begin(begin, request, digest)

    async def _begin(self, begin: Begin, request: str | None, digest: str) -> Began:
        """Have a run begin, unless its request id has begun one before."""
        try:
            async with self.crowds.one_by_one(begin.plan.crowding, request) as again:
                known = await self._known(str(request), digest) if again else None
                return known or await self._begin_now(begin, request, digest)
        except ConcurrencyLimit as error:
            if begin.occasion is None:  # a trigger writes it down by itself
                await write_down(self._services, begin.plan.name, error, PrincipalId(begin.start.principal))
            raise

    async def _begin_now(self, begin: Begin, request: str | None, digest: str) -> Began:
        start, id_ = begin.start, begin.start.run
        if request is not None:
            begin = msgspec.structs.replace(begin, key=KeepKey(KEYS, request, digest, Fact(0)))
        self._fresh.add(id_)
        try:
            ref = self._wake(id_)
            standing = await ref.ask(begin, timeout=PATIENCE)
        except ConstraintViolated:
            known = None if request is None else await self._known(request, digest)
            if known is None:
                raise
            return known
        finally:
            self._fresh.discard(id_)
        return Began(id_, begin.plan.name, start.version, standing.status)

    async def do(self, id_: str, command: commands.Command, *, principal: PrincipalId) -> Standing:
        """Have a run pause, go on, end and so on; `WrongState` if it cannot from where it stands."""
        standing = await self._ask(id_, Do(command, principal))
        if isinstance(command, commands.Resume):  # while it was set aside nobody was there to be told
            self._fallen.look_again(id_)
        return standing

    async def decide(
        self, wait: Waited, word: Word, *, by: str, comment: str, principal: PrincipalId
    ) -> Standing:
        """Approve or reject what a step asks; `Conflict` if it was decided already."""
        return await self._ask(
            wait.run, Decide(wait.step, wait.iteration, wait.number, by, word, comment, principal)
        )

    def answered(self, id_: str) -> None:
        """Have a run look at what it waits for: something of it was answered, in a turn that is committed."""
        self._tell(id_, Look())

    async def delete(self, id_: str, *, principal: PrincipalId) -> None:
        """Take a run away that has ended; `WrongState` if it goes on."""
        await delete(self._services, id_, principal)

    def rang(self, timer: Timer) -> None:
        """Tell a run that a timer of it came due."""
        due = msgspec.json.decode(timer.data, type=Due)
        self._tell(due.run, Rang(due.timer))

    # ── finding and waking ───────────────────────────────────────────────────────────────────────────────

    async def _known(self, request: str, digest: str) -> Began | None:
        """Return the run that a request id began, if it was used before."""
        store = self._services.store
        known = await store.key(KEYS, request)
        if known is None:
            return None
        if known.digest != digest:
            raise KeyReused(
                f"The request id {request!r} was used before, for another run: take a new one for a new run."
            )
        entry = await store.entry(known.about)
        row = None if entry is None else await store.run(entry.subject.removeprefix("run:"))
        if row is None:
            raise KeyReused(f"The request id {request!r} was used before; its run is gone.")
        return Began(row.id, row.workflow, row.version, row.status, repeated=True)

    async def _ask(self, id_: str, message: Do | Decide | Look) -> Standing:
        if self._awake.find(id_) is None and await self._services.store.run(id_) is None:
            raise NotFound(f"There is no run {id_}.", run=id_)
        return await self._ask_known(id_, message)

    async def _ask_known(self, id_: str, message: Do | Decide | Look) -> Standing:
        while True:
            ref = await self._reach(id_)
            try:
                standing: Standing = await ref.ask(message, timeout=PATIENCE)
            except ActorStopped:
                await gone(ref)
                if ref.ending is None or ref.ending.error is not None:
                    raise
            else:
                return standing

    def _tell(self, id_: str, message: Message) -> None:
        """Tell a run something, and wake it for that if it sleeps."""
        ref = self._awake.find(id_)
        if ref is not None:
            with contextlib.suppress(MailboxFull, ActorStopped):
                ref.tell(message)
                return
        self._run_errand(self._deliver(id_, message))

    def _run_errand(self, work: Coroutine[Any, Any, None]) -> None:
        errand = asyncio.create_task(work, name="runs: errand")
        self._errands.add(errand)
        errand.add_done_callback(self._errand_ended)

    def _errand_ended(self, errand: asyncio.Task[None]) -> None:
        self._errands.discard(errand)
        if not errand.cancelled() and (error := errand.exception()) is not None:
            _log.error("runs.errand_failed", exc_info=error)

    async def _deliver(self, id_: str, message: Message) -> None:
        """Tell a run something as soon as it can be told; until then a row stands for it."""
        while not self._stopping:
            try:
                ref = await self._reach(id_)
                await ref.tell_when_room(message, timeout=PATIENCE)
            except ActorStopped:
                continue  # it went to sleep in between
            except ShuttingDown:
                return  # the row stands for it until the next start
            except CallboardError as error:
                _log.error("runs.not_told", run=id_, what=type(message).__name__, reason=error.message)
                return
            return

    async def _reach(self, id_: str) -> Ref[Message]:
        """Return the actor of a run: the one that there is, or a new one if the run sleeps."""
        while True:
            if self._stopping or self.actor_inbox.closed:
                raise ShuttingDown("The server is closing and takes no new work: try again when it is back.")
            ref, state = self.find_child(id_)
            if state is None:
                return self._wake(id_)
            if ref is not None:
                if ref.is_alive():
                    return ref
                await gone(ref)
            elif state is State.QUARANTINED and not self._fallen.is_setting_aside(id_):
                return self.restart(id_)
            else:
                await self.clock.sleep(BACKING_OFF)

    def _wake(self, id_: str) -> Ref[Message]:
        ref = self.start_child(Child(id_, partial(self._make, id_), Policy.TRANSIENT))
        if ref is None:
            raise ActorError(f"Run {id_} could not be woken.", run=id_)
        return ref

    def is_said_once(self, message: object) -> bool:
        return isinstance(message, Rang)

    def child_fell(self, child: ChildStatus) -> None:
        if child.state is State.QUARANTINED:
            self._fallen.set_aside(child.name, child.last_error or "")

    def _make(self, id_: str) -> RunActor:
        fresh = id_ in self._fresh
        self._fresh.discard(id_)
        parts = (id_, self._crew, self._plans.plan, self._set_timer, self.rang, self._limits, self.answered)
        return RunActor(*parts, fresh=fresh, chance=self._chance())

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        await super().on_start()
        await self.crowds.load(self.answered, self._run_errand)
        self._hearing_back.begin()
        self._run_errand(self._crew.hearing.begin(self.answered))
        self._run_errand(self._take_up())

    async def _take_up(self) -> None:
        """Set the timers of all runs, and wake those that have something to do."""
        suspects = await self._suspects()
        await self._fallen.set_timers()
        await self._one_by_one(suspects)
        begun, taken = Position(0), 0
        while not self._stopping and (runs := await self._stirring(begun)):
            await asyncio.gather(*(self._look(one.id) for one in runs))
            begun, taken = runs[-1].started, taken + len(runs)
        if taken:
            _log.info("runs.taken_up", runs=taken)

    async def _stirring(self, begun: Position) -> list[UnendedRun]:
        store = self._services.store
        return await patiently(self.clock, partial(store.unended, begun, PAGE, stirring=True))

    async def _look(self, id_: str) -> None:
        try:
            await patiently(self.clock, lambda: self._ask_known(id_, Look()))
        except Exception as error:  # noqa: BLE001  one that cannot be taken up keeps nobody else from it
            _log.error("runs.not_taken_up", run=id_, reason=str(error))

    async def _suspects(self) -> list[str]:
        """Return the runs that had an attempt in flight, if the last stop was unclean."""
        if not self._crew.ordeal.watches:
            return []
        found, begun = list[str](), Position(0)
        while runs := await self._stirring(begun):
            found += [one.id for one in runs if one.in_flight and one.status != "crashed"]
            begun = runs[-1].started
        self._crew.ordeal.suspect(found)
        return found

    async def _one_by_one(self, suspects: list[str]) -> None:
        """Take up suspects, each alone until it has shown that the process survives it."""
        ordeal = self._crew.ordeal
        for id_ in sorted(suspects, key=ordeal.doomed, reverse=True):
            if self._stopping or not ordeal.on:
                return
            if ordeal.doomed(id_):
                _log.error("runs.given_up", run=id_)
                await self._look(id_)
            else:
                ordeal.begin(id_)
                await self._look(id_)
                await ordeal.over()
            if not self._stopping:
                ordeal.passed(id_)

    async def on_stop(self) -> None:
        self._crew.ordeal.close()
        await super().on_stop()
        self._end_errands()
        await self._crew.aclose()

    async def on_failure(self, error: BaseException) -> None:
        await super().on_failure(error)
        self._end_errands()
        await self._crew.aclose()

    def _end_errands(self) -> None:
        self._hearing_back.close()
        for errand in self._errands:
            errand.cancel()
