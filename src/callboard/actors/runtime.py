"""The one kind of actor: a `pykka.Actor` whose loop is an asyncio task.

    class Counter(LoopActor[int]):
        def __init__(self) -> None:
            super().__init__()
            self.total = 0

        async def on_receive(self, message: int) -> int:
            self.total += message
            return self.total

    ref = Counter.start()
    ref.tell(2)                    # no answer; raises MailboxFull or ActorStopped
    total = await ref.ask(3)       # 5, or AskTimeout after five seconds
    await ref.aclose()             # what was accepted is handled first

Theory of operation
    An actor handles one message at a time, in the order in which they were accepted. Its life is one task:
    `on_start`, messages, `on_stop`; or `on_failure(error)` after an error.
    An error raised while answering an `ask` goes to the asker and the actor lives on. An error out of a
    `tell` or a hook, or a cancellation of the task, kills the actor. At that instant, before any other hook
    runs, its inbox closes and every asker gets `ActorStopped`; tells that it did not get to are kept as
    *leftovers*. When the task is done, whatever ended it, the `Ending` goes to everybody who asked for it by
    `when_ended`. Each leftover is handed out once, by `take_leftovers`: to the supervisor, or else to the
    first `aclose`. An ending in good order has none.

Rejected
    Pykka's registry: it searches a list, which is quadratic for 100,000 actors; see `directory.py`.
    Pykka's `Actor.__init__` and `ActorRef.__init__`: a random urn, a `threading.Event` and its condition for
    each actor cost more than the rest of the actor. So there is no `actor_stopped`: ask `is_alive()`.
    Proxies: a call through a proxy is an ask that hides that it may time out.
    Handing the message in hand to the successor too: it may be what killed the actor, and would again.

This is the only file that imports pykka. The private names of it that are used: `_envelope.Envelope` and
`_types.OptExcInfo`, and, to override them, `Actor._actor_ref`, `_actor_loop`, `_start_actor_loop`,
`_create_actor_inbox` and `_create_future`.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import sys
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import pykka
import structlog
from pykka._envelope import Envelope

from callboard.actors.handle import DEFAULT_TIMEOUT, Ending, Fault, Handle, M_contra
from callboard.actors.inbox import DEFAULT_CAPACITY, Inbox
from callboard.clock import Clock, SystemClock
from callboard.errors import ActorError, ActorStopped

if TYPE_CHECKING:
    from pykka._types import OptExcInfo

    class PykkaActor:
        """To type checkers: pykka's hooks do not wait, so each override of ours would offend."""

else:
    PykkaActor = pykka.Actor

__all__ = ["DEFAULT_TIMEOUT", "Ending", "Envelope", "LoopActor", "Ref", "Reply"]

M = TypeVar("M")

MESSAGES_PER_PASS = 32
"""After so many messages without a pause an actor lets the others work, even if it never waits itself."""

_log = structlog.get_logger("callboard.actors")
_numbers = itertools.count(1)
_system_clock = SystemClock()


class Reply(pykka.Future[Any]):
    """What an asker waits for; answering one that gave up is without effect."""

    def __init__(self, future: asyncio.Future[Any] | None = None) -> None:
        self._future = future or asyncio.get_running_loop().create_future()

    def __await__(self) -> Generator[Any, None, Any]:
        outcome = yield from self._future.__await__()
        if type(outcome) is Fault:
            raise outcome.error
        return outcome

    @property
    def done(self) -> bool:
        """Whether it was answered, or nobody waits any more."""
        return self._future.done()

    def set(self, value: Any = None) -> None:
        if not self._future.done():
            self._future.set_result(value)

    def set_exception(self, exc_info: OptExcInfo | BaseException | None = None) -> None:
        """Answer with an error: the one given, or the one that is being handled."""
        error = exc_info if isinstance(exc_info, BaseException) else (exc_info or sys.exc_info())[1]
        self.set(Fault(error or ActorError("An actor answered with an error that it did not name.")))


class Ref(Handle[M_contra], pykka.ActorRef[Any]):  # type: ignore[misc]  # ours await
    """A handle that is also a pykka ref."""

    def __init__(self, actor: LoopActor[Any]) -> None:
        super().__init__(actor.name, actor.actor_inbox, actor.clock)
        self.actor_class = type(actor)
        self.actor_urn = actor.actor_urn

    @staticmethod
    def _seal(message: Any, future: asyncio.Future[Any] | None) -> Envelope[Any]:
        return Envelope(message, Reply(future) if future is not None else None)


