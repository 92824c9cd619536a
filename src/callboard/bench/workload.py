"""What is written when measuring: turns of three rows, like a bot that handles a message.

One message into the log, one delivery, one cursor: what every handled message costs at the least.
"""

from __future__ import annotations

from datetime import UTC, datetime

from callboard.ids import BotName, SystemIds
from callboard.messages import To
from callboard.store.changes import MoveCursor, RecordDelivery
from callboard.store.turn import Turn

BODY = {"text": "the lamp in the second row is broken", "row": 2, "urgent": False}


def fill(turn: Turn, bot: BotName) -> Turn:
    """Put the three rows into a turn."""
    ref, _ = turn.send(sender=bot, to=To("bot", bot), type="ticket", body=BODY)
    turn.change(RecordDelivery(bot, ref, "handled"))
    turn.change(MoveCursor(bot, ref))
    return turn


def fresh(bot: BotName) -> Turn:
    """Return a filled turn without a house around it."""
    return fill(Turn(at=datetime.now(UTC), ids=SystemIds()), bot)
