"""A player: drives the machine without a loop, a database or time of its own, in any order that can happen.

    play = Play(plan, seed=3)
    play.begin()
    play.to_the_end()
    play.state.status, play.runs("fetch")

It does what an actor will do: it keeps what the machine wants (attempts, timers, waits, children), and has
one of the things that can happen next happen. What attempts come to is told by a script, or else by the kind
of the step, from its rendered input. A witness (`witness.py`) looks at every decision.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from callboard import facts
from callboard.checking import accept
from callboard.facts import events
from callboard.facts.child_events import Given
from callboard.outcome import Batch, Child, Done, Fail, Failure, Outcome, Retry, Wait
from callboard.planning.plan import Plan
from callboard.run import (
    Answered,
    AttemptEnded,
    CancelAttempt,
    CancelChild,
    ChildHasEnded,
    CloseWait,
    Command,
    Decision,
    DropTimer,
    End,
    GoOn,
    Limits,
    OpenWait,
    Recover,
    Ruling,
    RunState,
    SetTimer,
    Start,
    StartAttempt,
    StartChild,
    Timer,
    TimerDue,
    decide,
    evolve,
)
from tests.unit.run.witness import Witness, again

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
Script = Mapping[str, Any]
Attempt = tuple[str, int, int]


class Play:
    """One run, played."""

    def __init__(
        self,
        plan: Plan,
        *,
        seed: int | None = 0,
        script: Script | None = None,
        trigger: object = None,
        limits: Limits | None = None,
    ) -> None:
        self.plan = plan
        self.limits = limits or Limits()
        self.luck = None if seed is None else random.Random(seed)
        self.script: dict[str, list[Any]] = {
            id_: list(told) if isinstance(told, list) else [told] for id_, told in (script or {}).items()
        }
        self.trigger = trigger
        self.now = NOON
        self.state = RunState()
        self.history: list[msgspec.Struct] = []
        self.rulings: list[Ruling] = []
        self.flying: dict[Attempt, StartAttempt] = {}
        self.timers: dict[Timer, datetime] = {}
        self.waits: dict[tuple[str, int], OpenWait] = {}
        self.children: dict[str, StartChild] = {}
        self.mishaps = 0.0
        """How probable it is that an item or a round fails."""
        self.started: list[StartAttempt] = []
        self.told: list[str] = []
        """What happened, as `+fetch` and `-fetch`, to look at the order."""
        self.end: str | None = None
        self.most = 0
        self.witness = Witness(plan)

    # ── what can be asked ──

    def runs(self, id_: str) -> int:
        """Return how many attempts of a step were started."""
        return sum(want.step == id_ for want in self.started)

    def status(self, id_: str) -> str:
        step = self.state.steps.get(id_)
        return "pending" if step is None else step.status

    def reasons(self) -> dict[str, str]:
        """Return why each step was skipped."""
        return {
            one.step: one.reason
            for fact in self.history
            if isinstance(fact, events.StepSkipped)
            for one in fact.skipped
        }

    def kinds(self) -> list[str]:
        return [facts.registered(type(fact)).name for fact in self.history]

    # ── what can be done ──

    def say(self, command: Command) -> Decision:
        """Tell the machine something, and do what it wants."""
        decision = decide(self.state, self.plan, command, self.now, self.limits)
        self.history += decision.events
        self.rulings += decision.rulings
        for fact in decision.events:
            if isinstance(fact, events.StepCompleted | events.StepFailed):
                self.told.append(f"-{fact.step}")
        for want in decision.wants:
            self._do(want)
        self.most = max(self.most, len(self.flying))
        self.witness.look(self.state, decision.events, frozenset(self.flying), self.end)
        if self.state.ended:
            assert [self.flying, self.waits, self.timers] == [{}, {}, {}]
        if decision.more:
            return self.say(GoOn())
        return decision

    def begin(self) -> Play:
        self.say(Start(run="r", version=1, trigger=self.trigger, envelope={"kind": "manual"}))
        self.say(GoOn())
        return self

    def _do(self, want: object) -> None:
        match want:
            case StartAttempt():
                key = (want.step, want.iteration, want.attempt)
                assert key not in self.flying
                self.flying[key] = want
                self.started.append(want)
                self.told.append(f"+{want.step}")
            case CancelAttempt(step=step, iteration=iteration, attempt=attempt):
                del self.flying[step, iteration, attempt]
                if self._script(step) == "hang" and len(self.script[step]) > 1:
                    del self.script[step][0]
            case End(status=status):
                assert self.end is None
                self.end = status
            case _:
                self._keep(want)

    def _keep(self, want: object) -> None:
        match want:
            case SetTimer(timer=timer, due=due):
                self.timers[timer] = due
            case DropTimer(timer=timer):
                self.timers.pop(timer, None)
            case OpenWait(step=step, number=number):
                self.waits[step, number] = want
            case CloseWait(step=step, number=number):
                del self.waits[step, number]
            case StartChild(child=child):
                self.children[child.run] = want
            case CancelChild(run=run):
                del self.children[run]

    def finish(self, id_: str, outcome: Outcome | None = None) -> Decision:
        """Let the attempt of a step that is in flight end."""
        key = next(key for key in self.flying if key[0] == id_)
        want = self.flying.pop(key)
        told = self._comes_to(want) if outcome is None else outcome
        luck = 1.0 if self.luck is None else self.luck.random()
        return self.say(AttemptEnded(*key, told, luck))

    def fire(self, timer: Timer) -> Decision:
        """Let a timer come due."""
        self.now = max(self.now, self.timers.pop(timer))
        return self.say(TimerDue(timer))

    def answer(
        self, id_: str, answer: object, *, by: str = "ann", outcome: Outcome | None = None
    ) -> Decision:
        """Answer what a step waits for."""
        step = self.state.steps[id_]
        return self.say(Answered(id_, step.iteration, step.waits, answer, by, outcome or Done(answer)))

    def crash(self) -> Decision:
        """Lose everything that is not in the log, and take the run up again."""
        self.flying.clear()
        self.timers = {timer: due for timer, due in self.timers.items() if timer.kind != "timeout"}
        state = RunState()
        for fact in self.history:
            state = evolve(state, again(fact))
        self.state = state
        return self.say(Recover())

    def to_the_end(self, most: int = 10_000) -> Play:
        """Have things happen until nothing can without a person."""
        for _ in range(most):
            if not self.step():
                return self
        raise AssertionError("The run does not end.")

    def step(self) -> bool:
        """Have one of the things that can happen happen."""
        can: list[Callable[[], Any]] = [
            *(partial(self.finish, id_) for id_, _, _ in self.flying if self._script(id_) != "hang"),
            *(
                partial(self.answer, id_, "yes")
                for (id_, _), want in self.waits.items()
                if want.wait.what in {"answer", "message"}
            ),
            *(partial(self.child_ends, run) for run, want in self.children.items() if want.waited),
        ]
        if not can:
            due = [timer for timer in self.timers if timer.kind in {"retry", "wait"}]
            can = [partial(self.fire, min(due, key=self.timers.__getitem__))] if due else []
        if not can:
            return False
        chosen = can[0] if self.luck is None else self.luck.choice(can)
        self.now += timedelta(milliseconds=7)
        chosen()
        return True

    def child_ends(self, run: str, status: str = "completed", given: Given | None = None) -> Decision:
        """Let a child run end; a round goes on twice, and hands a variable on."""
        want = self.children.pop(run)
        index = want.origin.index
        if index is not None and self.luck is not None and self.luck.random() < self.mishaps:
            status = "failed"
        if given is None:
            given = self._given(index) if want.origin.loops and index is not None else Given()
        well = status == "completed"
        error = None if well else Failure("FAILED", "It failed.")
        told = (
            want.step,
            want.iteration,
            run,
            status,
            {"of": run if index is None else index} if well else None,
            error,
            given,
        )
        return self.say(ChildHasEnded(*told))  # type: ignore[arg-type]  # a status

    def _given(self, index: int) -> Given:
        more = self.luck is not None and self.luck.random() < self.mishaps
        return Given(index < 2 + more, {"round": index})

    def item(self, id_: str, index: int) -> str:
        """Return the run of an item or a round that is under way."""
        found = (run for run, want in self.children.items() if (want.step, want.origin.index) == (id_, index))
        return next(found)

    # ── what attempts come to ──

    def _script(self, id_: str) -> object:
        told = self.script.get(id_)
        return told[0] if told else None

    def _comes_to(self, want: StartAttempt) -> Outcome:
        told = self.script.get(want.step)
        if told:
            said = told.pop(0) if len(told) > 1 else told[0]
            if said != "usual":
                return _outcome(said, want)
        return _by_kind(self.plan.flow.steps[want.step].kind.name, want)


_WAITED = Done({"waited": True})
_SAID: dict[str, Callable[[str, StartAttempt], Outcome]] = {
    "ok": lambda rest, _: Done({"echo": int(rest) if rest else "ok"}),
    "fail": lambda rest, _: Fail(Failure(rest or "FAILED", "It fails.")),
    "retry": lambda rest, _: Retry(Failure(rest or "TIMEOUT", "No answer.")),
    "approval": lambda _, __: Wait("approval", data={"approvers": ["ann"]}),
    "signal": lambda rest, _: Wait("signal", key=rest),
    "answer": lambda rest, _: Wait("answer", key=rest),
    "late": lambda _, __: Wait("signal", key="late", until=NOON + timedelta(hours=1)),
    "child": lambda _, want: Wait("child", child=Child(_run_of(want), "other")),
}
_OF_A_KIND: dict[str, Callable[[Any, StartAttempt], Outcome]] = {
    "core.echo": lambda given, _: Done({"echo": given.get("message", "echo")}),
    "core.set": lambda given, _: Done(None, sets=given),
    "core.fail": lambda given, _: Fail(Failure(given.get("code", "FAILED"), "This step fails.")),
    "core.delay": lambda _, __: Wait("timer", until=NOON + timedelta(minutes=5), expired=_WAITED),
    "approval": lambda given, _: Wait("approval", data=given),
    "wait.signal": lambda given, _: Wait("signal", key=given["signal"]),
    "ask": lambda given, _: Wait("answer", key="q", data=given),
    "each": lambda given, _: Wait(
        "child",
        batch=Batch(
            *("each", len(given["items"]), given.get("parallel", 1)),
            given.get("on_item_failure") == "collect",
        ),
    ),
    "loop": lambda given, _: Wait("child", batch=Batch("loop", given.get("max", 100))),
    "workflow": lambda given, want: Wait("child", child=Child(_run_of(want), given["name"])),
}


def _run_of(want: StartAttempt) -> str:
    return f"{want.step}-{want.iteration}-{want.attempt}"


def _outcome(said: str, want: StartAttempt) -> Outcome:
    word, _, rest = said.partition(" ")
    return _SAID[word](rest, want)


def _by_kind(kind: str, want: StartAttempt) -> Outcome:
    return _OF_A_KIND[kind](want.input.value, want)


# ── plays of a few steps ─────────────────────────────────────────────────────────────────────────────────

A = {"id": "a", "uses": "core.echo"}
B = {"id": "b", "uses": "core.echo"}
C = {"id": "c", "uses": "core.echo"}


def play(*steps: dict[str, Any], limits: Limits | None = None, script: Any = None, **more: Any) -> Play:
    """Return a run of these steps, in which things happen in the order in which they can."""
    plan = accept(json.dumps({"name": "moments", "steps": steps} | more)).plan
    return Play(plan, seed=None, limits=limits, script=script, trigger={"n": 1})


def folded(play: Play) -> RunState:
    """Return the state as it is rebuilt from the log."""
    state = RunState()
    for fact in play.history:
        state = evolve(state, again(fact))
    return state