class LoopActor(PykkaActor, Generic[M]):
    """An actor that handles messages of type M, one at a time, in an asyncio task.

    Override `on_receive`, and the other hooks as needed. To take many messages at once, override `_serve`.
    """

    inbox_capacity: ClassVar[int] = DEFAULT_CAPACITY
    clock: Clock = _system_clock
    actor_urn: str
    actor_inbox: Inbox[Envelope[M]]
    _actor_ref: Ref[M]
    _leftovers: tuple[Any, ...] = ()
    _in_hand: tuple[Any, ...] = ()
    _launched = False

    def __init__(
        self, *, name: str | None = None, capacity: int | None = None, clock: Clock | None = None
    ) -> None:
        self.actor_urn = name or f"{type(self).__name__}-{next(_numbers)}"
        self.actor_inbox = Inbox(capacity or self.inbox_capacity)
        if clock is not None:
            self.clock = clock
        self._actor_ref = Ref(self)

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Ref[M]:
        """Make an actor and launch it; must be called in a running loop."""
        return cls(*args, **kwargs).launch()

    def launch(self, *, leftovers: Iterable[M] = (), clock: Clock | None = None) -> Ref[M]:
        """Begin to work; `leftovers` of a predecessor are handled before anything else.

        `clock` is for an actor that was made without one.
        """
        if clock is not None and "clock" not in vars(self):
            self.clock = clock
        self.actor_inbox.put_back([Envelope(message) for message in leftovers])
        self._start_actor_loop()
        return self._actor_ref

    @property
    def actor_ref(self) -> Ref[M]:
        return self._actor_ref

    @property
    def name(self) -> str:
        return self.actor_urn

    def stop(self) -> None:
        """End after the messages that were accepted up to now."""
        self.actor_inbox.close()

    # ── what an actor may say ────────────────────────────────────────────────────────────────────────────

    async def on_start(self) -> None:
        """Prepare, before the first message."""

    async def on_receive(self, message: M) -> Any:
        """Handle one message; what is returned or raised answers an ask."""
        text = f"{self.name} does not know what to do with a {type(message).__name__}."
        raise NotImplementedError(text)

    async def on_stop(self) -> None:
        """Clean up after an orderly end; nothing more will come in."""

    async def on_failure(self, error: BaseException) -> None:
        """Clean up after a death by `error`, from any hook or message; nothing more will come in."""

    async def _serve(self, first: Envelope[M]) -> None:
        """Deal with one envelope that was just taken, or with as many as one likes.

        An override may take more in hand by `self.actor_inbox.take_waiting(limit)`. It answers each of them
        by `envelope.reply_to.set(...)` or `.set_exception(error)`, where `reply_to` is not None. What it
        raises kills the actor; then whoever it did not answer gets ActorStopped.
        """
        reply = first.reply_to
        if reply is None:
            await self.on_receive(first.message)
            return
        try:
            answer = await self.on_receive(first.message)
        except Exception as error:  # noqa: BLE001  it is the asker's
            reply.set_exception(error)  # type: ignore[arg-type]
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            # Something that the handler waited for was cancelled; the asker must not take it for its own.
            reply.set_exception(ActorError(f"{self.name} waited for something that was cancelled."))  # type: ignore[arg-type]
        else:
            reply.set(answer)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def _create_actor_inbox() -> Any:
        return Inbox()

    @staticmethod
    def _create_future() -> Reply:
        return Reply()

    def _start_actor_loop(self) -> None:
        if self._launched:
            message = f"{self.name} was launched already."
            raise RuntimeError(message)
        self._launched = True
        context = contextvars.copy_context()
        task = asyncio.get_running_loop().create_task(
            self._actor_loop(), name=self.actor_urn, context=context
        )
        self._actor_ref.attach(task, self.clock)
        # A task that is cancelled before its first step never runs a line of ours: only this is certain.
        task.add_done_callback(self._ended, context=context)

    async def _actor_loop(self) -> BaseException | None:
        inbox = self.actor_inbox
        served = 0
        try:
            await self.on_start()
            while True:
                envelope = inbox.take()
                if envelope is None:
                    if inbox.closed:
                        break
                    served = 0
                    await inbox.arrival()
                    continue
                await self._serve(envelope)
                envelope = None
                inbox.settle()
                served += 1
                if served % MESSAGES_PER_PASS == 0:
                    await asyncio.sleep(0)
            await self.on_stop()
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  a cancellation too is an ending that others must hear of
            await self._fail(error)
            return error
        return None

    async def _fail(self, error: BaseException) -> None:
        self._turn_away(error)
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()  # or every await in on_failure would seem cancelled to asyncio.timeout
        try:
            await self.on_failure(error)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001  the first error is the one to report
            _log.exception("actor.on_failure_failed", actor=self.name)

    def _turn_away(self, error: BaseException | None) -> None:
        """Close; give every asker its ActorStopped and keep the tells."""
        inbox = self.actor_inbox
        waiting = inbox.drain()
        self._leftovers += tuple(envelope.message for envelope in waiting if envelope.reply_to is None)
        self._in_hand += tuple(envelope.message for envelope in inbox.in_hand if not _is_answered(envelope))
        for envelope in inbox.in_hand:
            text = f"{self.name} stopped while handling the message; its effect is unknown."
            _stop_asker(envelope, text, error)
        for envelope in waiting:
            _stop_asker(envelope, f"{self.name} stopped before it handled the message.", error)
        inbox.settle()

    def _ended(self, task: asyncio.Task[BaseException | None]) -> None:
        error: BaseException | None = asyncio.CancelledError()
        if not task.cancelled():
            error = task.exception() or task.result()
        self._turn_away(error)
        if isinstance(error, asyncio.CancelledError):
            _log.warning("actor.cancelled", actor=self.name)
        elif error is not None:
            _log.error("actor.crashed", actor=self.name, exc_info=error)
        self._actor_ref.finish(Ending(self.name, error, list(self._in_hand), list(self._leftovers)))


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_answered(envelope: Envelope[Any]) -> bool:
    return isinstance(envelope.reply_to, Reply) and envelope.reply_to.done


def _stop_asker(envelope: Envelope[Any], text: str, cause: BaseException | None) -> None:
    if envelope.reply_to is not None:
        error = ActorStopped(text)
        error.__cause__ = cause
        envelope.reply_to.set_exception(error)  # type: ignore[arg-type]
