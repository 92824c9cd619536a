"""What others hold of an actor: to tell, to ask, to end it. `runtime.Ref` adds pykka's envelope to it.

A handle outlives its actor and then says so. It never holds the actor itself, so the memory of one that ended
goes at once, without the garbage collector. How messages are accepted is told in `inbox.py`, what becomes of
them when an actor dies in `runtime.py`.

An asker that gives up, by time-out or cancellation, does not disturb the actor: what was accepted is handled.
All waiting is on the actor's clock, so it jumps under `callboard.testing.JumpClock`.

Rejected
    Errors inside the asker's future: one that nobody collects is reported as "never retrieved". A `Fault` in
    its place is an ordinary result.
    `asyncio.timeout` around the ask: it costs two microseconds more, and waits on the loop's clock.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from callboard.actors.inbox import Inbox
from callboard.clock import Clock
from callboard.errors import ActorError, ActorStopped, AskTimeout, MailboxFull, Overloaded

M_contra = TypeVar("M_contra", contravariant=True)

DEFAULT_TIMEOUT = 5.0
"""Seconds that an asker waits unless it says otherwise."""

LAST_MOMENT = 0.5
"""Seconds that an actor has at least between being cancelled and being left behind."""

_log = structlog.get_logger("callboard.actors")


@dataclass(slots=True, eq=False)
class Ending:
    """How an actor ended.

    `error` is None if it ended in good order. `in_hand` is what it was handling when it died: no leftover,
    for it may be what killed it.
    """

    name: str
    error: BaseException | None
    in_hand: list[Any]
    leftovers: list[Any]

    def take_leftovers(self) -> list[Any]:
        """Return the tells that were accepted and never handled; whoever calls first gets them."""
        leftovers, self.leftovers = self.leftovers, []
        return leftovers


class Fault:
    """An error on its way to the asker."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


_EXPIRED = object()


