"""Facts of what went wrong with messages: deliveries that failed, and dead letters.

All stand in the stream of the bot that they concern: the one that could not handle a message, or the one that
sent what went too far. A dead letter is known by the position of its fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from callboard.facts import fact
from callboard.ids import BotName, MessageId, Position
from callboard.messages import To

Reason = Literal[
    "FAILED",  # as often as it was tried, its handler raised
    "BODY_INVALID",  # its body is not what the handler takes
    "NO_HANDLER",  # the bot has no handler for its type
    "ASK_CHANGED",  # on a retry the handler asked something else
    "HOP_LIMIT",  # too many messages followed one from another; this one was not sent
    "KILLED_PROCESS",  # three times the process died while it was handled
    "REMOVED",  # the bot was taken off the board before it handled it
    "EXPIRED",  # the bot was absent, or behind, for too long
    "RECIPIENT_GONE",  # when a delayed message was due, nobody of that name was on the board
]


@fact("delivery_failed")
class DeliveryFailed(msgspec.Struct, frozen=True):
    """One attempt to handle a message failed; it is tried again."""

    bot: BotName
    message: Position
    attempt: int
    error: str
    traceback: str | None = None


@fact("dead_lettered")
class DeadLettered(msgspec.Struct, frozen=True):
    """A message will not be handled, unless somebody redrives it."""

    bot: BotName
    reason: Reason
    error: str
    message: Position | None
    """Where it stands in the log; None if it was never sent, and what follows is all there is of it."""
    message_id: MessageId
    sender: str
    to: To
    type: str
    attempts: int = 0
    traceback: str | None = None
    json: str | None = None
    headers: Mapping[str, str] = {}
    conversation: str | None = None


@fact("dead_letter_redriven")
class DeadLetterRedriven(msgspec.Struct, frozen=True):
    """Somebody had a dead letter tried again."""

    bot: BotName
    letter: Position


@fact("dead_letter_purged")
class DeadLetterPurged(msgspec.Struct, frozen=True):
    """Somebody took a dead letter off the list; it stays in the log."""

    bot: BotName
    letter: Position
