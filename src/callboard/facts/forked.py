"""Forked: what a run that was forked has from another one; a part of its first fact.

It holds everything, so that the fork needs the other run no more: that one may be opened again, or be gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from callboard.facts.crossings import Crossing
from callboard.outcome import Failure


class TakenStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """A step that ended in the other run, and is not done again."""

    step: str
    status: Literal["completed", "failed", "skipped"]
    at: datetime
    """When it ended there."""
    iteration: int = 1
    attempt: int = 0
    output: Any = None
    error: Failure | None = None
    handled: bool = True
    """Of one that failed: a failure edge of it was satisfied."""
    edges: tuple[Crossing, ...] = ()
    backs: int = 0
    """How often it has gone back."""
    previous: Mapping[str, Any] | None = None
    """Its last iteration, as expressions see it."""
    bytes: int = 0
    before: int = 0
    """Of its output, and of that of its last iteration."""


class Put(msgspec.Struct, frozen=True):
    """What a step put into a variable."""

    step: str
    name: str
    value: Any


class Forked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a run was forked from, and what it takes over from there."""

    run: str
    step: str
    """The one from which it is done again."""
    taken: tuple[TakenStep, ...] = ()
    puts: tuple[Put, ...] = ()
    """By the steps that are taken over, in the order in which they were put."""
