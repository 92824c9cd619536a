"""The four exchanges on autogen-core: agents in memory, on its SingleThreadedAgentRuntime.

Used as its documentation advises: agents are `RoutedAgent`s with typed handlers; one to one is
`send_message`, whose response says that the handler is done; one to many is `publish_message` to a topic,
with one subscription for each agent type. Nothing is stored, and nothing survives the process.

Messages may be dataclasses or pydantic models. They are models here: the runtime writes each message as JSON
for its event log at every stage, listened to or not, and models are faster at that (by a tenth to a third).
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

# The project checks types without the peers; with them, these are no errors, hence the `unused-ignore`.
from autogen_core import (  # type: ignore[import-not-found, unused-ignore]
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    message_handler,
)
from exchange import TEXT, Exchange, SendAndWait, Waiters, check, measure, options, show
from pydantic import BaseModel  # type: ignore[import-not-found, unused-ignore]

TOPIC = "channel"
KEY = "default"


class Message(BaseModel):  # type: ignore[misc, unused-ignore]
    """What is sent."""

    number: int
    text: str = TEXT


class Recipient(RoutedAgent):  # type: ignore[misc, unused-ignore]
    """Counts what it receives, and that count is its memory."""

    def __init__(self, waiters: Waiters | None) -> None:
        super().__init__("counts what it receives")
        self.memory = 0
        self._waiters = waiters

    @message_handler  # type: ignore[untyped-decorator, unused-ignore]
    async def receive(self, message: Message, ctx: MessageContext) -> None:  # noqa: ARG002 - the framework hands it over
        self.memory += 1
        if self._waiters is not None:  # a publication has no response, so its handlers say that they are done
            self._waiters.handled(message.number)


@asynccontextmanager
async def cast(exchange: Exchange) -> AsyncIterator[SendAndWait]:
    """Start a runtime with new agents."""
    runtime = SingleThreadedAgentRuntime()
    published = exchange.deliveries > 1
    waiters = Waiters()
    recipients: list[Recipient] = []

    def made() -> Recipient:
        recipients.append(Recipient(waiters if published else None))
        return recipients[-1]

    for number in range(exchange.recipients):
        # One agent type for each: a subscription names a type, and a topic reaches one agent of each type.
        await Recipient.register(runtime, f"recipient_{number}", made)
        if published:
            await runtime.add_subscription(TypeSubscription(TOPIC, f"recipient_{number}"))
    runtime.start()
    sent = 0

    async def send(lane: int) -> None:
        # Without a sender, as a program sends: naming one makes the runtime look it up at every stage.
        nonlocal sent
        sent += 1
        await runtime.send_message(Message(number=sent), ids[exchange.recipient(lane)])

    async def publish(_: int) -> None:
        nonlocal sent
        number, done = waiters.expect(exchange.deliveries)
        sent += exchange.deliveries
        await runtime.publish_message(Message(number=number), topic)
        await done

    ids = [AgentId(f"recipient_{number}", KEY) for number in range(exchange.recipients)]
    topic = TopicId(TOPIC, KEY)
    yield publish if published else send
    await runtime.stop_when_idle()
    check(sent, sum(recipient.memory for recipient in recipients))


def main() -> None:
    """Measure, and print the figures."""
    told = options("The message exchanges on autogen-core.", kinds=["messages"])
    # Both are documented: this switch takes out the spans, and logs that no one listens to should be off.
    os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] = "true"
    logging.getLogger("autogen_core").setLevel(logging.CRITICAL)
    found = {
        exchange.name: asyncio.run(measure(cast, exchange, told.seconds, told.rounds))
        for exchange in told.exchanges
    }
    show("autogen-core", version("autogen-core"), "none, in memory", found)


if __name__ == "__main__":
    main()
