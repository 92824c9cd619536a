"""A witness: follows the facts of a run with eyes of its own, and says when one of them may not be.

It knows a plan and what edges came to, counts nothing and keeps no queue: what the machine finds out with its
counters it finds out by looking at every edge. So each of the two is held to the other.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from callboard import facts
from callboard.facts import events
from callboard.facts.crossings import Crossing
from callboard.facts.forked import Forked
from callboard.planning.plan import Plan, PlannedStep
from callboard.run import RunState

OVER = {"completed", "failed", "skipped", "cancelled"}
FITS = {"completed": {"success", "always"}, "failed": {"failure", "always"}, "cancelled": {"always"}}


def again(fact: msgspec.Struct) -> msgspec.Struct:
    """Return a fact as it is read from the log."""
    kind, _, data = facts.write(fact)
    return facts.read(kind.name, kind.revision, data)


class Witness:
    """Looks at one run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.edges: dict[int, str] = {}
        """What each edge has come to, those that were forgotten left out."""
        self.begun: set[tuple[str, int, int]] = set()
        self.activated: set[tuple[str, int]] = set()
        self.stopping: set[str] | None = None

    # ── joins, by looking at every edge ──

    def holds(self, step: PlannedStep) -> bool:
        came = [self.edges.get(edge.number) for edge in step.incoming]
        satisfied = came.count("satisfied")
        match step.join.kind:
            case "all":
                return satisfied == len(came)
            case "settled":
                return not came or (None not in came and satisfied > 0)
        return not came or satisfied >= step.join.count

    def doomed(self, step: PlannedStep) -> bool:
        came = [self.edges.get(edge.number) for edge in step.incoming]
        match step.join.kind:
            case "all":
                return any(one in {"unsatisfied", "dead"} for one in came)
            case "settled":
                return bool(came) and None not in came and "satisfied" not in came
        possible = came.count("satisfied") + came.count(None)
        return bool(came) and possible < step.join.count

    # ── every fact ──

    def look(
        self,
        state: RunState,
        written: Iterable[msgspec.Struct],
        flying: frozenset[tuple[str, int, int]],
        end: str | None,
    ) -> None:
        for fact in written:
            assert again(fact) == fact
            self._fact(fact)
        self._state(state, flying)
        assert (end is not None) == state.ended
        if state.ended:
            assert end == state.status
            assert not state.alive
            assert {id_ for id_ in self.plan.flow.steps if state.steps[id_].status in OVER} == set(
                self.plan.flow.steps
            )

    def _fact(self, fact: msgspec.Struct) -> None:
        match fact:
            case events.WorkflowStarted(forked=Forked(taken=taken)):
                for edge in (edge for one in taken for edge in one.edges):
                    self.edges[edge.edge] = edge.result
            case events.StepActivated(step=step, iteration=iteration):
                assert self.holds(self.plan.flow.steps[step]), f"{step} began before its join held"
                assert (step, iteration) not in self.activated, f"{step} began twice in an iteration"
                assert self.stopping is None or step in self.stopping
                self.activated.add((step, iteration))
                self._attempt(step, iteration, fact.attempt)
            case events.AttemptStarted(step=step, iteration=iteration, attempt=attempt):
                self._attempt(step, iteration, attempt)
            case events.Reworked(reset=reset):
                self._forget(reset)
            case events.Reopened(reset=reset):
                self._forget(reset)
                self.activated -= {one for one in self.activated if one[0] in reset}
                self.stopping = None
            case events.WorkflowStopping(spared=spared):
                self.stopping = set(spared)
            case _:
                self._ended(fact)

    def _ended(self, fact: msgspec.Struct) -> None:
        steps = self.plan.flow.steps
        match fact:
            case events.StepCompleted(step=step, edges=edges, again=back):
                if back is None or not back.taken:
                    self._edges(steps[step], edges, "completed")
            case events.StepFailed(step=step, edges=edges, handled=handled):
                self._edges(steps[step], edges, "failed")
                met = {edge.edge for edge in edges if edge.result == "satisfied"}
                failure = [edge.number for edge in steps[step].outgoing if edge.when == "failure"]
                assert handled == any(number in met for number in failure)
            case events.StepCancelled(cancelled=cancelled):
                for one in cancelled:
                    self._edges(steps[one.step], one.edges, "cancelled")
            case events.StepSkipped(skipped=skipped, cut=cut):
                for skip in skipped:
                    assert cut or self.doomed(steps[skip.step]), f"{skip.step} was skipped too early"
                    assert {edge.result for edge in skip.edges} <= {"dead"}
                    for edge in skip.edges:
                        self._edge(edge)

    def _attempt(self, step: str, iteration: int, attempt: int) -> None:
        assert (step, iteration, attempt) not in self.begun
        self.begun.add((step, iteration, attempt))

    def _forget(self, reset: tuple[str, ...]) -> None:
        for id_ in reset:
            for edge in self.plan.flow.steps[id_].outgoing:
                assert edge.target in reset
                self.edges.pop(edge.number, None)

    def _edges(self, step: PlannedStep, came: tuple[Crossing, ...], outcome: str) -> None:
        if not came and step.outgoing:
            return  # the run ended on the spot
        assert [edge.edge for edge in came] == [edge.number for edge in step.outgoing]
        taken = 0
        for edge, planned in zip(came, step.outgoing, strict=True):
            if planned.when not in FITS[outcome]:
                assert edge.result == "unsatisfied"
            elif planned.condition is None and not (planned.first and taken):
                assert edge.result == "satisfied"
            taken += planned.first and edge.result == "satisfied"
            self._edge(edge)
        assert taken <= 1

    def _edge(self, edge: Crossing) -> None:
        target = self.plan.flow.steps[edge.to]
        assert self.edges.get(edge.edge) is None, f"edge {edge.edge} ended twice"
        before = self.holds(target)
        self.edges[edge.edge] = edge.result
        if edge.opens:
            assert not before
            assert self.holds(target)

    # ── the state between decisions ──

    def _state(self, state: RunState, flying: frozenset[tuple[str, int, int]]) -> None:
        running = {
            (id_, step.iteration, step.attempt)
            for id_, step in state.steps.items()
            if step.status == "running"
        }
        assert running == flying
        assert len(flying) == state.active <= self.plan.max_parallel
        assert len(state.ready) == len(set(state.ready))
        assert set(state.ready) == {id_ for id_, step in state.steps.items() if step.queued}
        assert set(state.seen) == {id_ for id_, step in state.steps.items() if step.status in OVER}
        assert state.bytes >= 0
        if state.ended or state.status == "new":
            return
        if state.queued:
            assert not flying, "it waits for its turn, and runs"
            return
        for id_, planned in self.plan.flow.steps.items():
            step = state.steps.get(id_)
            if step is None or (step.status == "pending" and not step.queued):
                assert not self.holds(planned), f"{id_} could begin and does not"
                assert not self.doomed(planned), f"{id_} can never begin and is not skipped"
