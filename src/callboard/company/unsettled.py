"""What a bot outside has still to handle, in the order in which it is served: part by part.

The parts are the catch-ups, oldest first, and then the bot's own stream. Positions grow within a part, not
from one part to the next, so "up to P" means: all parts before that of P, and its own part up to P.

A message may lie in several parts at once, since subscriptions overlap. It is served in the first of them;
once it is settled, its delivery row takes it out of all.
"""

from __future__ import annotations

import msgspec

from callboard.company.board import Line
from callboard.facts.membership import matches
from callboard.ids import Position
from callboard.messages import Message
from callboard.store.boardrows import InboxPage, Subscription
from callboard.store.port import Store

PartKey = Position | None
"""The position at which the subscription of a catch-up was opened; None is the bot's own stream."""


class Part(msgspec.Struct, frozen=True):
    """One catch-up, or the bot's own stream, and up to where it is settled."""

    key: PartKey
    cursor: Position
    of: Subscription | None = None

    def covers(self, message: Message) -> bool:
        """Tell whether a message is this catch-up's to give; settled or not."""
        one = self.of
        return (
            one is not None
            and message.to.kind == "channel"
            and one.since < message.position < one.opened
            and matches(one.pattern, message.to.name)
            and (one.own or message.sender != one.bot)
        )


async def parts_of(store: Store, line: Line) -> list[Part]:
    """Return the parts of an inbox, in order; the last is the bot's own stream."""
    cursor = await store.cursor(line.name)
    found = [
        Part(behind.subscription.opened, behind.cursor, behind.subscription)
        for behind in await store.catch_ups(line.name)
    ]
    return [*found, Part(None, line.declared if cursor is None else cursor)]


async def page_of(store: Store, line: Line, part: Part, after: Position, limit: int) -> InboxPage:
    """Return what of a part is not settled, past a position."""
    if part.key is None:
        return await store.inbox(line.name, after, limit)
    return await store.catch_up(part.key, after, limit)


async def find_in(store: Store, line: Line, part: Part, position: Position) -> Message | None:
    """Return the message at a position if it is in a part and not settled."""
    page = await page_of(store, line, part, Position(position - 1), 1)
    found = page.messages[0] if page.messages else None
    return found if found is not None and found.position == position else None
