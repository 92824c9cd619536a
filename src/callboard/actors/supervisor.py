"""Keeps children alive: starts them, restarts what dies, sets aside what cannot live, ends them in order.

    house = Supervisor.start(
        [
            Child("journal", make_journal, vital=True),
            Child("timers", Timers),
            Child("bots", make_bots),
        ],
        clock=clock,
        on_vital_death=shut_down,
    )

Theory of operation
    Children are started in the order of the list and ended in reverse, each within `grace` seconds, so a
    child may count on those before it for all of its life.

    When a child ends by itself, `RESTARTS` says whether it is started again. A new start waits 0.1 s, and
    twice as long after each further one within a minute, up to 30 s. More than five in a minute, and the
    child is quarantined: shown by `Describe` with its last error, and left alone until somebody asks to
    `Restart` it. A child that cannot be made, or fails in `on_start`, has crashed as any other.

    A child that died of an error that is named as `unfit` is quarantined at once: to start it again could not
    help.

    Tells that the dead child had accepted and not handled go to its successor before anything newer. The one
    message in hand when it died does not: it is what most likely killed it. It is logged. A subclass may hand
    on what nobody would say again (`is_said_once`); if it kills each time, quarantine ends that.

    The death of a vital child is not mended here: other actors hold memory that only it could confirm. It is
    reported upward by `on_vital_death`, once, and ends the house.

    Endings are acted on in the callback of the child's task, never through this actor's own inbox, where they
    would compete with requests for room. Between two awaits the table below is always true.

Rejected
    Restarting siblings too ("one for all"): ours share no memory; who needs that makes the child vital.
    Letting a failing supervisor take its parent down: one bad bot must not end the house, hence quarantine.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from callboard.actors.children import (
    RESTARTS,
    Child,
    ChildStatus,
    Describe,
    Request,
    Restart,
    RestartLimit,
    StartChild,
    State,
    StopChild,
)
from callboard.actors.directory import Directory
from callboard.actors.handle import Ending
from callboard.actors.runtime import LoopActor, Ref
from callboard.clock import Alarm, Clock
from callboard.errors import ActorError, AlreadyExists, Conflict, NotFound, ShuttingDown

DEFAULT_GRACE = 10.0
"""Seconds that a child may take to end."""

_log = structlog.get_logger("callboard.actors")


@dataclass(slots=True, eq=False)
class _Record:
    child: Child
    state: State = State.RUNNING
    ref: Ref[Any] | None = None
    restarts: int = 0
    recent: deque[float] = field(default_factory=deque)
    alarm: Alarm | None = None
    last_error: str | None = None
    last_traceback: str | None = None
    leftovers: list[Any] = field(default_factory=list)

    def note(self, error: BaseException) -> None:
        """Keep the text only: the error itself holds the frames of a dead actor."""
        self.last_error = f"{type(error).__name__}: {error}"
        self.last_traceback = "".join(traceback.format_exception(error))

    def disarm(self) -> None:
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None

    def status(self) -> ChildStatus:
        return ChildStatus(
            self.child.name,
            self.state,
            self.restarts,
            self.last_error,
            self.last_traceback,
            len(self.leftovers),
        )


class Supervisor(LoopActor[Request]):
    """Starts children, restarts them by their policy, and ends them in reverse order.

    A subclass may start children by `start_child`, which does not wait, and answer messages of its own.
    With a directory its children are found there by their names. `together` ends all children at once, within
    one grace: for crowds of equals, where the order means nothing.
    """

    def __init__(  # noqa: PLR0913 - each is a choice with a default
        self,
        children: Iterable[Child] = (),
        *,
        name: str | None = None,
        capacity: int | None = None,
        clock: Clock | None = None,
        limit: RestartLimit | None = None,
        grace: float = DEFAULT_GRACE,
        together: bool = False,
        directory: Directory[Any] | None = None,
        on_vital_death: Callable[[str, BaseException | None], object] | None = None,
        unfit: tuple[type[BaseException], ...] = (),
    ) -> None:
        super().__init__(name=name, capacity=capacity, clock=clock)
        self._unfit = unfit
        self._first_children = tuple(children)
        self._limit = limit or RestartLimit()
        self._grace = grace
        self._together = together
        self._directory = directory
        self._on_vital_death = on_vital_death
        self._records: dict[str, _Record] = {}
        self._stopping = False

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────

    async def on_receive(self, message: Any) -> Any:
        match message:
            case Describe():
                answer: object = self.status()
            case Restart(name):
                answer = self.restart(name)
            case StartChild(child):
                answer = self.start_child(child)
            case StopChild(name):
                answer = await self.stop_child(name)
            case _:
                answer = await super().on_receive(message)
        return answer

    def status(self) -> tuple[ChildStatus, ...]:
        """Return every child, in the order of starting."""
        return tuple(record.status() for record in self._records.values())

    def find_child(self, name: str) -> tuple[Ref[Any] | None, State | None]:
        """Return the actor of a child, if it has one now, and what the child is doing, if there is one."""
        record = self._records.get(name)
        return (None, None) if record is None else (record.ref, record.state)

    def start_child(self, child: Child) -> Ref[Any] | None:
        """Start a new child; None if it could not be made now and will be tried again by its policy."""
        if self._stopping:
            text = f"{self.name} is closing and starts no more children."
            raise ShuttingDown(text)
        if child.name in self._records or (self._directory is not None and child.name in self._directory):
            text = f"A child called {child.name} is there already."
            raise AlreadyExists(text, name=child.name)
        record = self._records[child.name] = _Record(child)
        return self._launch(record)

    def restart(self, name: str) -> Ref[Any]:
        """Start a quarantined or waiting child now, as if it had never failed."""
        record = self._record(name)
        if self._stopping or record.ref is not None:
            text = f"{name} is {record.state.value}: only what is down can be started again."
            raise Conflict(text, name=name)
        record.disarm()
        record.recent.clear()
        record.restarts += 1
        ref = self._launch(record)
        if ref is None:
            text = f"{name} could not be started: {record.last_error}"
            raise ActorError(text, name=name)
        return ref

    async def stop_child(self, name: str) -> list[Any]:
        """End a child for good, and return the tells that it never handled."""
        record = self._record(name)
        record.disarm()
        leftovers = await self._close(record)
        self._records.pop(name, None)
        return leftovers

    def _record(self, name: str) -> _Record:
        try:
            return self._records[name]
        except KeyError:
            text = f"{self.name} has no child called {name}."
            raise NotFound(text, name=name) from None

    # ── life of a child ──────────────────────────────────────────────────────────────────────────────────

    def _launch(self, record: _Record) -> Ref[Any] | None:
        record.alarm = None
        try:
            actor = record.child.factory()
            if self._directory is not None:
                self._directory.add(record.child.name, actor.actor_ref)
            ref = actor.launch(leftovers=record.leftovers, clock=self.clock)
        except Exception as error:  # noqa: BLE001  whatever a factory raises is a crash of its child
            _log.error("child.not_made", child=record.child.name, exc_info=error)
            self._handle_end(record, error)
            return None
        record.state, record.ref, record.leftovers = State.RUNNING, ref, []
        ref.when_ended(partial(self._on_child_ended, record))
        return ref

    def _on_child_ended(self, record: _Record, ending: Ending) -> None:
        record.ref = None
        kept = [message for message in ending.in_hand if self.is_said_once(message)]
        if lost := [message for message in ending.in_hand if not self.is_said_once(message)]:
            kinds = [type(message).__name__ for message in lost]
            _log.warning("child.message_lost", child=record.child.name, in_hand=kinds)
        if record.state is State.STOPPING or self._stopping:
            return  # whoever closes it collects what is left
        record.leftovers = kept + ending.take_leftovers()
        self._handle_end(record, ending.error)

    def _handle_end(self, record: _Record, error: BaseException | None) -> None:
        """Decide, by policy, what follows from an end that nobody asked for."""
        child = record.child
        if error is not None:
            record.note(error)
        if child.vital:
            record.state = State.QUARANTINED
            _log.critical("child.vital_death", child=child.name, error=record.last_error)
            if self._on_vital_death is not None:
                self._on_vital_death(child.name, error)
        elif isinstance(error, self._unfit):
            record.state = State.QUARANTINED
            _log.error("child.unfit", child=child.name, error=record.last_error)
        elif RESTARTS[child.policy][error is not None]:
            self._restart_later(record)
        else:
            del self._records[child.name]
            self._report_leftovers(child.name, record.leftovers)
        if error is not None:
            self.child_fell(record.status())

    def is_said_once(self, message: Any) -> bool:  # noqa: ARG002 - who overrides it looks at the message
        """Whether a successor is handed what its predecessor died of: nobody would say it again."""
        return False

    def child_fell(self, child: ChildStatus) -> None:
        """Do more about a child that died of an error; what follows for it is decided already."""

    def _restart_later(self, record: _Record) -> None:
        now = self.clock.monotonic()
        recent = record.recent
        while recent and recent[0] <= now - self._limit.within:
            recent.popleft()
        if len(recent) >= self._limit.most:
            record.state = State.QUARANTINED
            _log.error("child.quarantined", child=record.child.name, error=record.last_error)
            return
        delay = self._limit.delay(len(recent))
        recent.append(now)
        record.state = State.BACKING_OFF
        record.alarm = self.clock.call_at(now + delay, self._launch_again, record)
        _log.warning("child.restarting", child=record.child.name, delay=delay, error=record.last_error)

    def _launch_again(self, record: _Record) -> None:
        record.restarts += 1
        self._launch(record)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        for child in self._first_children:
            self.start_child(child)

    async def on_stop(self) -> None:
        await self._end_children()

    async def on_failure(self, error: BaseException) -> None:  # noqa: ARG002 - every hook is handed it
        """Leave no orphans behind."""
        for record in reversed(self._records.values()):
            if record.ref is not None:
                record.ref.cancel()
        await self._end_children()

    async def _end_children(self) -> None:
        self._stopping = True
        records = list(self._records.values())
        for record in records:
            record.disarm()
            if self._together and record.ref is not None:
                record.ref.stop()
        deadline = self.clock.monotonic() + self._grace
        for record in reversed(records):
            grace = max(0.0, deadline - self.clock.monotonic()) if self._together else self._grace
            leftovers = await self._close(record, grace)
            self._report_leftovers(record.child.name, leftovers)
        self._records.clear()

    async def _close(self, record: _Record, grace: float | None = None) -> list[Any]:
        """End one child, if it lives, and return all tells that nobody will handle."""
        ref, record.state = record.ref, State.STOPPING
        leftovers, record.leftovers = record.leftovers, []
        if ref is not None:
            try:
                leftovers += await ref.aclose(grace=self._grace if grace is None else grace)
            except ActorError:
                _log.warning("child.left_behind", child=record.child.name)
        return leftovers

    def _report_leftovers(self, name: str, leftovers: list[Any]) -> None:
        if leftovers:
            _log.warning("child.leftovers_dropped", child=name, count=len(leftovers))
