"""What the end of a run is to whoever sent the message that started it: the reply, in the same turn.

A workflow bot (`workflow_bot.py`) starts a run for each message, and says so in what `run.trigger` is. The
reply comes from the bot, so it answers an ask as that of any bot does: of the type `completed` with the run's
output as its body, or `failed` or `cancelled` with `{run, code, message}`. A run that is opened again replies
again; one that is forked does not, since whoever asked was answered by the first.
"""

from __future__ import annotations

import msgspec

from callboard.authoring.bot import Say
from callboard.company.asking import Services
from callboard.company.sitting import written
from callboard.facts import encode, events
from callboard.ids import MessageId
from callboard.messages import Message, To
from callboard.run import RunState
from callboard.store.changes import Ref
from callboard.store.turn import Turn

CANCELLED = "CANCELLED"
TOO_LARGE = "MESSAGE_TOO_LARGE"


class Came(msgspec.Struct, frozen=True):
    """The message that started a run, as its `run.trigger` tells it."""

    bot: str
    """To which it came, and which replies."""
    id: MessageId
    position: int
    sender: str
    channel: str | None
    type: str
    conversation: str | None
    headers: dict[str, str]
    hops: int
    asks: bool
    """The sender waits for the reply."""
    kind: str = "message"


def came(bot: str, message: Message, hops: int) -> Came:
    """Return what a run that a message starts is told of it."""
    channel = message.to.name if message.to.kind == "channel" else None
    return Came(
        *(bot, message.id, message.position, message.sender, channel, message.type),
        *(message.conversation, dict(message.headers), hops, message.asks),
    )


def reply(turn: Turn, services: Services, state: RunState, facts: list[msgspec.Struct]) -> None:
    """Put the reply into the turn that ends a run, if a bot started it for a message.

    The facts are those of the run in this turn, and stand first in it.
    """
    envelope = state.envelope
    if state.forked or not (isinstance(envelope, dict) and envelope.get("kind") == "message"):
        return
    if not isinstance(envelope.get("bot"), str):
        return
    for number, fact in enumerate(facts):
        found = _said(state, fact)
        if found is None:
            continue
        asked = msgspec.convert(envelope, Came)
        type_, body = found
        json = encode(body)
        if len(json.encode()) > services.message_bytes:
            text = f"What the run came to is larger than the {services.message_bytes:,} bytes of a message."
            type_, json = "failed", encode(_fault(state, TOO_LARGE, text))
        to = To.bot(asked.sender)
        name = MessageId(services.ids.new())
        said = Say(name, to, type_, json, {}, asked.id, asked.conversation, 0.0)
        ref = turn.post(written(said, asked.bot, asked.hops + 1, Ref(number)))
        if asked.asks:
            services.board.answer_ask(turn, asked.id, asked.bot, asked.sender, to, ref)


def _said(state: RunState, fact: msgspec.Struct) -> tuple[str, object] | None:
    """Return the type and the body of the reply, if a fact is the end of the run."""
    if isinstance(fact, events.WorkflowCompleted):
        return "completed", fact.final_output
    if isinstance(fact, events.WorkflowFailed):
        return "failed", _fault(state, fact.error.code, fact.error.message)
    if isinstance(fact, events.WorkflowCancelled):
        by = f" by {fact.principal}" if fact.principal else ""
        return "cancelled", _fault(state, CANCELLED, fact.reason or f"The run was cancelled{by}.")
    return None


def _fault(state: RunState, code: str, message: str) -> dict[str, str]:
    return {"run": state.run, "code": code, "message": message}
