"""Attempts in flight: each a task of its own, under its time-out and the limit of the whole house.

    running = Running(house, on_ended)
    running.begin(work, want)               # its outcome goes to on_ended, once
    running.cancel(key)

A slot is held only while something runs: whoever waits on disk holds none. Slots are given in the order in
which they are asked for, and a run may ask for no more than its own `max_parallel` at once, so a run with a
thousand steps cannot keep another one out. The time-out counts from when the slot is there.

A plain function runs in a thread, which cannot be stopped. Past its time-out the attempt has failed; its
thread keeps the slot until it ends, and another attempt of the same step waits for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from callboard import logs
from callboard.company.asking import Services, check_sendable, within
from callboard.company.carrying import in_a_thread
from callboard.errors import BadInput, HandlerTimeout, NotFound
from callboard.expressions import Stored, resolve, restored
from callboard.handling import Say
from callboard.ids import MessageId
from callboard.messages import To
from callboard.outcome import Done, Fail, Failure, Outcome, Retry
from callboard.run import commands
from callboard.runs.ordeal import Key, Ordeal
from callboard.spelling import no_such
from callboard.step import Action, Attempt, Catalogue
from callboard.steps import AT_ONCE, IN_TIME, Work, came_to
from callboard.steps.exchange import Client

MOST_ATTEMPTS = 100
"""Attempts at once, where nobody says otherwise."""
SHORTEST_SECRET = 8
"""Secrets of fewer characters are not masked: they would be found everywhere."""

_log = structlog.get_logger("callboard.run")


class Ended(msgspec.Struct, frozen=True):
    """What an attempt came to, and what it says."""

    key: Key
    outcome: Outcome
    says: list[Say]


class Crew:
    """What all runs of a house share to carry out their steps."""

    def __init__(
        self,
        services: Services,
        catalogue: Callable[[], Catalogue],
        *,
        open_client: Callable[[], Client],
        most: int = MOST_ATTEMPTS,
        ordeal: Ordeal | None = None,
    ) -> None:
        self.services = services
        self.output_bytes = commands.Limits().output
        self._open_client = open_client
        self._client: Client | None = None
        self.ordeal = ordeal or Ordeal()
        self.slots = asyncio.Semaphore(most)
        self._catalogue = catalogue
        self._threads: dict[str, asyncio.Future[None]] = {}

    def action(self, name: str) -> Action:
        """Return an action of the project."""
        actions = self._catalogue().actions
        found = actions.get(name)
        if found is None:
            raise NotFound(no_such("action", name, actions), name=name)
        return found

    def check(self, sender: str, to: To, json: str) -> None:
        """Refuse a message that nobody could ever receive, that is too large, or one too many."""
        check_sendable(self.services.board, self.services.message_bytes, to, json, known=False)
        self.services.pace.take(sender, to)

    def new_id(self) -> MessageId:
        """Return an id for a message."""
        return MessageId(self.services.ids.new())

    def client(self) -> Client:
        """Return what makes requests over HTTP; it is opened for the first one."""
        if self._client is None:
            self._client = self._open_client()
        return self._client

    async def aclose(self) -> None:
        """Close what was opened for all attempts, once none is in flight."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def in_a_thread(self, key: str, call: Callable[[], object]) -> object:
        """Carry out a plain function, after an earlier one of the same key that has not ended yet."""
        while (earlier := self._threads.get(key)) is not None:
            await asyncio.shield(earlier)
        thread = in_a_thread(call, f"step:{key}")
        self._threads[key] = thread.ended
        thread.ended.add_done_callback(lambda _: self._threads.pop(key, None))
        return await asyncio.shield(thread.outcome)

    def release(self, key: str) -> None:
        """Give a slot back: now, or when the thread ends that a time-out has left behind."""
        thread = self._threads.get(key)
        if thread is None:
            self.slots.release()
        else:
            thread.add_done_callback(lambda _: self.slots.release())

    def work(self, attempt: Attempt, given: Stored) -> tuple[Work, list[str]]:
        """Return the work of an attempt, and the secrets that are in it."""
        value, secrets = given.value, []
        if given.secrets:

            def look_up(name: str) -> str:
                secrets.append(_secret(name))
                return secrets[-1]

            value = resolve(restored(given), look_up)
        return Work(attempt, value, self.services.clock.now(), self, [], secrets), secrets


