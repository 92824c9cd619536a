"""The greeter: a bot that greets whoever writes, and counts its guests.

    callboard ask greeter Ada
    callboard chat greeter

After a change say `callboard bots reload`.
"""

from __future__ import annotations

from callboard import Body, Bot, Memory, Turn, on


class Text(Body):
    """What somebody types."""

    text: str


class Greeted(Memory):
    """What the greeter remembers, also after a crash."""

    so_far: int = 0


class Greeter(Bot):
    """Greets whoever writes."""

    memory: Greeted

    @on(Text)
    async def greet(self, text: Text, _turn: Turn) -> Text:
        """Count, and answer: both become true together, or neither does."""
        self.memory.so_far += 1
        return Text(f"Good evening, {text.text}. You are guest {self.memory.so_far}.")
