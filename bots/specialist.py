"""The specialist: is asked about a thing, and answers from a small table.

It keeps nothing, so the same question has the same answer, whoever asks.

    callboard ask specialist '{"thing": "lamp"}' --type ticket
    callboard ask specialist 'my lamp is dark'
"""

from __future__ import annotations

from callboard import Body, Bot, Turn, on

KNOWN = {
    "lamp": "Change the bulb.",
    "door": "Oil the hinges.",
    "curtain": "Pull the other cord.",
}


class Ticket(Body):
    """Something is broken."""

    thing: str


class Advice(Body):
    """What to do about it."""

    thing: str
    text: str


class Text(Body):
    """What a person types."""

    text: str


class Specialist(Bot):
    """Knows what to do about lamps, doors and curtains."""

    @on(Ticket)
    async def advise(self, ticket: Ticket, _turn: Turn) -> Advice:
        """Look it up; a returned body is the answer."""
        return Advice(ticket.thing, KNOWN.get(ticket.thing, "Ask the stage manager."))

    @on(Text)
    async def chat(self, text: Text, _turn: Turn) -> Text:
        """Answer a person, who writes more than one word."""
        found = [KNOWN[word] for word in text.text.lower().split() if word in KNOWN]
        return Text(" ".join(found) or f"I know about {', '.join(KNOWN)}.")
