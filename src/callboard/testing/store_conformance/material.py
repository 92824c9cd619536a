"""What the cases of the store's conformance suite are told with: a story's facts, and turns that hold them.

Nothing here is about one adapter or one subject. Tests of adapters use it as well, through
`callboard.testing.store_conformance`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from callboard.facts import fact
from callboard.ids import LOCAL_USER, BotName, StreamId, SystemIds, Version
from callboard.messages import To
from callboard.store.changes import Change
from callboard.store.port import Outcome, Receipt, Store
from callboard.store.turn import Turn

NOON = datetime(2026, 3, 29, 12, 0, 0, 123_456, tzinfo=UTC)
STREAM = StreamId("story:one")
CLERK = BotName("clerk")


@fact("conformance_noted")
class Noted(msgspec.Struct, frozen=True):
    """Something was written down."""

    text: str


@fact("conformance_closed", ends=True)
class Closed(msgspec.Struct, frozen=True):
    """The story is over."""


@fact("conformance_reopened", reopens=True)
class Reopened(msgspec.Struct, frozen=True):
    """It goes on after all."""


def new_turn(at: datetime = NOON, **about: Any) -> Turn:
    """Begin a turn at a given instant."""
    return Turn(at=at, ids=SystemIds(), principal=LOCAL_USER, **about)


def noting(text: str, expected: int, stream: StreamId = STREAM, **about: Any) -> Turn:
    """Return a turn that appends one note to a stream."""
    turn = new_turn(**about)
    turn.append(stream, "story", [Noted(text)], expected=Version(expected))
    return turn


def changing(*changes: Change, **about: Any) -> Turn:
    """Return a turn of row changes alone."""
    turn = new_turn(**about)
    for change in changes:
        turn.change(change)
    return turn


def saying(text: str, *, to: To, at: datetime = NOON, **about: Any) -> Turn:
    """Return a turn that sends one message."""
    turn = new_turn(at, **about)
    turn.send(sender="desk", to=to, type="ticket", body={"text": text})
    return turn


async def commit(store: Store, *turns: Turn) -> list[Receipt]:
    """Commit turns that must all be accepted."""
    receipts = []
    for outcome in await store.commit(turns):
        assert isinstance(outcome, Receipt), outcome
        receipts.append(outcome)
    return receipts


async def refused(store: Store, turn: Turn) -> Outcome:
    """Commit a turn that must be refused; return why."""
    (outcome,) = await store.commit([turn])
    assert not isinstance(outcome, Receipt)
    return outcome
