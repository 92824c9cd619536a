"""The triggers of one version of a workflow: each entry of `on`, with a name that outlives the version.

The name is made of the workflow and of what fires it: the schedule with its zone, the path, the channel and
type, or the other workflow and its status. A version that edits the condition, the input, the secret or
`missed` has the same trigger, so what an operator turned off stays off, and the story goes on under one name.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import msgspec

from callboard.facts import encode
from callboard.facts.triggering import TriggerKind
from callboard.planning.plan import Plan, PlannedTrigger

DIGITS = 8
"""Of the digest that is part of a name; a workflow has a hundred triggers at most."""


class Entry(msgspec.Struct, frozen=True):
    """One trigger, as the active version of its workflow has it."""

    id: str
    kind: TriggerKind
    about: str
    """What fires it, for people; of a webhook, the path itself."""
    version: int
    planned: PlannedTrigger
    plan: Plan

    @property
    def workflow(self) -> str:
        return self.plan.name


def entries(plan: Plan, version: int) -> list[Entry]:
    """Return the triggers of a version, in the order of the file."""
    found, twins = [], Counter[str]()
    for planned in plan.triggers:
        kind, parts, about = _what(planned)
        digest = hashlib.sha256(encode([kind, *parts]).encode()).hexdigest()[:DIGITS]
        twins[digest] += 1
        again = f"-{twins[digest]}" if twins[digest] > 1 else ""  # such as one message, two conditions
        found.append(Entry(f"{plan.name}.{digest}{again}", kind, about, version, planned, plan))
    return found


def _what(planned: PlannedTrigger) -> tuple[TriggerKind, tuple[object, ...], str]:
    """Return what fires a trigger: its kind, all that it is known by, and how people would say it."""
    if planned.schedule is not None:
        text, zone, every = planned.schedule.text, planned.schedule.zone, planned.schedule.every
        zoned = "" if zone == "UTC" else f" {zone}"
        return "schedule", (text, zone, every), f"every {text}" if every is not None else text + zoned
    if planned.webhook is not None:
        return "webhook", (planned.webhook,), planned.webhook
    if planned.message is not None:
        channel, type_ = planned.message.channel, planned.message.type
        return "message", (channel, type_), f"#{channel}" + (f" {type_}" if type_ else "")
    if planned.run is not None:
        workflow, status = planned.run.workflow, planned.run.status
        return "run", (workflow, status), f"{workflow} {status}"
    raise ValueError(f"Entry {planned.number} of on says nothing that could fire it: the check refuses such.")
