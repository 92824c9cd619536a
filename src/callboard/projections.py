"""Projections: from a fact to the derived rows that follow from it.

`project(event)` is pure, and it is the only place that says what a derived row holds: the store calls it for
each event as it is committed, and again for every event of the log when projections are rebuilt. So the two
can only differ if a row was altered by other means, which a test and `callboard doctor` look for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.changes import (
    BeginSubscription,
    Change,
    EndSubscription,
    MarkRedriven,
    PutBot,
    PutChannel,
    PutDeadLetter,
    RemoveBot,
    RemoveChannel,
    RemoveDeadLetter,
)
from callboard.facts import registered
from callboard.ids import Position
from callboard.membership import (
    BotDeclared,
    BotRemoved,
    ChannelCreated,
    ChannelDeleted,
    Subscribed,
    Unsubscribed,
)
from callboard.mishaps import DeadLettered, DeadLetterPurged, DeadLetterRedriven

DERIVED_TABLES = ("bots", "bot_channels", "bot_subscriptions", "dead_letters")
"""What a rebuild empties and fills again."""


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


_PROJECTIONS: dict[type, Callable[[Any, Position], Change]] = {
    BotDeclared: _declared,
    BotRemoved: _removed,
    ChannelCreated: _created,
    ChannelDeleted: _deleted,
    Subscribed: _subscribed,
    Unsubscribed: _unsubscribed,
    DeadLettered: _dead,
    DeadLetterRedriven: _redriven,
    DeadLetterPurged: _purged,
}


PROJECTED = frozenset(registered(shape).name for shape in _PROJECTIONS)
"""The names of the facts that derived rows follow from; a rebuild need not even decode the others."""


def project(fact: object, position: Position) -> Change | None:
    """Return the derived row change that follows from a fact at a position, if there is one."""
    projection = _PROJECTIONS.get(type(fact))
    return None if projection is None else projection(fact, position)
