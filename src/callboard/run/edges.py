"""Edges and joins: what the edges of a step come to, which steps that opens, and which it dooms.

A step's edges are looked at when it ends. Each one counts at the join of its target; with the edge that makes
the join hold the target is ready, with the one after which it can no longer hold the target is skipped, its
own edges die, and so on. `Spread` follows this to its end before anything is written, counting on a copy of
the few counters that it touches, since the fact of an end carries what its edges came to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from callboard.facts.crossings import Crossing, Result
from callboard.facts.events import Skip, StepSkipped
from callboard.planning.plan import Edge, PlannedStep
from callboard.run.state import StepState
from callboard.run.work import Work

Outcome = Literal["completed", "failed", "cancelled"]

_FITS: dict[Outcome, frozenset[str]] = {
    "completed": frozenset({"success", "always"}),
    "failed": frozenset({"failure", "always"}),
    "cancelled": frozenset({"always"}),
}


class Tally:
    """The edges that lead to one step, counted."""

    __slots__ = ("open", "resolved", "satisfied")

    def __init__(self, step: StepState | None) -> None:
        self.satisfied = 0 if step is None else step.satisfied
        self.resolved = 0 if step is None else step.resolved
        self.open = step is None or (step.status == "pending" and not step.queued)
        """Whether its join is still to be decided."""


def joins(step: PlannedStep, tally: Tally) -> bool | None:
    """Tell whether a join holds: yes, not any more, or not yet."""
    all_ = len(step.incoming)
    kind = step.join.kind
    if not all_:
        return True
    if kind == "all":
        if tally.satisfied < tally.resolved:
            return False
        return True if tally.satisfied == all_ else None
    if kind == "settled":
        return None if tally.resolved < all_ else tally.satisfied > 0
    if tally.satisfied >= step.join.count:
        return True
    return False if tally.satisfied + all_ - tally.resolved < step.join.count else None


def why_not(step: PlannedStep, tally: Tally) -> str:
    """Say why a join cannot hold any more."""
    all_ = len(step.incoming)
    if step.join.kind == "all":
        return f"Its join wants all {all_} edges, and not every one of them is satisfied."
    if step.join.kind == "settled":
        return "None of the edges that lead here is satisfied."
    left = tally.satisfied + all_ - tally.resolved
    return f"Its join wants {step.join.count} satisfied edges, and there can be {left} at most."


class Spread:
    """What follows from edges that end."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._tallies: dict[str, Tally] = {}
        self._doomed: list[tuple[str, str]] = []

    def _tally(self, id_: str) -> Tally:
        found = self._tallies.get(id_)
        if found is None:
            found = self._tallies[id_] = Tally(self._work.state.steps.get(id_))
        return found

    def cross(self, edge: Edge, result: Result, reason: str = "") -> Crossing:
        """Count an edge that has ended."""
        tally = self._tally(edge.target)
        tally.resolved += 1
        tally.satisfied += result == "satisfied"
        return Crossing(edge.number, edge.target, result, self._joined(edge.target, tally), reason)

    def _joined(self, id_: str, tally: Tally) -> bool:
        if not tally.open:
            return False
        step = self._work.planned(id_)
        holds = joins(step, tally)
        if holds is None:
            return False
        tally.open = False
        if not holds:
            self._doomed.append((id_, why_not(step, tally)))
        return holds

    def ends(self, step: PlannedStep, outcome: Outcome) -> tuple[Crossing, ...]:
        """Look at the edges of a step that has ended. It must stand in the scope already."""
        taken = False
        crossed = []
        for edge in step.outgoing:
            if edge.first and taken:
                crossed.append(self.cross(edge, "unsatisfied"))  # not looked at
                continue
            holds, reason = self._look(step, edge, outcome)
            taken = taken or (edge.first and holds)
            crossed.append(self.cross(edge, "satisfied" if holds else "unsatisfied", reason))
        return tuple(crossed)

    def _look(self, step: PlannedStep, edge: Edge, outcome: Outcome) -> tuple[bool, str]:
        """Tell whether an edge is satisfied, and what its condition says of it."""
        work = self._work
        if edge.when not in _FITS[outcome]:
            reason = f"It is for {edge.when}, and the step {outcome}."
            work.rule("edge", step.id, edge.target, edge.text, result=False, reason=reason)
            return False, ""
        if edge.condition is None:
            work.rule("edge", step.id, edge.target, "", result=True, reason=f"The step {outcome}.")
            return True, ""
        verdict = edge.condition.holds(work.scope(work.state.step(step.id)))
        work.rule("edge", step.id, edge.target, edge.text, result=verdict.holds, reason=verdict.reason)
        return verdict.holds, verdict.reason

    def doom(self, ids: Iterable[str], reason: str) -> None:
        """Have steps skipped, whatever leads to them."""
        for id_ in ids:
            self._tally(id_).open = False
            self._doomed.append((id_, reason))

    def forget(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Take back what the edges of these steps came to; return those of them that are open at once."""
        steps = self._work.state.steps
        for id_ in ids:
            tally = self._tally(id_)
            tally.open = True
        for id_ in ids:
            old = steps.get(id_)
            for edge in () if old is None else old.edges:
                tally = self._tally(edge.to)
                tally.resolved -= 1
                tally.satisfied -= edge.result == "satisfied"
        return tuple(id_ for id_ in ids if self._joined(id_, self._tally(id_)))

    def skips(self, *, cut: bool = False) -> None:
        """Write down the steps that are skipped, and those that are skipped because of them."""
        work = self._work
        skipped = []
        for id_, reason in self._doomed:  # it grows meanwhile
            edges = tuple(self.cross(edge, "dead") for edge in work.planned(id_).outgoing)
            skipped.append(Skip(id_, reason, edges))
        if skipped:
            self._doomed = []
            work.emit(StepSkipped(work.now, tuple(skipped), cut))
