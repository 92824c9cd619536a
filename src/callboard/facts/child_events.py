"""Facts of runs that a step of another run starts: a workflow's, an item's of `each`, a round's of `loop`.

The run of an item or a round has a stream of its own, of the same workflow and version as the run around it;
its steps are those under that step. What they see of the levels around is not copied into it: `Origin.since`
says up to which version of the stream around it holds (docs/decisions/0016).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from callboard.facts import fact
from callboard.outcome import Failure


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run is a part of."""

    parent: str
    step: str
    """The one that started it."""
    waited: bool = True
    above: tuple[str, ...] = ()
    """The workflows in whose runs it stands, the outermost first."""
    path: tuple[str, ...] = ()
    """For an item or a round: the steps under which its own stand, the outermost first."""
    since: int = 0
    """For these: the version of the parent's stream as of which its steps see what is around them."""
    index: int | None = None
    """Which item or round of the step it is, if it goes through several."""
    item: Any = None
    loops: bool = False
    """It is a round of `loop`, which has no item."""


@fact("child_started")
class ChildStarted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run was started by a step."""

    step: str
    at: datetime
    run: str
    workflow: str
    waited: bool = True
    iteration: int = 1
    index: int | None = None
    """Of the item or the round that it is."""


@fact("child_ended")
class ChildEnded(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run that a step waits for has ended."""

    step: str
    at: datetime
    run: str
    """Empty where an item was refused and no run began."""
    status: Literal["completed", "failed", "cancelled"]
    iteration: int = 1
    index: int | None = None
    output: Any = None
    """Of an item or a round: the step gathers them."""
    error: Failure | None = None
    goes_on: bool = False
    """There is another round to come."""
    bytes: int = 0


class Given(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a round hands on to the next one and to the run around it."""

    goes_on: bool = False
    vars: Mapping[str, Any] = {}
