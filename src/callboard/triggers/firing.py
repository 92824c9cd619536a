"""The one way from an event to a run: judged, then started or refused, and written down in the same turn.

    outcome = await firing.fire(Shot(entry, event, envelope, principal, key="2030-01-01T07:00:00Z"))

A shot with a key has one outcome for ever, whoever repeats it: the key goes into the turn of the run, or of
the record that there is none. So whatever drives a trigger may say everything again after a crash, and needs
to remember only roughly how far it was.

What passes (a full disk, a server that closes) is raised, and leaves nothing: whoever drives it tries again.
What will not pass is an outcome, and a record in the trigger's stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import structlog

from callboard.company.asking import Services
from callboard.errors import (
    ActorError,
    CallboardError,
    ConstraintViolated,
    KeyReused,
    OutcomeUnknown,
    Unavailable,
)
from callboard.facts.triggering import KIND, TriggerFired, TriggerNotFired, trigger_stream
from callboard.ids import Position, PrincipalId
from callboard.runs.occasion import Occasion
from callboard.runs.runs import Runs
from callboard.store.changes import Change, KeepKey, Ref
from callboard.triggers.entries import Entry
from callboard.triggers.judging import Refused, judge

SCOPE = "trigger"
"""Of the keys of shots."""
PASSING = (Unavailable, ActorError, OutcomeUnknown)
"""What is no word about the event: the same shot is to be tried again."""
LONGEST_REASON = 2_000

_log = structlog.get_logger("callboard.triggers")


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One event, as it reaches one trigger."""

    entry: Entry
    event: Any
    envelope: Mapping[str, Any]
    """What the run sees as `run.trigger`, beside the kind and the name of the trigger."""
    principal: PrincipalId
    cause: Position | None = None
    key: str | None = None
    """The same again is this shot, and starts nothing more."""
    digest: str = ""
    """Of what the key stands for, where somebody else chooses it."""
    insists: bool = False
    """Whoever sends it may send it again: a refusal that may pass does not use up the key."""
    scheduled_for: datetime | None = None
    by: str = ""
    refused: Refused | None = None
    """It is refused before anything is looked at."""
    facts: tuple[msgspec.Struct, ...] = ()
    changes: tuple[Change, ...] = ()
    """What else is true together with the outcome."""


class Fired(msgspec.Struct, frozen=True):
    """What came of a shot."""

    run: str | None
    code: str = ""
    reason: str = ""
    repeated: bool = False
    """The key was used before: this is what came of it then, and nothing was written now."""


class Firing:
    """Fires triggers."""

    def __init__(self, services: Services, runs: Runs) -> None:
        self._services = services
        self._runs = runs

    async def fire(self, shot: Shot) -> Fired:
        """Start a run, or write down why there is none."""
        entry = shot.entry
        verdict = shot.refused or judge(entry, shot.event, self._services.clock.now())
        if isinstance(verdict, Refused):
            return await self._refuse(shot, verdict)
        run = str(self._services.ids.new())
        told = TriggerFired(entry.id, run, entry.version, shot.scheduled_for, shot.by)
        occasion = Occasion(
            *(run, trigger_stream(entry.id), KIND, (*shot.facts, told)),
            (*shot.changes, *self._key(shot, Ref(0))),
        )
        try:
            await self._runs.start_run(
                entry.workflow,
                verdict.trigger,
                principal=shot.principal,
                version=entry.version,
                envelope=_envelope(shot),
                cause=shot.cause,
                occasion=occasion,
            )
        except ConstraintViolated:
            return await self._must_be_known(shot)
        except PASSING:
            raise
        except CallboardError as error:
            return await self._refuse(shot, Refused(error.code, error.message, passing=error.retryable))
        _log.info("trigger.fired", trigger=entry.id, run=run)
        return Fired(run)

    async def known(self, shot: Shot) -> Fired | None:
        """Return what came of a shot, if it was fired before; `KeyReused` if that was another one."""
        if shot.key is None:
            return None
        store = self._services.store
        row = await store.key(SCOPE, _key(shot))
        if row is None:
            return None
        if row.digest != shot.digest:
            raise KeyReused(f"The id {shot.key} was used before, for something else: send a new one.")
        entry = await store.entry(row.about)
        if entry is None:
            said = "It was fired before; what came of it is gone by retention."
            return Fired(None, "GONE", said, repeated=True)
        if entry.subject.startswith("run:"):
            return Fired(entry.subject.removeprefix("run:"), repeated=True)
        told = msgspec.json.decode(entry.data, type=TriggerNotFired)
        return Fired(None, told.code, told.reason, repeated=True)

    async def _must_be_known(self, shot: Shot) -> Fired:
        found = await self.known(shot)
        if found is None:
            raise ConstraintViolated(f"The store refused what {shot.entry.id} fired; its log says more.")
        return found

    async def _refuse(self, shot: Shot, refused: Refused) -> Fired:
        """Write down that no run comes of it."""
        if refused.passing and shot.insists:
            shot = msgspec.structs.replace(shot, key=None)
        entry, reason = shot.entry, refused.reason[:LONGEST_REASON]
        turn = self._services.journal.turn(principal=shot.principal)
        told = TriggerNotFired(entry.id, refused.code, reason, shot.scheduled_for, shot.by)
        facts = (*shot.facts, told)
        turn.append(trigger_stream(entry.id), KIND, facts, expected=None, cause=shot.cause)
        for change in (*shot.changes, *self._key(shot, Ref(len(facts) - 1))):
            turn.change(change)
        try:
            await self._services.journal.commit(turn)
        except ConstraintViolated:
            return await self._must_be_known(shot)
        if refused.code != "CONDITION_FALSE":
            _log.warning("trigger.not_fired", trigger=entry.id, code=refused.code, reason=reason)
        return Fired(None, refused.code, reason)

    def _key(self, shot: Shot, about: Ref) -> tuple[KeepKey, ...]:
        return () if shot.key is None else (KeepKey(SCOPE, _key(shot), shot.digest, about),)


def _envelope(shot: Shot) -> dict[str, Any]:
    """Return `run.trigger`; the event is in it where `trigger` is something else that was made of it."""
    entry = shot.entry
    made = {} if entry.planned.input is None else {"event": shot.event}
    return {"kind": entry.kind, "trigger": entry.id, **shot.envelope, **made}


def _key(shot: Shot) -> str:
    return f"{shot.entry.id}/{shot.key}"
