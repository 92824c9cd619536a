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
from collections.abc import Callable, Coroutine
from functools import partial
from itertools import islice
from typing import Any, Protocol

import msgspec
import structlog

from callboard import run as machine
from callboard.actors.children import Child, Policy, State
from callboard.actors.directory import Directory
from callboard.actors.runtime import Ref
from callboard.actors.supervisor import Supervisor
from callboard.actors.timers import CancelTimer, SetTimer
from callboard.changes import KeepKey
from callboard.changes import Ref as Fact
from callboard.checking.schemas import misfits
from callboard.company.asking import Services
from callboard.errors import (
    ActorError,
    ActorStopped,
    CallboardError,
    ConstraintViolated,
    KeyReused,
    MailboxFull,
    NotFound,
    RequestInvalid,
    ShuttingDown,
)
from callboard.facts import encode
from callboard.ids import Position, PrincipalId, TimerId
from callboard.plan import Plan
from callboard.run import commands
from callboard.runs.run import RunActor
from callboard.runs.running import Crew
from callboard.runs.runturn import RUN, Due, Waited
from callboard.runs.runwords import Begin, Decide, Do, Look, Message, Rang, Standing
from callboard.steps.approval import Word
from callboard.store import Timer
from callboard.workflow import path_text

PAGE = 100
"""Runs that are taken up at once at the start."""
TIMERS_PAGE = 500
PATIENCE = 60.0
"""Seconds that somebody waits for what he wants of a run: until it is committed, no attempt included."""
MOST_MISFITS = 5
"""Faults of an input that are told at once."""
BACKING_OFF = 0.1
"""Seconds until it is looked again whether a run is up that fell over."""
KEYS = "run"
"""The scope of request ids: one for all workflows, so that the same id for another one is noticed."""

_log = structlog.get_logger("callboard.runs")


