"""Attempts in flight: each a task of its own, under its time-out and the limit of the whole house.

    running = Running(house, on_ended)
    running.begin(work, want)               # its outcome goes to on_ended, once
    running.cancel(key)

A slot is held only while something runs: whoever waits on disk holds none. It is taken before an attempt is
written down as begun (`room`), so what is cut off by a crash was under way. How slots are shared out among
runs is in `slots.py`.

A plain function runs in a thread, which cannot be stopped. Past its time-out the attempt has failed; its
thread keeps the slot until it ends, and another attempt of the same step waits for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from callboard import logs
from callboard.authoring.handling import Say
from callboard.company.asking import Services, check_sendable, within
from callboard.company.carrying import in_a_thread
from callboard.company.patience import patiently
from callboard.errors import BadInput, Denied, HandlerTimeout, NotFound
from callboard.expressions import Stored, resolve, restored
from callboard.ids import MessageId
from callboard.messages import To
from callboard.outcome import Done, Fail, Failure, Made, Outcome, Retry
from callboard.planning.step import Action, Attempt, Catalogue
from callboard.run import commands
from callboard.runs.around import Arounds
from callboard.runs.crowding import Crowds
from callboard.runs.ordeal import Key, Ordeal
from callboard.runs.overhearing import Overhearing
from callboard.runs.plans import Plans
from callboard.runs.slots import TURN, Slots
from callboard.spelling import no_such
from callboard.steps import AT_ONCE, IN_TIME, Work, came_to, shell
from callboard.steps.callee import Callee
from callboard.steps.exchange import Client
from callboard.steps.program import Programs
from callboard.steps.templates import Templates
from callboard.steps.work import hidden
from callboard.templates import Documents
from callboard.workflow.definition import Consensus

MOST_ATTEMPTS = 100
"""Attempts at once, where nobody says otherwise."""

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
        programs_in: Path | None = None,
        templates: Templates | None = None,
    ) -> None:
        self.services = services
        self.hearing = Overhearing(services)
        self.crowds = Crowds(services)
        self.output_bytes = commands.Limits().output
        self._open_client = open_client
        self._client: Client | None = None
        self._programs = None if programs_in is None else Programs(programs_in)
        self._templates = templates
        self.ordeal = ordeal or Ordeal()
        self.slots = Slots(most)
        self._catalogue = catalogue
        self._threads: dict[str, asyncio.Future[None]] = {}
        self.plans: Plans | None = None
        """Set by the runs that the crew works for."""
        self.arounds = Arounds(services.store)

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

    def must_know(self, bots: Iterable[str]) -> None:
        """Refuse the name of a bot that nobody has."""
        for bot in bots:
            check_sendable(self.services.board, self.services.message_bytes, To.bot(bot), "", known=False)

    def new_id(self) -> MessageId:
        """Return an id for a message."""
        return MessageId(self.services.ids.new())

    def client(self) -> Client:
        """Return what makes requests over HTTP; it is opened for the first one."""
        if self._client is None:
            self._client = self._open_client()
        return self._client

    def programs(self) -> Programs:
        """Return what runs programs, or refuse it where that is off."""
        if self._programs is None:
            raise Denied(f"Programs may not be run here: {shell.HOW}.")
        return self._programs

    async def documents(self, name: str, version: int | None) -> Documents:
        """Return a version of a set of documents, the active one if none is named, or refuse its name."""
        if self._templates is None:
            raise NotFound(f"There is no template {name} here.", name=name)
        return await patiently(self.services.clock, partial(self._templates.documents, name, version))

    async def workflow(self, name: str, version: int | None) -> Callee:
        """Return a version of a workflow, the current one if none is named, or refuse its name."""
        if self.plans is None:
            raise NotFound(f"There is no workflow {name} here.", name=name)
        number, plan = await patiently(self.services.clock, partial(self.plans.current, name, version))
        return Callee.of(plan, number)

    async def aclose(self) -> None:
        """Close what was opened for all attempts, once none is in flight."""
        await self.hearing.aclose()
        if self._programs is not None:
            self._programs.close()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def created(self, system: str, type_: str, id_: str) -> Made | None:
        """Return which run has created a thing that lives elsewhere, if one has."""
        found = await patiently(self.services.clock, partial(self.services.store.created, system, type_, id_))
        return None if found is None else Made(found.run, found.workflow, found.step, found.at)

    async def in_a_thread(self, key: str, call: Callable[[], object]) -> object:
        """Carry out a plain function, after an earlier one of the same key that has not ended yet."""
        while (earlier := self._threads.get(key)) is not None:
            await asyncio.shield(earlier)
        thread = in_a_thread(call, f"step:{key}")
        self._threads[key] = thread.ended
        thread.ended.add_done_callback(lambda _: self._threads.pop(key, None))
        return await asyncio.shield(thread.outcome)

    def lingers(self, key: str) -> bool:
        """Tell whether a time-out has left a thread behind; if so, the slot is given back when it ends."""
        thread = self._threads.get(key)
        if thread is None:
            return False
        thread.add_done_callback(lambda _: self.slots.release())
        return True

    def work(
        self, attempt: Attempt, given: Stored, consensus: Consensus | None = None
    ) -> tuple[Work, list[str]]:
        """Return the work of an attempt, and the secrets that are in it."""
        value, secrets = given.value, []
        if given.secrets:

            def look_up(name: str) -> str:
                secrets.append(_secret(name))
                return secrets[-1]

            value = resolve(restored(given), look_up)
        now = self.services.clock.now()
        return Work(attempt, value, now, self, [], secrets, consensus or Consensus()), secrets


class _Flight(msgspec.Struct, eq=False):
    """An attempt in flight."""

    kind: str
    attempt: Attempt
    want: commands.StartAttempt
    since: float | None
    """From when on the run has had the slot that it uses; None: it has none."""
    task: asyncio.Task[None] | None = None
    told: bool = False
    """What it came to was told; that is still to be committed."""


class Running:
    """The attempts of one run that are in flight."""

    def __init__(
        self, run: str, crew: Crew, on_ended: Callable[[Ended], object], on_room: Callable[[], object]
    ) -> None:
        self._run = run
        self._crew = crew
        self._on_ended = on_ended
        self._on_room = on_room
        self._flights: dict[Key, _Flight] = {}
        self._hand: list[float] = []
        """Slots that no attempt uses at this moment, each with the time from which the run has had it."""
        self._promised = 0
        """How many of them are for attempts that are being decided on."""
        self._asking: asyncio.Task[None] | None = None
        self.granted = False
        """What was asked for is there, and the run has not looked yet."""

    def __len__(self) -> int:
        return len(self._flights)

    # ── room for attempts ────────────────────────────────────────────────────────────────────────────────

    @property
    def asks(self) -> bool:
        """Whether the run will be told that there is room."""
        return self._asking is not None

    def room(self, kind: str) -> bool:
        """Tell whether a step may begin now; if so, the slot is kept for it."""
        if kind in AT_ONCE:
            return True
        if self._crew.ordeal.on:
            # All that it begins with counts, so its attempts are begun together and wait for slots after.
            return self._crew.ordeal.alone(self._run)
        if self._promised == len(self._hand):
            if not self._crew.slots.take():
                return False
            self._hand.append(self._crew.services.clock.monotonic())
        self._promised += 1
        return True

    def anew(self) -> None:
        """Begin deciding: what was promised before is begun by now, or will be decided again."""
        self._promised = 0

    def settle(self, *, starved: bool) -> None:
        """Give back the slots that nothing was decided for, and ask for one where one was missing."""
        while self._hand:
            self._hand.pop()
            self._crew.slots.release()
        if starved and self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name=f"room:{self._run}")

    def close(self) -> None:
        """Ask for no room any more, and keep none: nothing new begins."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self.settle(starved=False)

    async def _ask(self) -> None:
        await self._crew.ordeal.lets(self._run)
        if not self._crew.ordeal.on:
            await self._crew.slots.wait()
            self._hand.append(self._crew.services.clock.monotonic())
        self._asking, self.granted = None, True
        self._on_room()

    def _keep_or_give(self, flight: _Flight) -> None:
        """Take the slot of an attempt that has ended: for what follows, or to give it to others."""
        since, flight.since = flight.since, None
        if since is None or self._crew.lingers(flight.attempt.key):
            return
        slots = self._crew.slots
        if slots.wanted and self._crew.services.clock.monotonic() - since > TURN:
            slots.release()
        else:
            self._hand.append(since)

    # ── attempts ─────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, kind: str, attempt: Attempt, want: commands.StartAttempt) -> None:
        """Carry out an attempt; what it comes to is told once."""
        key = (want.step, want.iteration, want.attempt)
        self._crew.ordeal.begun(attempt.run, key)
        flight = self._flights[key] = _Flight(kind, attempt, want, self._hand.pop() if self._hand else None)
        # By the loop itself: asyncio.create_task takes a third longer.
        carried_out = self._carry_out(key, flight)
        flight.task = asyncio.get_running_loop().create_task(carried_out, name=f"step:{attempt.key}")
        flight.task.add_done_callback(partial(self._ended, key, flight))

    def _ended(self, key: Key, flight: _Flight, _: asyncio.Task[None]) -> None:
        self._flights.pop(key, None)
        if flight.since is not None and not self._crew.lingers(flight.attempt.key):
            self._crew.slots.release()
        if not flight.told:
            self._crew.ordeal.dropped(self._run, key)

    def cancel(self, key: Key) -> None:
        """Stop an attempt; nobody is told what it comes to."""
        flight = self._flights.pop(key, None)
        if flight is not None and flight.task is not None:
            flight.task.cancel()

    def cancel_all(self) -> None:
        """Stop every attempt."""
        for key in list(self._flights):
            self.cancel(key)

    async def one_ends(self) -> None:
        """Wait until an attempt has ended, if one is in flight."""
        tasks = [flight.task for flight in self._flights.values() if flight.task is not None]
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _carry_out(self, key: Key, flight: _Flight) -> None:
        crew = self._crew
        if crew.ordeal.on:
            await crew.ordeal.turn(self._run, key)
        if flight.since is None:  # as in an ordeal
            await crew.slots.wait()
            flight.since = crew.services.clock.monotonic()
        says: list[Say] = []
        outcome = await self._attempt(flight.kind, flight.attempt, flight.want, says)
        if self._flights.get(key) is flight:
            self._keep_or_give(flight)
            flight.told = True
            crew.ordeal.ends(self._run)
            self._on_ended(Ended(key, outcome, says))

    async def _attempt(
        self, kind: str, attempt: Attempt, want: commands.StartAttempt, says: list[Say]
    ) -> Outcome:
        late = HandlerTimeout("The attempt did not end in time.")
        secrets: list[str] = []
        try:
            work, secrets = self._crew.work(attempt, want.input)
            work.says = says
            logs.begin_attempt(attempt.run, attempt.workflow, attempt.step, attempt.attempt)
            outcome = await within(self._crew.services.clock, want.timeout, IN_TIME[kind](work), late)
        except HandlerTimeout as error:
            said = f"The attempt did not end within {want.timeout:g} seconds."
            outcome = Retry(Failure("TIMEOUT", said)) if error is late else came_to(error, secrets)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            outcome = Fail(Failure("STEP_FAILED", "Something that the step waited for was cancelled."))
        except (Exception, SystemExit) as error:  # noqa: BLE001  a step may call anybody's code
            outcome = came_to(error, secrets)
        return masked(outcome, secrets) if secrets else outcome


