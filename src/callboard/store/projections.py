"""Projections: from a fact to the derived rows that follow from it.

`project(fact, position, stream)` is pure, and it is the only place that says what a derived row holds: the
store calls it for each event of the log when projections are rebuilt, and `project_all` for those that are
committed together. So the two can only differ if a row was altered by other means, which a test and
`callboard doctor` look for. The rows of runs are in `run_projections.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from callboard.facts import registered
from callboard.facts.membership import (
    BotDeclared,
    BotRemoved,
    ChannelCreated,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
)
from callboard.facts.mishaps import DeadLettered, DeadLetterPurged, DeadLetterRedriven
from callboard.facts.publishing import (
    DraftDropped,
    DraftSaved,
    FileTaken,
    VersionActivated,
    WorkflowArchived,
    WorkflowPublished,
    WorkflowReactivated,
)
from callboard.facts.triggering import (
    TriggerDisabled,
    TriggerEnabled,
    TriggerFired,
    TriggerRetired,
    TriggerSet,
)
from callboard.ids import Position, StreamId
from callboard.store.changes import (
    ArchiveWorkflow,
    BeginSubscription,
    Change,
    EndSubscription,
    MarkRedriven,
    PutBot,
    PutChannel,
    PutDeadLetter,
    PutDraft,
    PutFiled,
    PutVersion,
    PutWorkflow,
    RemoveBot,
    RemoveChannel,
    RemoveDeadLetter,
    RemoveSketch,
    SketchWorkflow,
)
from callboard.store.run_projections import RUN_PROJECTIONS, handed_on, net
from callboard.store.trigger_changes import MarkFired, PutTrigger, RetireTrigger, SwitchTrigger
from callboard.templates.publishing import TemplateActivated, TemplatePublished, TemplateTaken
from callboard.templates.rows import PutTemplate, PutTemplateFiled, PutTemplateVersion

DERIVED_TABLES = (
    *("bots", "bot_channels", "bot_subscriptions", "dead_letters"),
    *("workflow_queue", "workflow_steps", "workflow_children", "workflow_runs"),
    *("workflow_versions", "workflows", "triggers", "template_versions", "templates"),
)
"""What a rebuild empties and fills again: tables that refer to another one come before it."""

RUN = "run:"
"""What the streams of runs begin with."""


def _declared(fact: BotDeclared, position: Position) -> Change:
    return PutBot(fact.bot, fact.kind, fact.description, position)


def _removed(fact: BotRemoved, position: Position) -> Change:
    return RemoveBot(fact.bot, position)


def _created(fact: ChannelCreated, position: Position) -> Change:
    return PutChannel(fact.channel, position)


def _deleted(fact: ChannelDeleted, _position: Position) -> Change:
    return RemoveChannel(fact.channel)


def _subscribed(fact: Subscribed, position: Position) -> Change:
    since = position if fact.since is None else fact.since
    return BeginSubscription(fact.bot, fact.pattern, since, position, fact.own, fact.declared)


def _unsubscribed(fact: Unsubscribed, position: Position) -> Change:
    return EndSubscription(fact.bot, fact.pattern, position)


def _dead(fact: DeadLettered, position: Position) -> Change:
    return PutDeadLetter(
        *(position, fact.bot, fact.reason, fact.message, fact.sender),
        *(str(fact.to), fact.type, fact.attempts, fact.error),
    )


def _redriven(fact: DeadLetterRedriven, position: Position) -> Change:
    return MarkRedriven(fact.letter, position)


def _purged(fact: DeadLetterPurged, _position: Position) -> Change:
    return RemoveDeadLetter(fact.letter)


def _published(fact: WorkflowPublished, position: Position) -> Change:
    if fact.active:
        return _activated(fact, position)
    return SketchWorkflow(fact.name, fact.description, fact.owner)


def _activated(
    fact: WorkflowPublished | VersionActivated | WorkflowReactivated, _position: Position
) -> Change:
    return PutWorkflow(fact.name, fact.version, fact.description, fact.owner)


def _archived(fact: WorkflowArchived, position: Position) -> Change:
    return ArchiveWorkflow(fact.name, position)


def _sketched(fact: DraftSaved, _position: Position) -> Change:
    return SketchWorkflow(fact.name, fact.description, fact.owner)


def _drafted(fact: DraftSaved, position: Position) -> Change:
    return PutDraft(fact.name, position)


def _undrafted(fact: DraftDropped, _position: Position) -> Change:
    return PutDraft(fact.name, None)


def _unsketched(fact: DraftDropped, _position: Position) -> Change:
    return RemoveSketch(fact.name)


def _filed(fact: FileTaken, _position: Position) -> Change:
    return PutFiled(fact.name, fact.version)


def _versioned(fact: WorkflowPublished, position: Position) -> Change:
    return PutVersion(fact.name, fact.version, fact.checksum, position)


def _trigger_set(fact: TriggerSet, _position: Position) -> Change:
    return PutTrigger(fact.trigger, fact.workflow, fact.kind, fact.about, fact.since)


def _trigger_retired(fact: TriggerRetired, _position: Position) -> Change:
    return RetireTrigger(fact.trigger)


def _trigger_enabled(fact: TriggerEnabled, position: Position) -> Change:
    return SwitchTrigger(fact.trigger, enabled=True, since=position)


def _trigger_disabled(fact: TriggerDisabled, position: Position) -> Change:
    return SwitchTrigger(fact.trigger, enabled=False, since=position)


def _trigger_fired(fact: TriggerFired, position: Position) -> Change:
    return MarkFired(fact.trigger, position)


def _template(fact: TemplatePublished | TemplateActivated, _position: Position) -> Change:
    return PutTemplate(fact.name, fact.kind, fact.version, fact.description)


def _template_versioned(fact: TemplatePublished, position: Position) -> Change:
    return PutTemplateVersion(fact.name, fact.version, fact.checksum, position)


def _template_filed(fact: TemplateTaken, _position: Position) -> Change:
    return PutTemplateFiled(fact.name, fact.version)


_PROJECTIONS: dict[type, tuple[Callable[[Any, Position], Change], ...]] = {
    BotDeclared: (_declared,),
    BotRemoved: (_removed,),
    ChannelCreated: (_created,),
    ChannelDeleted: (_deleted,),
    Subscribed: (_subscribed,),
    Unsubscribed: (_unsubscribed,),
    DeadLettered: (_dead,),
    DeadLetterRedriven: (_redriven,),
    DeadLetterPurged: (_purged,),
    WorkflowPublished: (_published, _versioned),
    VersionActivated: (_activated,),
    WorkflowArchived: (_archived,),
    WorkflowReactivated: (_activated,),
    DraftSaved: (_sketched, _drafted),
    DraftDropped: (_undrafted, _unsketched),
    FileTaken: (_filed,),
    TriggerSet: (_trigger_set,),
    TriggerRetired: (_trigger_retired,),
    TriggerEnabled: (_trigger_enabled,),
    TriggerDisabled: (_trigger_disabled,),
    TriggerFired: (_trigger_fired,),
    TemplatePublished: (_template, _template_versioned),
    TemplateActivated: (_template,),
    TemplateTaken: (_template_filed,),
}


PROJECTED = frozenset(registered(shape).name for shape in (*_PROJECTIONS, *RUN_PROJECTIONS))
"""The names of the facts that derived rows follow from; a rebuild need not even decode the others."""


def project(fact: object, position: Position, stream: StreamId) -> Sequence[Change]:
    """Return the derived row changes that follow from a fact at a position of the log."""
    of_a_run = RUN_PROJECTIONS.get(type(fact))
    if of_a_run is not None:
        return of_a_run(fact, position, stream[len(RUN) :]) if stream.startswith(RUN) else ()
    return [projection(fact, position) for projection in _PROJECTIONS.get(type(fact), ())]


def project_all(facts: Sequence[object], first: Position, stream: StreamId) -> Sequence[Change]:
    """Return changes that make the same rows as `project` of each fact; they were appended at once."""
    if len(facts) == 1:
        return project(facts[0], first, stream)
    of_a_run = stream.startswith(RUN)
    passed_on = handed_on(facts, first, stream[len(RUN) :]) if of_a_run else None
    if passed_on is not None:
        return passed_on
    found: list[Change] = []
    for number, fact in enumerate(facts):
        found += project(fact, Position(first + number), stream)
    return net(found) if of_a_run else found
