"""Steps that send messages: in the turn in which the step ends, so both are true or neither is."""

from __future__ import annotations

from callboard.messages import To
from callboard.outcome import Done, Outcome
from callboard.planning import catalogue
from callboard.steps.work import Work


def send(work: Work) -> Outcome:
    """Send a message to one bot."""
    given = work.read(catalogue.Send)
    return Done({"message": str(work.say(To.bot(given.to), given.type, given.body))})


def publish(work: Work) -> Outcome:
    """Say a message on a channel."""
    given = work.read(catalogue.Publish)
    return Done({"message": str(work.say(To.channel(given.channel), given.type, given.body))})
