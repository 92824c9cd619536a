"""Facts of runs whose workflow says how many of them there may be at once (`concurrency`).

A run is counted under its key from its first fact to its last one, whatever state it is in. One that found no
place stands in a queue: it is pending, and nothing of it begins until it is admitted.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from callboard.facts import fact
from callboard.outcome import Failure


class Crowded(msgspec.Struct, frozen=True, omit_defaults=True):
    """Under which key a run is counted, and how it found those that were there before it."""

    key: str
    """As it was rendered."""
    limit: int
    """How many runs its version of the workflow allows under one key."""
    queued: bool = False
    """There was no place: it waits for its turn."""
    refused: Failure | None = None
    """Of a run that a step started: there is no place for it, so it fails before it begins."""


@fact("workflow_admitted")
class WorkflowAdmitted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run that stood in a queue has its turn."""

    at: datetime
    opens: tuple[str, ...] = ()
    """The steps that it was to begin with when it started; what skips opened since is open already."""
