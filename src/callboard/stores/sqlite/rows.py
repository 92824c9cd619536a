"""Between the domain and rows: how each change, fact and time is laid out in SQLite.

`STATEMENTS` is the whole knowledge of how a `Change` becomes true: its statement, and its parameters in
order. A change that is not in this table cannot be committed, and a test holds the table complete.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from callboard import facts
from callboard.errors import ConstraintViolated
from callboard.messages import Message, To
from callboard.store import changes as c
from callboard.store import run_changes as of_runs
from callboard.store import trigger_changes as of_triggers
from callboard.store.boardrows import Delivery, Event, LogEntry, Subscription, Timer, Wait
from callboard.store.changes import Change, Place, Ref
from callboard.stores.sqlite.queries import QUERIES, Row
from callboard.templates import rows as of_templates

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Return an instant as it is stored."""
    return (at - EPOCH) // MICROSECOND


def instant(stored: int) -> datetime:
    """Return a stored instant; of one that no clock shows, the nearest that one does."""
    try:
        return EPOCH + timedelta(microseconds=stored)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if stored > 0 else datetime.min.replace(tzinfo=UTC)


def _stored(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _instant(stored: int | None) -> datetime | None:
    return None if stored is None else instant(stored)


class Within:
    """What a change is laid out within: its turn's tenant and time, and the positions of the turn's facts."""

    __slots__ = ("at", "first", "tenant", "until")

    def __init__(self, tenant: str, at: int, first: int, count: int) -> None:
        self.tenant = tenant
        self.at = at
        self.first = first
        self.until = first + count

    def position(self, place: Place | None) -> int | None:
        """Return a position; that of a fact of this very turn is known only here.

        One that is not in the log yet is refused: a cursor there would pass over what is still to come.
        """
        if place is None:
            return None
        if isinstance(place, Ref):
            position, begin, end = self.first + place.index, self.first, self.until
        else:
            position, begin, end = place, 0, self.first
        if not begin <= position < end:
            msg = f"Position {position} is not in the log, or is no fact of this turn that refers to it."
            raise ConstraintViolated(msg, position=position)
        return position


Layout = Callable[[Any, Within], Row]


def _begun(x: of_runs.BeginAttempt, w: Within) -> Row:
    opened = int(x.open)
    return (w.tenant, x.run, x.step, x.iteration, x.attempt, x.status, opened, x.began, x.began, x.last)


def _repeated(x: of_runs.RepeatAttempt, w: Within) -> Row:
    return (w.tenant, x.run, x.step, x.iteration, x.attempt, x.status, int(x.open), x.began, x.last)


STATEMENTS: dict[type[Change], tuple[str, Layout]] = {
    c.MoveCursor: (
        QUERIES.move_cursor,
        lambda x, w: (w.tenant, x.bot, x.subscription or 0, w.position(x.position), w.at),
    ),
    c.RecordDelivery: (
        QUERIES.record_delivery,
        lambda x, w: (
            *(w.tenant, w.position(x.message), x.bot, x.outcome, x.attempts, w.at),
            *(_stored(x.next_try_at), x.error, x.deaths, int(x.redriven)),
        ),
    ),
    c.SaveMemory: (QUERIES.save_memory, lambda x, w: (w.tenant, x.bot, x.data, w.at)),
    c.KeepKey: (
        QUERIES.keep_key,
        lambda x, w: (w.tenant, x.scope, x.key, x.digest, w.position(x.about), w.at),
    ),
    c.KeepLink: (
        QUERIES.keep_link,
        lambda x, w: (
            *(w.tenant, x.system, x.type, x.id, x.run, x.how, x.workflow, x.step),
            *(w.position(x.place), x.number, w.at),
        ),
    ),
    c.AnswerAsk: (
        QUERIES.answer_ask,
        lambda x, w: (w.tenant, str(x.question), x.by, w.position(x.answer), w.at),
    ),
    c.SettleAnswer: (
        QUERIES.settle_answer,
        lambda x, w: (w.tenant, w.position(x.answer), x.bot, str(x.question), w.at),
    ),
    c.SaveSnapshot: (
        QUERIES.save_snapshot,
        lambda x, w: (w.tenant, x.stream, x.version, x.revision, x.data, microseconds(x.taken_at)),
    ),
    c.OpenWait: (
        QUERIES.open_wait,
        lambda x, w: (
            *(str(x.wait), w.tenant, x.owner, x.kind, x.key),
            *(w.position(x.since), _stored(x.due_at), x.data),
        ),
    ),
    c.AnswerWait: (QUERIES.answer_wait, lambda x, w: (str(x.wait), w.tenant, w.position(x.answer))),
    c.CloseWait: (QUERIES.close_wait, lambda x, w: (str(x.wait), w.tenant, x.unanswered)),
    c.KeepTimer: (
        QUERIES.set_timer,
        lambda x, w: (str(x.timer), w.tenant, microseconds(x.due_at), x.target, x.kind, x.data),
    ),
    c.DropTimer: (QUERIES.drop_timer, lambda x, w: (str(x.timer), w.tenant)),
    c.PutBot: (QUERIES.put_bot, lambda x, w: (w.tenant, x.bot, x.kind, x.description, x.declared)),
    c.RemoveBot: (QUERIES.remove_bot, lambda x, w: (w.tenant, x.bot, x.removed)),
    c.PutChannel: (QUERIES.put_channel, lambda x, w: (w.tenant, x.channel, x.created)),
    c.RemoveChannel: (QUERIES.remove_channel, lambda x, w: (w.tenant, x.channel)),
    c.BeginSubscription: (
        QUERIES.begin_subscription,
        lambda x, w: (x.opened, w.tenant, x.bot, x.pattern, x.since, int(x.own), int(x.declared)),
    ),
    c.EndSubscription: (QUERIES.end_subscription, lambda x, w: (w.tenant, x.bot, x.pattern, x.until)),
    c.PutDeadLetter: (
        QUERIES.put_dead_letter,
        lambda x, w: (
            *(x.letter, w.tenant, x.bot, x.reason, x.message, x.sender, x.recipient, x.type),
            *(x.attempts, x.error),
        ),
    ),
    c.MarkRedriven: (QUERIES.mark_redriven, lambda x, w: (w.tenant, x.letter, x.redriven)),
    c.RemoveDeadLetter: (QUERIES.remove_dead_letter, lambda x, w: (w.tenant, x.letter)),
    c.RecordDecision: (
        QUERIES.record_decision,
        lambda x, w: (
            *(w.position(x.place), x.number, w.tenant, x.run, x.about, x.source, x.to, x.expression),
            *(int(x.result), x.reason, w.at),
        ),
    ),
    c.PutWorkflow: (
        QUERIES.put_workflow,
        lambda x, w: (w.tenant, x.workflow, x.version, x.description, x.owner),
    ),
    c.SketchWorkflow: (
        QUERIES.sketch_workflow,
        lambda x, w: (w.tenant, x.workflow, x.description, x.owner),
    ),
    c.ArchiveWorkflow: (QUERIES.archive_workflow, lambda x, w: (w.tenant, x.workflow, x.archived)),
    c.PutDraft: (QUERIES.put_draft, lambda x, w: (w.tenant, x.workflow, x.saved)),
    c.RemoveSketch: (QUERIES.remove_sketch, lambda x, w: (w.tenant, x.workflow)),
    c.PutFiled: (QUERIES.put_filed, lambda x, w: (w.tenant, x.workflow, x.version)),
    c.PutVersion: (
        QUERIES.put_version,
        lambda x, w: (w.tenant, x.workflow, x.version, x.checksum, x.published),
    ),
    of_runs.PutRun: (
        QUERIES.put_run,
        lambda x, w: (
            *(x.started, w.tenant, x.run, x.workflow, x.version, x.status, x.paused_by, x.principal),
            *(microseconds(x.started_at), _stored(x.ended_at), x.changed, x.forked_from, x.path, x.item),
            *(x.crowd, x.places, int(x.queued)),
        ),
    ),
    of_runs.AdmitRun: (QUERIES.admit_run, lambda x, w: (w.tenant, x.run)),
    of_runs.LeavePending: (QUERIES.leave_pending, lambda x, w: (w.tenant, x.run, x.changed)),
    of_runs.MoveRun: (
        QUERIES.move_run,
        lambda x, w: (w.tenant, x.run, x.status, x.paused_by, _stored(x.ended_at), x.changed),
    ),
    of_runs.PutChild: (QUERIES.put_child, lambda x, w: (w.tenant, x.child, x.parent, x.step, x.started)),
    of_runs.QueueStep: (QUERIES.queue_step, lambda x, w: (w.tenant, x.run, x.step, x.queued)),
    of_runs.UnqueueStep: (QUERIES.unqueue_step, lambda x, w: (w.tenant, x.run, x.step)),
    of_runs.BeginAttempt: (QUERIES.begin_attempt, _begun),
    of_runs.RepeatAttempt: (QUERIES.repeat_attempt, _repeated),
    of_runs.MoveAttempt: (
        QUERIES.move_attempt,
        lambda x, w: (w.tenant, x.run, x.step, x.iteration, x.attempt, x.status, x.last),
    ),
    of_runs.CompleteStep: (
        QUERIES.complete_step,
        lambda x, w: (w.tenant, x.run, x.step, x.attempt, x.last),
    ),
    of_runs.FailAttempt: (
        QUERIES.fail_attempt,
        lambda x, w: (w.tenant, x.run, x.step, x.iteration, x.attempt, x.last),
    ),
    of_runs.CloseSteps: (
        QUERIES.close_steps,
        lambda x, w: (w.tenant, x.run, facts.encode(x.steps), x.last),
    ),
    of_triggers.PutTrigger: (
        QUERIES.put_trigger,
        lambda x, w: (w.tenant, x.trigger, x.workflow, x.kind, x.about, x.since),
    ),
    of_triggers.RetireTrigger: (QUERIES.retire_trigger, lambda x, w: (w.tenant, x.trigger)),
    of_triggers.SwitchTrigger: (
        QUERIES.switch_trigger,
        lambda x, w: (w.tenant, x.trigger, int(x.enabled), x.since),
    ),
    of_triggers.MarkFired: (QUERIES.mark_fired, lambda x, w: (w.tenant, x.trigger, x.fired)),
    of_triggers.MoveHearing: (QUERIES.move_hearing, lambda x, w: (w.tenant, w.position(x.position))),
    of_templates.PutTemplate: (
        QUERIES.put_template,
        lambda x, w: (w.tenant, x.template, x.kind, x.version, x.description),
    ),
    of_templates.PutTemplateVersion: (
        QUERIES.put_template_version,
        lambda x, w: (w.tenant, x.template, x.version, x.checksum, x.published),
    ),
    of_templates.PutTemplateFiled: (
        QUERIES.put_template_filed,
        lambda x, w: (w.tenant, x.template, x.version),
    ),
}


EVENT_DATA = 10
"""The column of an event that holds its fact."""


def event(row: Row) -> Event:
    """Return an event, its fact in today's shape."""
    position, cause, tenant, principal, stream, kind, version, id_, type_, revision, data, about, at = row
    return Event(
        position=position,
        cause=cause,
        tenant=tenant,
        principal=principal,
        stream=stream,
        stream_type=kind,
        version=version,
        id=UUID(id_),  # type: ignore[arg-type]  # NewTypes of stored columns are given here, once
        type=type_,
        fact=facts.read(type_, revision, data),
        metadata=msgspec.json.decode(about),
        at=instant(at),
    )


def message(row: Row) -> Message:
    """Return a message."""
    return Message(
        position=row[0],
        cause=row[1],
        tenant=row[2],
        principal=row[3],
        id=UUID(row[4]),  # type: ignore[arg-type]
        sender=row[5],
        to=To(row[6], row[7]),
        type=row[8],
        json=row[9],
        headers=msgspec.json.decode(row[10]),
        reply_to=None if row[11] is None else UUID(row[11]),  # type: ignore[arg-type]
        conversation=row[12],
        hops=row[13],
        at=instant(row[14]),
        asks=bool(row[15]),
    )


def log_entry(row: Row) -> LogEntry:
    """Return any fact in the log's own shape."""
    position, cause, kind, tenant, principal, at, subject, type_, data = row
    return LogEntry(
        position, cause, kind, tenant, principal, instant(at), subject, type_, msgspec.Raw(data.encode())
    )


def delivery(row: Row) -> Delivery:
    """Return what became of a message at a bot."""
    bot, about, outcome, attempts, first_at, last_at, next_try_at, error, deaths, redriven = row
    return Delivery(
        *(bot, about, outcome, attempts),
        *(instant(first_at), instant(last_at), _instant(next_try_at), error),
        deaths=deaths,
        redriven=bool(redriven),
    )


def subscription(row: Row) -> Subscription:
    """Return an interval of listening."""
    opened, bot, pattern, since, until, own, declared = row
    return Subscription(opened, bot, pattern, since, until, bool(own), bool(declared))


def wait(row: Row) -> Wait:
    """Return what somebody waits for."""
    id_, tenant, owner, kind, key, since, due_at, answer, data = row
    return Wait(
        *(UUID(id_), tenant, owner, kind, key, since),  # type: ignore[arg-type]
        *(_instant(due_at), answer, msgspec.Raw(data.encode())),
    )


def timer(row: Row) -> Timer:
    """Return what is due at a time."""
    id_, tenant, due_at, target, kind, data = row
    return Timer(UUID(id_), tenant, instant(due_at), target, kind, msgspec.Raw(data.encode()))  # type: ignore[arg-type]
