"""Row changes: everything a turn alters beside the log, one small struct for each.

A change says what shall be true of one row, in the words of the domain; a store adapter knows the statement
that makes it so. Two families share this file because adapters carry out both in the same way:

- **state** (cursors, deliveries, memory, keys, waits, timers, snapshots, decisions) is put into a turn by
  whoever makes the turn. It cannot be rebuilt; its invariants are checked by `callboard doctor`.
- **derived** rows (bots, channels, subscriptions, dead letters, workflows, runs, attempts) come from facts
  alone, through `projections.py`, and can be rebuilt from the log at any time. Nobody else makes them.
  Those of runs are in `run_changes.py`, those of triggers in `trigger_changes.py`.

Where a change speaks of a fact of its own turn, which has no position before the commit, it holds a `Ref`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from callboard.ids import BotName, ChannelName, MessageId, Position, StreamId, TimerId, Version, WaitId
from callboard.store.run_changes import (
    AdmitRun,
    BeginAttempt,
    CloseSteps,
    CompleteStep,
    FailAttempt,
    LeavePending,
    MoveAttempt,
    MoveRun,
    PutChild,
    PutRun,
    QueueStep,
    RepeatAttempt,
    UnqueueStep,
)
from callboard.store.trigger_changes import MarkFired, MoveHearing, PutTrigger, RetireTrigger, SwitchTrigger
from callboard.templates.rows import PutTemplate, PutTemplateFiled, PutTemplateVersion


class Ref(msgspec.Struct, frozen=True, gc=False):
    """A fact of the same turn, by its index; the commit puts the position in its place."""

    index: int


Place = Position | Ref
"""A position, known or about to be given."""


# ── state ────────────────────────────────────────────────────────────────────────────────────────────────


class MoveCursor(msgspec.Struct, frozen=True):
    """The bot's inbox is settled up to here. A cursor never goes back."""

    bot: BotName
    position: Place
    subscription: Position | None = None
    """The subscription whose catch-up this cursor belongs to; none for the bot's own stream."""


class RecordDelivery(msgspec.Struct, frozen=True):
    """What became of one message at one bot; said again, it replaces what was said before."""

    bot: BotName
    message: Place
    outcome: str
    """`started`, `handled`, `retrying`, `dead` or `refused`. One that is only started waits still."""
    attempts: int = 1
    next_try_at: datetime | None = None
    """When it is tried again. A `started` one has none while it is under way, and one once it is known that
    the process ended meanwhile."""
    error: str | None = None
    deaths: int = 0
    """How often the process died while this message was being handled."""
    redriven: bool = False
    """It was a dead letter and got fresh attempts; what its handler sends begins at hop 1."""


class SaveMemory(msgspec.Struct, frozen=True):
    """What the bot keeps from one message to the next."""

    bot: BotName
    data: str


class KeepKey(msgspec.Struct, frozen=True):
    """An idempotency key was used; the same key once more refuses its turn with ConstraintViolated."""

    scope: str
    """Who used it, and for what kind of thing: `send:local`."""
    key: str
    digest: str
    """Of what was asked for, so that another wish under the same key can be told from a repeat."""
    about: Place
    """The fact that came of it."""


class KeepLink(msgspec.Struct, frozen=True):
    """A run made a thing that lives elsewhere, or laid hands on it; once for each run.

    That it `created` a thing which another run has created refuses its turn with ConstraintViolated.
    """

    run: str
    workflow: str
    step: str
    system: str
    type: str
    id: str
    how: str
    place: Place
    """The fact that says so."""
    number: int
    """Its place among the links of that fact."""


class AnswerAsk(msgspec.Struct, frozen=True):
    """A reply answers the open wait of its question: the first from whom was asked, if it is in time."""

    question: MessageId
    by: str
    answer: Place


class SettleAnswer(msgspec.Struct, frozen=True):
    """A reply to an ask reaches no handler: its delivery is `handled` if it answered, else `refused`."""

    bot: BotName
    question: MessageId
    answer: Place


class SaveSnapshot(msgspec.Struct, frozen=True):
    """The fold of a stream up to a version, so that rebuilding needs only the tail."""

    stream: StreamId
    version: Version
    revision: int
    """Of the fold that made it: another one ignores it."""
    data: str
    taken_at: datetime


class OpenWait(msgspec.Struct, frozen=True):
    """Something sleeps until an answer comes, or until a time."""

    wait: WaitId
    owner: StreamId
    kind: str
    key: str
    since: Place | None = None
    """From where in the log an answer counts."""
    due_at: datetime | None = None
    data: str = "null"


class AnswerWait(msgspec.Struct, frozen=True):
    """The answer is there; the owner consumes it in its own turn. The first answer wins."""

    wait: WaitId
    answer: Place


