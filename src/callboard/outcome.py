"""Outcome: what an attempt of a step came to. A value, never an exception.

    Done({"text": "paid"})                                    # the step completes
    Retry(Failure("TIMEOUT", "No answer within 30s."))        # a transient fault: tried again, if it may be
    Fail(Failure("HTTP_404", "There is no such claim."))      # trying again would not help
    Wait("approval", until=tomorrow, data={"approvers": ["ann"]})  # it ends when something happens elsewhere

Whoever carries out a step says only this. What follows from it is decided by `run/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something failed: a stable code and a sentence."""

    code: str
    message: str
    details: Mapping[str, Any] = {}


class Agreement(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far answers agreed, and what decided."""

    agreement: float
    metric: str
    resolved_by: str


class Child(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run of another workflow that an attempt starts; whoever carried it out has drawn its id."""

    run: str
    workflow: str
    input: Any = None
    version: int | None = None


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """Runs that a step starts, one after another or side by side: items of `each`, or rounds of `loop`.

    Its items are the `items` of the step's input.
    """

    kind: Literal["each", "loop"]
    count: int
    """How many there are, or may be."""
    parallel: int = 1
    collects: bool = False
    """An item that fails is a result like any other."""
    workflow: str = ""
    """Run for each item; empty: the steps under the step."""
    version: int = 0
    refused: Mapping[str, str] = {}
    """Items, by their index, that the workflow does not take, each with the reason."""


MOST_LINKS = 100
"""Links that one attempt may report."""
LONGEST_NAME = 500
Named = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]


class Link(msgspec.Struct, frozen=True):
    """Something that lives elsewhere, and what the step has to do with it."""

    system: Named
    """Where it lives: `jira`."""
    type: Named
    """What it is there: `issue`."""
    id: Named
    how: Literal["created", "touched"] = "touched"


class Made(msgspec.Struct, frozen=True):
    """Which run has created a thing that lives elsewhere."""

    run: str
    workflow: str
    step: str
    at: datetime


class Done(msgspec.Struct, frozen=True, tag="done", omit_defaults=True):
    """It is done."""

    output: Any = None
    sets: Mapping[str, Any] = {}
    """Variables that change with it."""
    agreement: Agreement | None = None
    child: Child | None = None
    """Started, and not waited for."""
    links: Annotated[tuple[Link, ...], msgspec.Meta(max_length=MOST_LINKS)] = ()
    """What the step made elsewhere, or laid hands on; of all runs one may say that it `created` a thing."""


class Fail(msgspec.Struct, frozen=True, tag="fail", omit_defaults=True):
    """It failed for good."""

    error: Failure


class Retry(msgspec.Struct, frozen=True, tag="retry", omit_defaults=True):
    """It failed, and may go well another time."""

    error: Failure
    after: float | None = None
    """Seconds that somebody outside asked us to wait, instead of the step's own pause."""


class Wait(msgspec.Struct, frozen=True, tag="wait", omit_defaults=True):
    """It is under way, and nothing runs until something happens elsewhere."""

    what: Literal["timer", "answer", "approval", "message", "signal", "child", "hold"]
    key: str = ""
    """What is waited for, in the words of its kind: of a signal, its name."""
    until: datetime | None = None
    expired: Done | Fail | None = None
    """What the step comes to when nothing has happened by then; if not told, it fails."""
    child: Child | None = None
    batch: Batch | None = None
    data: Any = None
    """For whoever looks at the answers, and for people."""


Outcome = Done | Retry | Fail | Wait
