"""What a supervisor is told about its children, and what it tells of them: values only."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from callboard.actors.runtime import LoopActor


class Policy(enum.Enum):
    """When a child that ended by itself is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


RESTARTS: dict[Policy, dict[bool, bool]] = {
    # ended in good order / crashed
    Policy.PERMANENT: {False: True, True: True},
    Policy.TRANSIENT: {False: False, True: True},
    Policy.TEMPORARY: {False: False, True: False},
}


class State(enum.Enum):
    """What a child is doing."""

    RUNNING = "running"
    BACKING_OFF = "backing_off"
    QUARANTINED = "quarantined"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class RestartLimit:
    """How often, and how soon, a child is started again; times in seconds."""

    most: int = 5
    within: float = 60.0
    first_delay: float = 0.1
    factor: float = 2.0
    longest_delay: float = 30.0

    def delay(self, earlier: int) -> float:
        """Return how long to wait when `earlier` restarts lie within the window."""
        return min(self.longest_delay, self.first_delay * self.factor**earlier)


@dataclass(frozen=True, slots=True)
class Child:
    """What to start, and what to do when it ends."""

    name: str
    factory: Callable[[], LoopActor[Any]]
    policy: Policy = Policy.PERMANENT
    vital: bool = False


@dataclass(frozen=True, slots=True)
class Describe:
    """The answer is a tuple of ChildStatus, in the order of starting."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Start a child again that is quarantined or waits; its past is forgiven. The answer is its ref."""

    name: str


@dataclass(frozen=True, slots=True)
class StartChild:
    """The answer is the ref of the new child."""

    child: Child


@dataclass(frozen=True, slots=True)
class StopChild:
    """End a child for good; the answer comes when it has ended: the tells that it never handled."""

    name: str


Request = Describe | Restart | StartChild | StopChild


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """One child as an operator sees it; `restarts` counts since the child was first started.

    `leftovers` is how many accepted tells wait for its next start.
    """

    name: str
    state: State
    restarts: int
    last_error: str | None
    last_traceback: str | None
    leftovers: int
