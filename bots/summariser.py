"""The summariser: hears all that is said of tickets, and publishes a summary of it on a schedule.

It shows a pattern (`tickets.*`), a handler for everything (`@otherwise`) and one on a schedule (`@every`).
What it counted is cleared in the turn that publishes it, so nothing is told twice and nothing is left out.

    callboard audit '#summaries'
"""

from __future__ import annotations

from callboard import Body, Bot, Memory, Message, Turn, every, otherwise


class Summary(Body):
    """How many messages were heard on each channel since the last summary."""

    heard: dict[str, int]


class Heard(Memory):
    """What the summariser has heard since it last published."""

    channels: dict[str, int] = {}


class Summariser(Bot):
    """Counts what is said on tickets.*, and publishes a summary each minute."""

    subscribes = ("tickets.*",)
    memory: Heard

    @otherwise
    async def hear(self, message: Message, _turn: Turn) -> None:
        """Count it, whatever it says."""
        channel = message.to.name
        self.memory.channels[channel] = self.memory.channels.get(channel, 0) + 1

    @every("1m")
    async def publish(self, turn: Turn) -> None:
        """Publish what was heard; say nothing when there was nothing."""
        if self.memory.channels:
            turn.publish("summaries", Summary(self.memory.channels))
            self.memory.channels = {}