class Running:
    """The attempts of one run that are in flight."""

    def __init__(self, crew: Crew, on_ended: Callable[[Ended], object]) -> None:
        self._crew = crew
        self._on_ended = on_ended
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._told: set[Key] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, kind: str, attempt: Attempt, want: commands.StartAttempt) -> None:
        """Carry out an attempt; what it comes to is told once."""
        key = (want.step, want.iteration, want.attempt)
        self._crew.ordeal.begun(attempt.run, key)
        task = asyncio.create_task(self._carry_out(key, kind, attempt, want), name=f"step:{attempt.key}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._ended(attempt.run, key))

    def _ended(self, run: str, key: Key) -> None:
        self._tasks.pop(key, None)
        if key in self._told:
            self._told.discard(key)  # its end is still to be committed
        else:
            self._crew.ordeal.dropped(run, key)

    def cancel(self, key: Key) -> None:
        """Stop an attempt; nobody is told what it comes to."""
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    def cancel_all(self) -> None:
        """Stop every attempt."""
        for key in list(self._tasks):
            self.cancel(key)

    async def one_ends(self) -> None:
        """Wait until an attempt has ended, if one is in flight."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), return_when=asyncio.FIRST_COMPLETED)

    async def _carry_out(self, key: Key, kind: str, attempt: Attempt, want: commands.StartAttempt) -> None:
        crew = self._crew
        await crew.ordeal.turn(attempt.run, key)
        await crew.slots.acquire()
        says: list[Say] = []
        try:
            outcome = await self._attempt(kind, attempt, want, says)
        finally:
            crew.release(attempt.key)
        if self._tasks.get(key) is asyncio.current_task():
            self._told.add(key)
            self._on_ended(Ended(key, outcome, says))

    async def _attempt(
        self, kind: str, attempt: Attempt, want: commands.StartAttempt, says: list[Say]
    ) -> Outcome:
        late = HandlerTimeout(f"The attempt did not end within {want.timeout:g} seconds.")
        secrets: list[str] = []
        try:
            work, secrets = self._crew.work(attempt, want.input)
            work.says = says
            carry: Callable[[Work], Awaitable[Outcome]] = IN_TIME[kind]
            outcome = await within(
                self._crew.services.clock, want.timeout, _logged(attempt, carry, work), late
            )
        except HandlerTimeout as error:
            outcome = came_to(error) if error is not late else Retry(Failure("TIMEOUT", late.message))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            outcome = Fail(Failure("STEP_FAILED", "Something that the step waited for was cancelled."))
        except (Exception, SystemExit) as error:  # noqa: BLE001  a step may call anybody's code
            outcome = came_to(error)
        return masked(outcome, secrets) if secrets else outcome


def at_once(crew: Crew, kind: str, attempt: Attempt, want: commands.StartAttempt) -> Ended:
    """Carry out a step that only says what becomes of it."""
    work, _ = crew.work(attempt, want.input)
    try:
        outcome = AT_ONCE[kind](work)
    except Exception as error:  # noqa: BLE001  what a template gave may be refused in any way
        outcome = came_to(error)
    return Ended((want.step, want.iteration, want.attempt), outcome, work.says)


async def _logged(attempt: Attempt, carry: Callable[[Work], Awaitable[Outcome]], work: Work) -> Outcome:
    # Bound for good: the task of an attempt does nothing else, and ends with it.
    structlog.contextvars.bind_contextvars(
        run_id=attempt.run, workflow=attempt.workflow, step_id=attempt.step, attempt=attempt.attempt
    )
    return await carry(work)


def _secret(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise BadInput(f"The environment variable {name} is not set: it must hold the secret of that name.")
    logs.keep_secret(value)
    return value


def masked(outcome: Outcome, secrets: list[str]) -> Outcome:
    """Return an outcome without the values of secrets: it goes into the log, for ever."""
    hidden = [value for value in secrets if len(value) >= SHORTEST_SECRET]

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for secret in hidden:
                value = value.replace(secret, logs.MASK)
            return value
        if isinstance(value, dict):
            return {clean(key): clean(item) for key, item in value.items()}
        return [clean(item) for item in value] if isinstance(value, list) else value

    if isinstance(outcome, Done):
        return msgspec.structs.replace(outcome, output=clean(outcome.output))
    if isinstance(outcome, Fail | Retry):
        error = outcome.error
        told = Failure(error.code, clean(error.message), clean(dict(error.details)))
        return msgspec.structs.replace(outcome, error=told)
    return outcome