class CloseWait(msgspec.Struct, frozen=True):
    """The owner has used the answer, or no longer waits."""

    wait: WaitId
    unanswered: bool = False
    """Only if there is no answer: whoever gives up waiting may find that it has come after all."""


class KeepTimer(msgspec.Struct, frozen=True):
    """Keep this timer: at a time, tell the target. The row stays until the target's own turn drops it."""

    timer: TimerId
    due_at: datetime
    target: StreamId
    kind: str
    data: str = "null"


class DropTimer(msgspec.Struct, frozen=True):
    """The timer has done its work, or is not wanted any more."""

    timer: TimerId


class RecordDecision(msgspec.Struct, frozen=True):
    """Something was looked at to find out where a run goes, and this is what it came to."""

    run: str
    place: Place
    """The event that it belongs to: the one that says what followed, or the first of its turn."""
    number: int
    """Its place among those of the same event, from 0."""
    about: str
    """`edge` or `again`."""
    source: str
    to: str
    expression: str
    result: bool
    reason: str


# ── derived ──────────────────────────────────────────────────────────────────────────────────────────────


class PutBot(msgspec.Struct, frozen=True):
    """The bot is on the board as described."""

    bot: BotName
    kind: str
    description: str
    declared: Position


class RemoveBot(msgspec.Struct, frozen=True):
    """The bot is off the board from a position on."""

    bot: BotName
    removed: Position


class PutChannel(msgspec.Struct, frozen=True):
    """The channel exists."""

    channel: ChannelName
    created: Position


class RemoveChannel(msgspec.Struct, frozen=True):
    """The channel is gone."""

    channel: ChannelName


class BeginSubscription(msgspec.Struct, frozen=True):
    """An interval of listening begins; without effect while one of the same pattern is open."""

    bot: BotName
    pattern: str
    since: Position
    opened: Position
    own: bool = False
    declared: bool = False


class EndSubscription(msgspec.Struct, frozen=True):
    """The open interval of this pattern ends."""

    bot: BotName
    pattern: str
    until: Position


class PutDeadLetter(msgspec.Struct, frozen=True):
    """A dead letter is on the list."""

    letter: Position
    bot: BotName
    reason: str
    message: Position | None
    sender: str
    recipient: str
    type: str
    attempts: int
    error: str


class MarkRedriven(msgspec.Struct, frozen=True):
    """A dead letter was redriven: it is off the list of what waits for somebody."""

    letter: Position
    redriven: Position


class RemoveDeadLetter(msgspec.Struct, frozen=True):
    """A dead letter is off the list."""

    letter: Position


class SketchWorkflow(msgspec.Struct, frozen=True):
    """There is such a workflow, of which nothing runs yet; without effect on one of which something does."""

    workflow: str
    description: str
    owner: str


class PutWorkflow(msgspec.Struct, frozen=True):
    """A run of the workflow that names no version gets this one."""

    workflow: str
    version: int
    description: str
    owner: str


class ArchiveWorkflow(msgspec.Struct, frozen=True):
    """No run of the workflow starts, as the fact at the position says."""

    workflow: str
    archived: Position


class PutDraft(msgspec.Struct, frozen=True):
    """The draft of the workflow is in the fact at the position; None is no draft."""

    workflow: str
    saved: Position | None


class RemoveSketch(msgspec.Struct, frozen=True):
    """The workflow is gone, if it has neither a draft nor a version."""

    workflow: str


class PutFiled(msgspec.Struct, frozen=True):
    """The workflow's file was this version when it last changed."""

    workflow: str
    version: int


class PutVersion(msgspec.Struct, frozen=True):
    """The workflow has this version, too; its text is in the fact at the position."""

    workflow: str
    version: int
    checksum: str
    published: Position


Change = (
    MoveCursor
    | RecordDelivery
    | SaveMemory
    | KeepKey
    | KeepLink
    | AnswerAsk
    | SettleAnswer
    | SaveSnapshot
    | OpenWait
    | AnswerWait
    | CloseWait
    | KeepTimer
    | DropTimer
    | RecordDecision
    | PutBot
    | RemoveBot
    | PutChannel
    | RemoveChannel
    | BeginSubscription
    | EndSubscription
    | PutDeadLetter
    | MarkRedriven
    | RemoveDeadLetter
    | SketchWorkflow
    | PutWorkflow
    | ArchiveWorkflow
    | PutDraft
    | RemoveSketch
    | PutFiled
    | PutVersion
    | PutRun
    | LeavePending
    | AdmitRun
    | MoveRun
    | PutChild
    | QueueStep
    | UnqueueStep
    | BeginAttempt
    | RepeatAttempt
    | MoveAttempt
    | CompleteStep
    | FailAttempt
    | CloseSteps
    | PutTrigger
    | RetireTrigger
    | SwitchTrigger
    | MarkFired
    | MoveHearing
    | PutTemplate
    | PutTemplateVersion
    | PutTemplateFiled
)
