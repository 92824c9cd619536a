"""Steps: how each kind is carried out, a file for each family.

    carry = AT_ONCE.get("core.echo")        # a plain function of the work: Outcome
    carry = IN_TIME.get("python")           # a coroutine function of the same

Two tables. A kind is carried out *at once* when all it does is say what becomes of the step: it touches
nothing outside, and what it says (messages, a wait) is committed with the step's end. So the run may carry it
out before anything of it is on disk, and commit a whole chain of such steps together. A kind that is carried
out *in time* does something that the world sees, so its attempt is begun only once it is in the log, in a
task, under the step's time-out.

What a kind takes is in `planning/catalogue.py` under the same name. A kind of the catalogue that stands in
neither table is refused when a definition is checked for running here (`here`), and never run as a success.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import msgspec

from callboard.outcome import Outcome
from callboard.planning.catalogue import catalogue
from callboard.planning.step import Action, Catalogue
from callboard.steps import (
    approval,
    ask,
    children,
    core,
    http,
    listening,
    messages,
    python,
    resources,
    shell,
    signals,
    templates,
)
from callboard.steps.work import House, Work, came_to

AT_ONCE: Mapping[str, Callable[[Work], Outcome]] = MappingProxyType(
    {
        "core.echo": core.echo,
        "core.set": core.assign,
        "core.fail": core.fail,
        "core.delay": core.delay,
        "message.send": messages.send,
        "message.publish": messages.publish,
        "approval": approval.ask,
        "ask": ask.ask,
        "wait.message": listening.wait,
        "wait.signal": signals.wait,
        "loop": children.loop,
    }
)
IN_TIME: Mapping[str, Callable[[Work], Awaitable[Outcome]]] = MappingProxyType(
    {
        "http.request": http.request,
        "python": python.call,
        "resource.check": resources.check,
        "resource.link": resources.link,
        "shell.run": shell.run,
        "template.render": templates.render,
        "workflow": children.workflow,
        "each": children.each,
    }
)


def here(actions: Mapping[str, Action] = MappingProxyType({}), *, programs: bool = False) -> Catalogue:
    """Return the catalogue by which definitions are checked that shall run here, shell.run or not."""
    off = {} if programs else {"shell.run": shell.HOW}
    return msgspec.structs.replace(catalogue(actions), carried=frozenset({*AT_ONCE, *IN_TIME}), off=off)


__all__ = ["AT_ONCE", "IN_TIME", "House", "Work", "came_to", "here"]
