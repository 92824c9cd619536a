"""A run as a pure machine: commands in, facts and wants out. No I/O, no waiting, no clock, no luck.

    state = RunState()
    decision = decide(state, plan, Start(run="7", version=3, trigger={"claim": 1}), now)
    decision = decide(state, plan, GoOn(), now)
    decision.events       # [StepActivated("fetch", …)]      append these to the stream of the run
    decision.wants        # [StartAttempt("fetch", …), …]    and only then carry these out
    decision.rulings      # what was looked at on the way: rows of the decisions

    state = RunState()
    for event in history:
        state = evolve(state, event.fact)

What holds. The state is the fold of the facts and of nothing else: `decide` folds each fact in as it writes
it, so the state that was handed in is afterwards the one that follows. If the commit of the events fails,
that state never was: throw it away and fold the log anew. Folding asks no plan. Whatever is ready, under way
or waited for is in the state, so a run that is taken up from its log, at any position, goes on where it
stood: say `Recover`, and attempts that were in flight are closed by their `on_interrupt`.

Rejected: a `decide` that leaves the state alone, with the driver folding afterwards. It decides on a copy, or
guesses at what its own facts will have changed; a run of a thousand steps pays for the copy at each event.

Read in this order: `moves` (the tables of states), `state`, `commands` (what goes in and comes out),
`deciding` (each command, and what every decision ends with), `attempts` (a step's own life), `edges` (joins),
`going_back`, `stopping`, `queueing`, `leaving`, `parentage` and `children` (runs that steps start);
`evolving` is the fold, `work` one decision in the making, `scope` what expressions see. The facts are in
`callboard.facts.events`.
"""

from __future__ import annotations

from callboard.run.commands import (
    Admit,
    Answered,
    AttemptEnded,
    Cancel,
    CancelAttempt,
    CancelChild,
    ChildHasEnded,
    CloseWait,
    Command,
    Decision,
    DropTimer,
    End,
    Give,
    GiveUp,
    GoOn,
    JoinQueue,
    LeaveQueue,
    Limits,
    OpenWait,
    Pause,
    Recover,
    Release,
    Reopen,
    Resume,
    Ruling,
    SetTimer,
    Start,
    StartAttempt,
    StartChild,
    Timer,
    TimerDue,
    Want,
)
from callboard.run.deciding import decide
from callboard.run.evolving import evolve
from callboard.run.scope import Around, seen
from callboard.run.state import RunState, StepState, key_of

REVISION = 2
"""Of the fold: it grows when `evolve` or the shape of the state changes; older snapshots are passed over."""

__all__ = [
    "REVISION",
    "Admit",
    "Answered",
    "Around",
    "AttemptEnded",
    "Cancel",
    "CancelAttempt",
    "CancelChild",
    "ChildHasEnded",
    "CloseWait",
    "Command",
    "Decision",
    "DropTimer",
    "End",
    "Give",
    "GiveUp",
    "GoOn",
    "JoinQueue",
    "LeaveQueue",
    "Limits",
    "OpenWait",
    "Pause",
    "Recover",
    "Release",
    "Reopen",
    "Resume",
    "Ruling",
    "RunState",
    "SetTimer",
    "Start",
    "StartAttempt",
    "StartChild",
    "StepState",
    "Timer",
    "TimerDue",
    "Want",
    "decide",
    "evolve",
    "key_of",
    "seen",
]
