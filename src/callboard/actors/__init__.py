"""The machinery of actors: the runtime, and those actors that every house has.

Read in this order: `inbox.py` (how a message is accepted), `handle.py` (what others hold of an actor),
`runtime.py` (the life of an actor), `directory.py`, `children.py` and `supervisor.py`, `timers.py`. A run is
read from `runs.py` (who is awake), by `run.py` (one of them), `runturn.py` (what it commits) and `running.py`
(its attempts).
"""

from callboard.actors.children import (
    Child,
    ChildStatus,
    Describe,
    Policy,
    Restart,
    RestartLimit,
    StartChild,
    State,
    StopChild,
)
from callboard.actors.directory import Directory
from callboard.actors.handle import DEFAULT_TIMEOUT, Ending
from callboard.actors.inbox import DEFAULT_CAPACITY, Inbox
from callboard.actors.runtime import Envelope, LoopActor, Ref, Reply
from callboard.actors.supervisor import Supervisor
from callboard.actors.timers import CancelTimer, DescribeTimers, SetTimer, Timers, TimersStatus

__all__ = [
    "DEFAULT_CAPACITY",
    "DEFAULT_TIMEOUT",
    "CancelTimer",
    "Child",
    "ChildStatus",
    "Describe",
    "DescribeTimers",
    "Directory",
    "Ending",
    "Envelope",
    "Inbox",
    "LoopActor",
    "Policy",
    "Ref",
    "Reply",
    "Restart",
    "RestartLimit",
    "SetTimer",
    "StartChild",
    "State",
    "StopChild",
    "Supervisor",
    "Timers",
    "TimersStatus",
]
