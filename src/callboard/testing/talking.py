"""What a test says to the bots of a house; the same on a stage and in a simulation."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from callboard.authoring.bot import Bot, Settings, body_of, decode_body, shape_of
from callboard.authoring.handling import seconds
from callboard.authoring.terms import Terms, terms_of
from callboard.company.bus import Bus, Sent
from callboard.errors import BadInput
from callboard.messages import Body, To
from callboard.testing.looking import Looking

A = TypeVar("A", bound=Body)
T = TypeVar("T")

LOCAL = "local"
"""Who speaks to the bots, unless a test says otherwise: the name that the command line has."""

MESSAGE_BYTES = 256 << 10


class Talking(Looking):
    """Speaking, and looking; whoever has a bus and a store can do both."""

    bus: Bus
    """What else can be done: subscribe, unsubscribe, redrive, purge, list."""

    async def _through(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait until something is done, with time passing."""
        return await work

    async def send(
        self,
        to: str,
        body: Body | Mapping[str, Any],
        *,
        type: str | None = None,  # noqa: A002 - the word of the domain, on the wire and in the log
        sender: str = LOCAL,
        after: str | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Sent:
        """Send to a bot, or publish on a '#channel'; it returns when the message is in the log."""
        name, json = body_of(body, type)
        return await self.bus.send(
            sender=sender,
            to=To.channel(to[1:]) if to.startswith("#") else To.bot(to),
            type=name,
            json=json,
            headers=headers,
            after=0.0 if after is None else seconds("after", after),
            key=key,
        )

    async def publish(
        self,
        channel: str,
        body: Body | Mapping[str, Any],
        *,
        type: str | None = None,  # noqa: A002 - as above
        sender: str = LOCAL,
        after: str | None = None,
        key: str | None = None,
    ) -> Sent:
        """Publish on a channel."""
        to = f"#{channel.removeprefix('#')}"
        return await self.send(to, body, type=type, sender=sender, after=after, key=key)

    async def ask(
        self,
        bot: str,
        question: Body | Mapping[str, Any],
        answer: type[A],
        *,
        type: str | None = None,  # noqa: A002 - as above
        sender: str = LOCAL,
        timeout: str = "30s",
    ) -> A:
        """Ask a bot and return its answer. Raises AskTimeout, and BodyInvalid if the answer is another."""
        name, json = body_of(question, type)
        pause = seconds("timeout", timeout)
        asking = self.bus.ask(sender=sender, to=To.bot(bot), type=name, json=json, seconds=pause)
        return decode_body(await self._through(asking), answer)


def terms_with(bot: type[Bot], given: Settings | None) -> Terms:
    """Return the terms of a bot's class, with what an operator would say in its settings."""
    shape = shape_of(bot)
    terms = terms_of(bot, shape)
    if given is None:
        return terms
    if shape.settings is None or not isinstance(given, shape.settings):
        takes = "no settings" if shape.settings is None else shape.settings.__name__
        raise BadInput(f"{bot.__qualname__} takes {takes}, not {type(given).__name__}.")
    return msgspec.structs.replace(terms, settings=given)