class Plans(Protocol):
    """Who has the plans of what was published."""

    async def plan(self, workflow: str, version: int) -> Plan:
        """Return what runs of a version live on."""

    async def current(self, workflow: str) -> tuple[int, Plan]:
        """Return the version that a run gets which names none, and its plan."""


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
    ) -> None:
        self._awake: Directory[Message] = Directory()
        super().__init__(name="runs", clock=services.clock, grace=grace, together=True, directory=self._awake)
        self._services = services
        self._crew = crew
        self._plans = plans
        self._set_timer = set_timer
        self._limits = limits or machine.Limits()
        self._fresh: set[str] = set()
        self._errands: set[asyncio.Task[None]] = set()

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
    ) -> Began:
        """Start a run; it is on disk when this returns. The same request id again gives the same run."""
        digest = hashlib.sha256(encode([workflow, version, trigger]).encode()).hexdigest()
        if request is not None and (known := await self._known(request, digest)) is not None:
            return known
        if version is None:
            version, plan = await self._plans.current(workflow)
        else:
            plan = await self._plans.plan(workflow, version)
        _check_input(plan, trigger)
        id_ = str(self._services.ids.new())
        whole = envelope if envelope is not None else {"kind": "manual", "by": principal}
        start = commands.Start(id_, version, trigger, whole, principal)
        key = None if request is None else KeepKey(KEYS, request, digest, Fact(0))
        self._fresh.add(id_)
        try:
            ref = self._wake(id_)
            standing = await ref.ask(Begin(start, plan, key, cause), timeout=PATIENCE)
        except ConstraintViolated:
            known = None if request is None else await self._known(request, digest)
            if known is None:
                raise
            return known
        finally:
            self._fresh.discard(id_)
        return Began(id_, workflow, version, standing.status)

    async def do(self, id_: str, command: commands.Command, *, principal: PrincipalId) -> Standing:
        """Have a run pause, go on, end and so on; `WrongState` if it cannot from where it stands."""
        return await self._ask(id_, Do(command, principal))

    async def decide(
        self, wait: Waited, word: Word, *, by: str, comment: str, principal: PrincipalId
    ) -> Standing:
        """Approve or reject what a step asks; `Conflict` if it was decided already."""
        return await self._ask(
            wait.run, Decide(wait.step, wait.iteration, wait.number, by, word, comment, principal)
        )

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
            raise KeyReused(f"The request id {request!r} was used before; its run is gone by retention.")
        return Began(row.id, row.workflow, row.version, row.status, repeated=True)

    async def _ask(self, id_: str, message: Do | Decide | Look) -> Standing:
        if self._awake.find(id_) is None and await self._services.store.run(id_) is None:
            raise NotFound(f"There is no run {id_}.", run=id_)
        while True:
            ref = await self._reach(id_)
            try:
                standing: Standing = await ref.ask(message, timeout=PATIENCE)
            except ActorStopped:
                await _gone(ref)
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
        errand.add_done_callback(self._errands.discard)

    async def _deliver(self, id_: str, message: Message) -> None:
        """Tell a run something as soon as it can be told; until then a row stands for it."""
        while not self._stopping:
            try:
                ref = await self._reach(id_)
                await ref.tell_when_room(message, timeout=PATIENCE)
            except ActorStopped:
                continue  # it went to sleep in between
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
                await _gone(ref)
            elif state is State.QUARANTINED:
                return self.restart(id_)
            else:
                await self.clock.sleep(BACKING_OFF)

    def _wake(self, id_: str) -> Ref[Message]:
        ref = self.start_child(Child(id_, partial(self._make, id_), Policy.TRANSIENT))
        if ref is None:
            raise ActorError(f"Run {id_} could not be woken.", run=id_)
        return ref

    def _make(self, id_: str) -> RunActor:
        fresh = id_ in self._fresh
        self._fresh.discard(id_)
        return RunActor(
            *(id_, self._crew, self._plans.plan, self._set_timer, self.rang, self._limits), fresh=fresh
        )

    # ── its life ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        await super().on_start()
        self._run_errand(self._take_up())

    async def _take_up(self) -> None:
        """Set the timers of all runs, and wake those that have something to do."""
        store = self._services.store
        suspects = await self._suspects()
        after: TimerId | None = None
        while page := await store.timers(after, TIMERS_PAGE):
            for timer in page:
                if timer.kind == RUN:
                    self._set_timer(SetTimer(timer.id, timer.due_at, self.rang, timer))
            after = page[-1].id
        await self._one_by_one(suspects)
        begun, taken = Position(0), 0
        while not self._stopping and (runs := await store.unended(begun, PAGE, stirring=True)):
            await asyncio.gather(*(self._look(one.id) for one in runs))
            begun, taken = runs[-1].started, taken + len(runs)
        if taken:
            _log.info("runs.taken_up", runs=taken)

    async def _look(self, id_: str) -> None:
        try:
            await self._ask(id_, Look())
        except Exception as error:  # noqa: BLE001  one that cannot be taken up keeps nobody else from it
            _log.error("runs.not_taken_up", run=id_, reason=str(error))

    async def _suspects(self) -> list[str]:
        """Return the runs that had an attempt in flight, if the last stop was unclean."""
        found: list[str] = []
        if not self._crew.ordeal.watches:
            return found
        begun = Position(0)
        while runs := await self._services.store.unended(begun, PAGE, stirring=True):
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
        for errand in self._errands:
            errand.cancel()


def _check_input(plan: Plan, trigger: object) -> None:
    """Refuse an input that is not what the workflow takes."""
    if plan.input is None:
        return
    found = list(islice(misfits(trigger, dict(plan.input)), MOST_MISFITS))
    if found:
        told = "; ".join(f"{path_text(('input', *path))}: {message}" for path, message in found)
        raise RequestInvalid(f"This is no input of the workflow {plan.name}: {told}.", field="$.input")


async def _gone(ref: Ref[Any]) -> None:
    """Wait until an actor that takes nothing more has ended."""
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ref.when_ended(lambda _: None if gone.done() else gone.set_result(None))
    await gone
