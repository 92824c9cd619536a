"""The rows of what a run has asked: one in `waits` for each question, under the question's own id.

So a reply finds its row by what it replies to, and whoever answers resolves it in his own turn. So does a bot
that gives the question up: the row is then answered by the fact of the dead letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import msgspec

from callboard.company.asking import ASK
from callboard.facts import encode
from callboard.ids import StreamId, WaitId
from callboard.outcome import Wait
from callboard.steps.ask import Asked
from callboard.store.changes import CloseWait, OpenWait


class Questioned(msgspec.Struct, frozen=True):
    """What the row of a question keeps."""

    run: str
    step: str
    asked: str
    """Who alone may answer: the statement that resolves the row looks at it."""


def questions(wait: Wait | None) -> dict[str, str]:
    """Return the ids of the questions that are open with a wait, by the bot that was asked."""
    if wait is None or wait.what != "answer":
        return {}
    return msgspec.convert(wait.data, Asked).questions


def opened(run: str, owner: StreamId, step: str, wait: Wait) -> Iterator[OpenWait]:
    """Give each question its row."""
    for bot, name in questions(wait).items():
        kept = encode(Questioned(run, step, bot))
        yield OpenWait(WaitId(UUID(name)), owner, ASK, name, None, wait.until, kept)


def closed(wait: Wait | None) -> Iterator[CloseWait]:
    """Take the rows away again: what is answered from now on comes too late."""
    for name in questions(wait).values():
        yield CloseWait(WaitId(UUID(name)))
