"""The desk: takes tickets from a channel, asks the specialist, and publishes what it was told.

It shows a subscription, an ask, a publication and a memory, all in one turn: the ticket is handled, counted
and published, or nothing of it is.

    callboard send '#tickets.new' '{"thing": "lamp"}' --type ticket
    callboard ask desk '{}' --type how-many
"""

from __future__ import annotations

from callboard import Body, Bot, Memory, Turn, on


class Ticket(Body):
    """Something is broken."""

    thing: str


class Advice(Body):
    """What to do about it."""

    thing: str
    text: str


class HowMany(Body):
    """Asks what was counted."""


class Count(Body):
    """What was counted."""

    taken: int
    things: dict[str, int]


class Counts(Memory):
    """What the desk remembers."""

    taken: int = 0
    things: dict[str, int] = {}


class Desk(Bot):
    """Takes tickets and asks the specialist about them."""

    subscribes = ("tickets.new",)
    memory: Counts

    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        """Ask, count and publish."""
        advice = await turn.ask("specialist", ticket, Advice)
        self.memory.taken += 1
        self.memory.things[ticket.thing] = self.memory.things.get(ticket.thing, 0) + 1
        turn.publish("tickets.done", advice)

    @on(HowMany)
    async def tell(self, _question: HowMany, _turn: Turn) -> Count:
        """Say what was counted."""
        return Count(self.memory.taken, self.memory.things)
