"""Waiting for a message: what suits, and what the step comes to when it is there.

What a wait looks for stands in its row, whole: the channel, sender and type, and the condition together with
what it sees of the run as the wait began. So whoever looks (`runs/overhearing.py`) needs neither the run nor
its plan, and ten thousand runs that wait sleep on.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from callboard.errors import BadInput
from callboard.expressions import Condition, Verdict, condition
from callboard.facts.membership import matches
from callboard.messages import Message
from callboard.outcome import Fail, Failure, Outcome, Wait
from callboard.planning import catalogue
from callboard.steps.work import Work
from callboard.units import seconds

_NO_SCOPE: dict[str, Any] = {}


class Looked(msgspec.Struct, frozen=True):
    """A condition, and what it sees beside the message."""

    text: str = ""
    sees: dict[str, Any] = _NO_SCOPE


class Sought(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which message a step waits for, as its wait keeps it."""

    run: str
    workflow: str
    channel: str | None = None
    """A name or a pattern."""
    sender: str | None = None
    type: str | None = None
    since: datetime | None = None
    """Only what was sent from then on; None is since the run began."""
    text: str = ""
    sees: dict[str, Any] = _NO_SCOPE

    def suits(self, message: Message) -> bool:
        """Whether a message may be the one, as far as its address says; what the run said itself never is."""
        if self.type is not None and message.type != self.type:
            return False
        if self.sender is not None and message.sender != self.sender:
            return False
        if self.since is not None and message.at < self.since:
            return False
        if self.channel is not None and not (
            message.to.kind == "channel" and matches(self.channel, message.to.name)
        ):
            return False
        ours = message.conversation == f"run:{self.run}" and message.sender == f"workflow.{self.workflow}"
        return not ours

    def verdict(self, message: Message, item: dict[str, Any]) -> Verdict:
        """Say whether the condition holds for it, and why; one that cannot be evaluated does not."""
        return _compiled(self.text).holds({**self.sees, "item": item, "now": message.at})


@lru_cache(maxsize=1_024)
def _compiled(text: str) -> Condition:
    return condition(text)


def seen(message: Message) -> dict[str, Any]:
    """Return a message as expressions see it: `item` of a condition, and the output of the step."""
    on_channel = message.to.kind == "channel"
    return {
        "id": str(message.id),
        "position": message.position,
        "sender": message.sender,
        "channel": message.to.name if on_channel else None,
        "to": None if on_channel else message.to.name,
        "type": message.type,
        "body": msgspec.json.decode(message.json),
        "headers": dict(message.headers),
        "conversation": message.conversation,
        "reply_to": None if message.reply_to is None else str(message.reply_to),
        "at": message.at.isoformat(),
    }


def wait(work: Work) -> Outcome:
    """Wait until there is such a message."""
    value = dict(work.value) if isinstance(work.value, dict) else {}
    looked = msgspec.convert(value.pop("if", {}), Looked)
    work.value = value
    given = work.read(catalogue.WaitMessage)
    if given.channel is None and given.sender is None:
        raise BadInput("with: say which message is waited for: by its channel, its sender, or both.")
    since = None if given.since is None else datetime.fromisoformat(given.since)
    sought = Sought(
        *(work.attempt.run, work.attempt.workflow, given.channel, given.sender, given.type, since),
        *(looked.text.strip(), looked.sees),
    )
    key = given.channel or given.sender or ""
    if given.timeout is None:
        return Wait("message", key, data=msgspec.to_builtins(sought))
    until = work.now + timedelta(seconds=seconds(given.timeout))
    late = Fail(Failure("WAIT_EXPIRED", f"No such message came within {given.timeout}."))
    return Wait("message", key, until, late, data=msgspec.to_builtins(sought))