def at_once(crew: Crew, kind: str, attempt: Attempt, want: commands.StartAttempt) -> Ended:
    """Carry out a step that only says what becomes of it."""
    work, _ = crew.work(attempt, want.input, want.consensus)
    try:
        outcome = AT_ONCE[kind](work)
    except Exception as error:  # noqa: BLE001  what a template gave may be refused in any way
        outcome = came_to(error)
        work.says.clear()
    return Ended((want.step, want.iteration, want.attempt), outcome, work.says)


def _secret(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise BadInput(f"The environment variable {name} is not set: it must hold the secret of that name.")
    logs.keep_secret(value)
    return value


def masked(outcome: Outcome, secrets: list[str]) -> Outcome:
    """Return an outcome without the values of secrets: it goes into the log, for ever."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return hidden(value, secrets)
        if isinstance(value, dict):
            return {clean(key): clean(item) for key, item in value.items()}
        return [clean(item) for item in value] if isinstance(value, list | tuple) else value

    if isinstance(outcome, Done):
        named = [part for one in outcome.links for part in (one.system, one.type, one.id)]
        if clean(named) != named:
            return Fail(Failure("OUTPUT_INVALID", "A link names a secret: it is kept, for all to see."))
        return msgspec.structs.replace(outcome, output=clean(outcome.output), sets=clean(dict(outcome.sets)))
    if isinstance(outcome, Fail | Retry):
        error = outcome.error
        told = Failure(clean(error.code), clean(error.message), clean(dict(error.details)))
        return msgspec.structs.replace(outcome, error=told)
    return outcome