class Handle(Generic[M_contra]):
    """Speaks to one actor, whose messages are of type M."""

    actor_inbox: Inbox[Any]

    def __init__(self, name: str, inbox: Inbox[Any], clock: Clock) -> None:
        self.name = name
        self.actor_inbox = inbox
        self.ending: Ending | None = None
        self._clock = clock
        self._thread = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[BaseException | None] | None = None
        self._listeners: list[Callable[[Ending], object]] | None = None

    def is_alive(self) -> bool:
        """Whether it accepts messages; an actor that is closing does not."""
        return not self.actor_inbox.closed

    def tell(self, message: M_contra) -> None:
        """Send and go on. From another thread it waits until the actor's loop has accepted or refused.

        Raises MailboxFull, ActorStopped.
        """
        if threading.get_ident() != self._thread:
            self._tell_across(message)
        elif not self.actor_inbox.put(self._seal(message, None)):
            raise self._refusal()

    async def tell_when_room(self, message: M_contra, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Send, and wait only until it is accepted: for senders who must not outrun the actor.

        Raises Overloaded when there was no room in time; ActorStopped.
        """
        self._check_loop()
        if not await self._enter(self._seal(message, None), self._clock.monotonic() + timeout):
            waited = f"{self.name} had no room for another message within {timeout:g} s."
            raise Overloaded(waited, actor=self.name)

    async def ask(self, message: M_contra, *, timeout: float = DEFAULT_TIMEOUT) -> Any:
        """Send, and return the answer or raise the error that the actor raised.

        Time spent waiting for room in a full inbox counts. Raises AskTimeout, ActorStopped.
        """
        loop = self._check_loop()
        future: asyncio.Future[Any] = loop.create_future()
        envelope = self._seal(message, future)
        clock = self._clock
        deadline = clock.monotonic() + timeout
        if not self.actor_inbox.put(envelope) and not await self._enter(envelope, deadline):
            raise self._too_late(timeout)
        alarm = clock.call_at(deadline, _answer, future, _EXPIRED)
        try:
            outcome = await future
        finally:
            alarm.cancel()
        if outcome is _EXPIRED:
            raise self._too_late(timeout)
        if type(outcome) is Fault:
            raise outcome.error
        return outcome

    def stop(self) -> None:
        """Close the inbox and return at once; what was accepted is still handled. See `aclose`."""
        self.actor_inbox.close()

    def retire(self) -> bool:
        """End the actor only if it has nothing to do now; return whether that was so.

        There is no await between the check and the closing: a message is either accepted before, and then the
        answer is False, or its sender gets ActorStopped.
        """
        idle = not self.actor_inbox.closed and self.actor_inbox.idle
        if idle:
            self.actor_inbox.close()
        return idle

    def cancel(self) -> None:
        """Kill the actor wherever it is."""
        if self._task is not None:
            self._task.cancel()

    async def aclose(self, *, grace: float | None = None) -> list[Any]:
        """End in good order, and return the tells that were accepted and never handled.

        What was accepted is handled first. After `grace` seconds the actor is cancelled; one that goes on all
        the same for as long again is given up, with an ActorError. Without `grace` it takes its time.
        """
        self.actor_inbox.close()
        if self.ending is None:
            await self._until_ended(grace)
        return self.ending.take_leftovers() if self.ending is not None else []

    def when_ended(self, listener: Callable[[Ending], object]) -> None:
        """Call `listener(ending)` in the loop once the actor's task is done; at once if it is."""
        if self.ending is not None:
            listener(self.ending)
        elif self._listeners is None:
            self._listeners = [listener]
        else:
            self._listeners.append(listener)

    # ── for the runtime ──────────────────────────────────────────────────────────────────────────────────

    def attach(self, task: asyncio.Task[BaseException | None], clock: Clock) -> None:
        """Bind to the task that is the actor's life."""
        self._loop = task.get_loop()
        self._thread = threading.get_ident()
        self._clock = clock
        self._task = task

    def finish(self, ending: Ending) -> None:
        """Note how the actor ended, and tell those who asked for it."""
        self.ending = ending
        listeners, self._listeners = self._listeners, None
        for listener in listeners or ():
            try:
                listener(ending)
            except Exception:  # noqa: BLE001  the others must hear of it all the same
                _log.exception("actor.listener_failed", actor=self.name)

    @staticmethod
    def _seal(message: Any, future: asyncio.Future[Any] | None) -> object:
        """Put a message in the envelope that this kind of actor opens."""
        raise NotImplementedError

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    def _check_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            where = "has not been launched" if self._loop is None else "lives in another event loop"
            message = f"{self.name} {where}: only tell can be used from here."
            raise RuntimeError(message)
        return loop

    async def _enter(self, envelope: object, deadline: float) -> bool:
        """Stand in line until the deadline; return whether the envelope was accepted."""
        gate = self.actor_inbox.line_up(envelope)
        alarm = self._clock.call_at(deadline, _answer, gate, None)
        try:
            admitted = await gate
        finally:
            alarm.cancel()
        if admitted is False:
            raise self._refusal()
        return bool(admitted)

    def _tell_across(self, message: M_contra) -> None:
        """Have the loop's thread do the tell, and wait for it, so that a refusal reaches the sender."""
        accepted: futures.Future[None] = futures.Future()

        def deliver() -> None:
            if accepted.set_running_or_notify_cancel():
                try:
                    self.tell(message)
                except ActorError as error:
                    accepted.set_exception(error)
                else:
                    accepted.set_result(None)

        try:
            if self._loop is None:
                raise self._refusal()
            self._loop.call_soon_threadsafe(deliver)
            accepted.result(DEFAULT_TIMEOUT)
        except futures.TimeoutError:
            if accepted.cancel():
                text = f"The loop of {self.name} was too busy to take a message from another thread."
                raise Overloaded(text, actor=self.name) from None
            accepted.result()  # accepted or refused just now
        except RuntimeError:  # the loop is closed, so the actor is no more
            raise self._refusal() from None

    def _refusal(self) -> ActorError:
        if self.actor_inbox.full and not self.actor_inbox.closed:
            text = f"The mailbox of {self.name} is full: it holds {self.actor_inbox.capacity} messages."
            return MailboxFull(text, actor=self.name, capacity=self.actor_inbox.capacity)
        error = ActorStopped(f"{self.name} has stopped and takes no more messages.", actor=self.name)
        error.__cause__ = self.ending.error if self.ending is not None else None
        return error

    def _too_late(self, timeout: float) -> AskTimeout:
        return AskTimeout(f"{self.name} did not answer within {timeout:g} s.", actor=self.name)

    async def _until_ended(self, grace: float | None) -> None:
        loop = self._check_loop()
        task = self._task
        if task is None or task is asyncio.current_task():
            message = f"{self.name} cannot wait for its own end; use stop()."
            raise RuntimeError(message)
        ended: asyncio.Future[str] = loop.create_future()
        self.when_ended(lambda _: _answer(ended, "in time"))
        alarms = []
        if grace is not None:
            now = self._clock.monotonic()
            alarms.append(self._clock.call_at(now + grace, task.cancel))
            late = now + grace + max(grace, LAST_MOMENT)
            alarms.append(self._clock.call_at(late, _answer, ended, "too late"))
        try:
            outcome = await ended
        finally:
            for alarm in alarms:
                alarm.cancel()
        if outcome == "too late":
            _log.error("actor.ignores_cancellation", actor=self.name)
            text = f"{self.name} went on after it was cancelled; it was left behind."
            raise ActorError(text, actor=self.name)


def _answer(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
