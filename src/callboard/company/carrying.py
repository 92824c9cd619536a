"""How one handler is carried out: in the actor's own task, step by step, or in a thread of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NamedTuple


class Resumed:
    """A coroutine that has taken its first step already, to be awaited for the rest."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], awaited: object) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, object]:
        awaited = self._awaited
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  it is thrown where the coroutine waits
                step: Callable[[], object] = _throwing(self._coroutine, error)
            else:
                step = _sending(self._coroutine, sent)
            try:
                awaited = step()
            except StopIteration as done:
                return done.value


def _throwing(coroutine: Coroutine[Any, Any, object], error: BaseException) -> Callable[[], object]:
    return lambda: coroutine.throw(error)


def _sending(coroutine: Coroutine[Any, Any, object], value: object) -> Callable[[], object]:
    return lambda: coroutine.send(value)


def _report(
    outcome: asyncio.Future[object],
    ended: asyncio.Future[None],
    result: object,
    error: Exception | None,
) -> None:
    ended.set_result(None)
    if outcome.done():
        return
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(result)


def _tellable(error: BaseException) -> Exception:
    """Return what a call raised as a future can hold it: no end of a generator, of a thread, or of all."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    told = RuntimeError(f"it raised {type(error).__name__}" + (f": {error}" if str(error) else ""))
    told.__cause__ = error
    return told


class Thread(NamedTuple):
    """A handler that runs in a thread: what it returns, and when the thread is free again."""

    outcome: asyncio.Future[object]
    ended: asyncio.Future[None]


def in_a_thread(call: Callable[[], object], name: str) -> Thread:
    """Begin a call in a thread that does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[object] = loop.create_future()
    ended: asyncio.Future[None] = loop.create_future()
    context = contextvars.copy_context()

    def work() -> None:
        result: object = None
        failed: Exception | None = None
        try:
            result = context.run(call)
        except BaseException as error:  # noqa: BLE001  a thread that ends unheard is waited for in vain
            failed = _tellable(error)
        loop.call_soon_threadsafe(_report, outcome, ended, result, failed)

    threading.Thread(target=work, name=name, daemon=True).start()
    return Thread(outcome, ended)
