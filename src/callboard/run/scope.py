"""Scope: what expressions see of a run; in an item or a round, also of what is around it.

What is around is there as it was when the step with the items or rounds began. All of them share it, so a
thousand items hold it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callboard.run.state import RunState


class Around(msgspec.Struct, frozen=True):
    """What the steps of items or rounds see beside their own. Nobody may change it."""

    seen: Mapping[str, Any]


def seen(state: RunState, around: Around | None) -> dict[str, Any]:
    """Return what is seen of a run and around it.

    `run` is the run that somebody started, also in an item or a round, and so are `trigger` and `workflow`.
    """
    origin = state.origin
    if around is None or origin is None:
        return {
            "trigger": state.trigger,
            "steps": state.seen,
            "previous": state.previous,
            "vars": state.vars,
            "run": {
                "id": state.run,
                "trigger": state.envelope,
                "principal": state.principal,
                "attempt": 0,
            },
            "workflow": {"name": state.workflow, "version": state.version},
        }
    outer = around.seen
    found = {
        **outer,
        "steps": {**outer["steps"], **state.seen},
        "previous": {**outer["previous"], **state.previous},
        "vars": {**outer["vars"], **state.vars},
        "run": dict(outer["run"]),
        "index": origin.index,
    }
    if not origin.loops:  # a round shows the item of an `each` around it
        found["item"] = origin.item
    return found
