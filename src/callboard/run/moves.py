"""Moves: which fact takes a run, or a step, from which state to which. Nothing else changes a state.

The tables are data: `evolve` looks every move up here, so a fact that does not belong in a state is refused
when it is made and again when it is read, and the diagrams in docs/state_machine.md are written from them.
A run:

    new              ──▶ pending          workflow_started
    pending          ──▶ running          step_activated, step_failed
    pending          ──▶ paused           workflow_paused
    pending          ──▶ crashed          workflow_crashed
    pending          ──▶ failed           workflow_failed
    pending          ──▶ cancelled        workflow_cancelled
    running          ──▶ paused           workflow_paused
    running          ──▶ crashed          workflow_crashed
    running          ──▶ completed        workflow_completed
    running          ──▶ failed           workflow_failed
    running          ──▶ cancelled        workflow_cancelled
    paused           ──▶ paused           workflow_paused
    paused           ──▶ running          workflow_resumed
    paused           ──▶ crashed          workflow_crashed
    paused           ──▶ completed        workflow_completed
    paused           ──▶ failed           workflow_failed
    paused           ──▶ cancelled        workflow_cancelled
    crashed          ──▶ running          workflow_resumed
    crashed          ──▶ completed        workflow_completed
    crashed          ──▶ failed           workflow_failed
    crashed          ──▶ cancelled        workflow_cancelled
    failed           ──▶ running          reopened

A step; every one that is not pending goes back to `pending` when its run is `reopened`, or with `reworked`:

    pending          ──▶ running          step_activated
    pending          ──▶ failed           step_failed
    pending          ──▶ skipped          step_skipped
    running          ──▶ waiting          step_waiting, attempt_retried, workflow_recovered
    running          ──▶ waiting_approval approval_asked
    running          ──▶ completed        step_completed
    running          ──▶ failed           step_failed
    running          ──▶ cancelled        step_cancelled
    waiting          ──▶ running          attempt_started
    waiting          ──▶ waiting          step_waiting, attempt_retried
    waiting          ──▶ waiting_approval approval_asked
    waiting          ──▶ completed        step_completed
    waiting          ──▶ failed           step_failed
    waiting          ──▶ cancelled        step_cancelled
    waiting_approval ──▶ waiting          step_waiting, attempt_retried
    waiting_approval ──▶ waiting_approval approval_asked
    waiting_approval ──▶ completed        step_completed
    waiting_approval ──▶ failed           step_failed
    waiting_approval ──▶ cancelled        step_cancelled
"""

from __future__ import annotations

from collections.abc import Mapping

from callboard.errors import FactUnreadable

Moves = Mapping[str, Mapping[str, str]]

_ENDS = {
    "workflow_completed": "completed",
    "workflow_failed": "failed",
    "workflow_cancelled": "cancelled",
}
RUN: Moves = {
    "new": {"workflow_started": "pending"},
    "pending": {
        "step_activated": "running",
        "step_failed": "running",
        "workflow_paused": "paused",
        "workflow_crashed": "crashed",
        "workflow_failed": "failed",
        "workflow_cancelled": "cancelled",
    },
    "running": {"workflow_paused": "paused", "workflow_crashed": "crashed", **_ENDS},
    "paused": {
        "workflow_paused": "paused",
        "workflow_resumed": "running",
        "workflow_crashed": "crashed",
        **_ENDS,
    },
    "crashed": {"workflow_resumed": "running", **_ENDS},
    "completed": {},
    "failed": {"reopened": "running"},
    "cancelled": {},
}

_OVER = {
    "step_completed": "completed",
    "step_failed": "failed",
    "step_cancelled": "cancelled",
}
BEGINS_ANEW = {"reworked": "pending", "reopened": "pending"}
_WAITS = {"step_waiting": "waiting", "approval_asked": "waiting_approval"}
STEP: Moves = {
    "pending": {
        "step_activated": "running",
        "step_failed": "failed",
        "step_skipped": "skipped",
        **BEGINS_ANEW,
    },
    "running": {
        **_WAITS,
        "attempt_retried": "waiting",
        "workflow_recovered": "waiting",
        **_OVER,
        **BEGINS_ANEW,
    },
    "waiting": {
        "attempt_started": "running",
        **_WAITS,
        "attempt_retried": "waiting",
        **_OVER,
        **BEGINS_ANEW,
    },
    "waiting_approval": {**_WAITS, "attempt_retried": "waiting", **_OVER, **BEGINS_ANEW},
    "completed": BEGINS_ANEW,
    "failed": BEGINS_ANEW,
    "skipped": BEGINS_ANEW,
    "cancelled": BEGINS_ANEW,
}
ENDED = frozenset({"completed", "failed", "cancelled"})


def moved(moves: Moves, status: str, fact: str, what: str, id_: str) -> str:
    """Return the state after a fact, or refuse one that does not belong in this state."""
    try:
        return moves[status][fact]
    except KeyError:
        said = f"{what} {id_} is {status}, where {fact!r} does not belong"
        raise FactUnreadable(f"{said}: its history is not that of a run.", status=status, type=fact) from None


def drawing(moves: Moves, *, without: frozenset[str] = frozenset()) -> str:
    """Draw a table as text, a line for each state and the state that follows it."""
    lines = []
    for source, targets in _grouped(moves, without):
        for target, facts in targets.items():
            lines.append(f"    {source:<16} ──▶ {target:<16} {', '.join(facts)}")
    return "\n".join(lines)


def diagram(moves: Moves, *, without: frozenset[str] = frozenset()) -> str:
    """Draw a table as a mermaid diagram."""
    lines = ["stateDiagram-v2"]
    for source, targets in _grouped(moves, without):
        begin = "[*]" if source == "new" else source
        lines += [f"    {begin} --> {target}: {'<br>'.join(facts)}" for target, facts in targets.items()]
        if source in ENDED or not targets:
            lines.append(f"    {source} --> [*]")
    return "\n".join(lines)


def _grouped(moves: Moves, without: frozenset[str]) -> list[tuple[str, dict[str, list[str]]]]:
    found = []
    for source, facts in moves.items():
        targets: dict[str, list[str]] = {}
        for fact, target in facts.items():
            if fact not in without:
                targets.setdefault(target, []).append(fact)
        found.append((source, targets))
    return found
