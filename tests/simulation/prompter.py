"""The prompter: follows one run fact by fact, its script in hand, and says where it went otherwise.

It reckons for itself what each edge comes to, when a join holds, what goes back, what a failure stops and
what a retry opens again, from what `docs/workflows.md` says of them; of the product it sees only the facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.simulation.record import Event
from tests.simulation.scripts import Edge, Script

FITS = {"completed": {"success", "always"}, "failed": {"failure", "always"}, "cancelled": {"always"}}
LIVE = {"running", "pausing", "waiting", "holding", "recovering"}
OVER = {"completed", "failed", "skipped", "cancelled"}
ENDS = {"workflow_completed": "completed", "workflow_failed": "failed", "workflow_cancelled": "cancelled"}
Crossings = dict[str, str]


class Prompter:
    """One run."""

    def __init__(self, run: str, script: Script, trigger: Any) -> None:
        self.run = run
        self.script = script
        self.trigger = trigger
        self.status = dict.fromkeys(script.order, "pending")
        self.iteration = dict.fromkeys(script.order, 1)
        self.attempt = dict.fromkeys(script.order, 0)
        self.backs = dict.fromkeys(script.order, 0)
        self.output: dict[str, Any] = {}
        self.crossed: dict[tuple[str, str], str] = {}
        self.unhandled: list[str] = []
        self.cut: set[str] = set()
        self.stopping: set[str] | None = None
        """The steps that are spared, while it stops."""
        self.paused = ""
        self.queued = False
        self.held_back: set[str] = set()
        """What it was to begin with; what skips have opened since is open already."""
        self.refused = False
        """It found no place, and its parent is told so."""
        self.ended = ""
        self.begun: set[tuple[str, int, int]] = set()
        """Step, iteration and attempt of all attempts that were written down."""
        self.done: dict[tuple[str, int, int], Any] = {}
        """The same of those that completed a step, with its output."""
        self._going_back: str | None = None

    def follow(self, event: Event) -> Iterator[str]:
        """Take in the next fact; say what is wrong with it."""
        if self.ended and event.type not in {"reopened", "signal_received"}:
            yield f"{event.type} after its end"
        if self._going_back is not None and event.type not in {
            "reworked",
            "workflow_failed",
            "step_cancelled",
        }:
            yield f"{self._going_back} goes back, and {event.type} follows"
        handle = getattr(self, f"_{event.type}", None)
        if handle is not None:
            yield from handle(event.data)
        if event.type in ENDS:
            self.ended = ENDS[event.type]
            self.paused, self._going_back = "", None
            for step, status in self.status.items():
                if status not in OVER:
                    yield f"it {self.ended}, and {step} is {status}"

    # ── joins and edges ──────────────────────────────────────────────────────────────────────────────────

    def joins(self, step: str) -> bool | None:
        """Tell whether the join of a step holds: yes, never, or not yet."""
        into = self.script.incoming(step)
        if not into:
            return True
        results = [self.crossed.get((edge.source, edge.target)) for edge in into]
        good, open_ = results.count("satisfied"), results.count(None)
        match self.script.joins[step]:
            case "all":
                return False if good + open_ < len(into) else (True if not open_ else None)
            case "settled":
                return None if open_ else good > 0
            case join:
                wanted = 1 if join == "any" else int(join)
                return True if good >= wanted else (False if good + open_ < wanted else None)

    def _cross(self, step: str, outcome: str) -> Crossings:
        """Reckon what the edges of a step that has ended come to."""
        found: Crossings = {}
        taken = False
        for edge in self.script.outgoing(step):
            result = "satisfied" if self._holds(edge, outcome, taken) else "unsatisfied"
            if outcome == "skipped":
                result = "dead"
            taken = taken or (edge.first and result == "satisfied")
            found[edge.target] = result
        self.crossed.update({(step, target): result for target, result in found.items()})
        return found

    def _holds(self, edge: Edge, outcome: str, taken: bool) -> bool:
        if edge.when not in FITS.get(outcome, set()) or (edge.first and taken):
            return False
        return edge.test is None or edge.test.holds(self.trigger, self.output)

    def _compare(self, what: str, step: str, told: Any, reckoned: Crossings) -> Iterator[str]:
        found = {edge["to"]: edge.get("result", "satisfied") for edge in told}
        if found != reckoned:
            yield f"{step} {what} with the edges {found}, and not {reckoned}"

    # ── it begins ────────────────────────────────────────────────────────────────────────────────────────

    def _workflow_started(self, data: dict[str, Any]) -> Iterator[str]:
        crowded = data.get("crowded") or {}
        self.queued, self.refused = crowded.get("queued", False), "refused" in crowded
        taken = (data.get("forked") or {}).get("taken", ())
        for one in taken:
            step = one["step"]
            self.status[step], self.iteration[step] = one["status"], one.get("iteration", 1)
            self.attempt[step], self.backs[step] = one.get("attempt", 0), one.get("backs", 0)
            if one["status"] == "completed":
                self.output[step] = one.get("output")
            if not one.get("handled", True):
                self.unhandled.append(step)
        for one in taken:
            reckoned = self._cross(one["step"], one["status"])
            yield from self._compare("was taken over", one["step"], one.get("edges", ()), reckoned)
        opens = {step for step, status in self.status.items() if status == "pending" and self.joins(step)}
        if set(data.get("starts", ())) != opens:
            yield f"it starts with {data.get('starts')}, and not with {sorted(opens)}"
        self.held_back = opens

    def _begins(self, data: dict[str, Any], *wanted: str) -> Iterator[str]:
        step, attempt = data["step"], data.get("attempt", 1)
        key = (step, data.get("iteration", 1), attempt)
        if self.status[step] not in wanted:
            yield f"{step} begins attempt {attempt}, and is {self.status[step]}"
        if self.queued or self.refused:
            yield f"{step} begins, and the run has no place"
        if self.paused:
            yield f"{step} begins while the run is paused by {self.paused}"
        if self.iteration[step] != key[1]:
            yield f"{step} begins in iteration {key[1]}, and not in {self.iteration[step]}"
        if attempt <= self.attempt[step] or key in self.begun:
            yield f"{step} begins attempt {attempt} after {self.attempt[step]}"
        if self.stopping is not None and step not in self.stopping:
            yield f"{step} begins although the run stops"
        self.status[step], self.attempt[step] = "running", attempt
        self.begun.add(key)

    def _step_activated(self, data: dict[str, Any]) -> Iterator[str]:
        if self.joins(data["step"]) is not True:
            yield f"{data['step']} begins, and its join does not hold"
        yield from self._begins(data, "pending")

    def _attempt_started(self, data: dict[str, Any]) -> Iterator[str]:
        yield from self._begins(data, "pausing", "recovering", "released")

    def _moves(self, data: dict[str, Any], to: str, *wanted: str) -> Iterator[str]:
        step = data["step"]
        if self.status[step] not in wanted or data.get("iteration", 1) != self.iteration[step]:
            yield f"{step} is {to} in iteration {data.get('iteration', 1)}, after it was {self.status[step]}"
        self.status[step] = to

    def _attempt_retried(self, data: dict[str, Any]) -> Iterator[str]:
        yield from self._moves(data, "pausing", "running", "waiting")

    def _step_waiting(self, data: dict[str, Any]) -> Iterator[str]:
        yield from self._moves(data, "waiting", "running", "waiting")

    _approval_asked = _step_waiting

    def _hold_released(self, data: dict[str, Any]) -> Iterator[str]:
        yield from self._moves(data, "released", "holding")

    # ── a step ends ──────────────────────────────────────────────────────────────────────────────────────

    def _step_completed(self, data: dict[str, Any]) -> Iterator[str]:
        step = data["step"]
        yield from self._moves(data, "completed", "running", "waiting")
        self.output[step] = data.get("output")
        self.done[step, self.iteration[step], data.get("attempt", 1)] = data.get("output")
        again, taken = self.script.agains.get(step), False
        if again is not None:
            allowed = self.stopping is None or self.script.following({again.to}) <= self.stopping
            holds = again.test is None or again.test.holds(self.trigger, self.output)
            taken = holds and allowed and self.backs[step] < again.most
        if taken != bool((data.get("again") or {}).get("taken")):
            yield f"{step} went back {data.get('again')}, and it should be {taken}"
        if taken:
            self._going_back = step
            return
        yield from self._compare("completed", step, data.get("edges", ()), self._cross(step, "completed"))

    def _reworked(self, data: dict[str, Any]) -> Iterator[str]:
        step, self._going_back = data["step"], None
        reset = self.script.following({self.script.agains[step].to})
        if set(data["reset"]) != reset:
            yield f"{step} had {data['reset']} begin anew, and not {sorted(reset)}"
        self.backs[step] += 1
        for one in reset:
            self.iteration[one] += 1
            self.attempt[one] = 0
        self._forget(reset)
        yield from self._opened(data, reset)

    def _forget(self, reset: set[str]) -> None:
        for one in reset:
            self.status[one] = "pending"
            self.output.pop(one, None)
            self.cut.discard(one)
            for edge in self.script.outgoing(one):
                self.crossed.pop((one, edge.target), None)
        self.unhandled = [one for one in self.unhandled if one not in reset]

    def _opened(self, data: dict[str, Any], reset: set[str]) -> Iterator[str]:
        opens = {one for one in reset if self.status[one] == "pending" and self.joins(one)}
        if set(data.get("opens", ())) != opens:
            yield f"{data.get('opens')} are open again, and not {sorted(opens)}"

    def _step_failed(self, data: dict[str, Any]) -> Iterator[str]:
        step = data["step"]
        yield from self._moves(
            {**data, "iteration": data.get("iteration", 1)}, "failed", *LIVE, "pending", "released"
        )
        reckoned = self._cross(step, "failed")
        yield from self._compare("failed", step, data.get("edges", ()), reckoned)
        handled = any(
            edge.when == "failure" and reckoned[edge.target] == "satisfied"
            for edge in self.script.outgoing(step)
        )
        if handled != data.get("handled", False):
            yield f"the failure of {step} is handled: {data.get('handled', False)}, and not {handled}"
        if not handled:
            self.unhandled.append(step)

    def _step_skipped(self, data: dict[str, Any]) -> Iterator[str]:
        for one in data["skipped"]:
            step = one["step"]
            if self.status[step] not in {"pending", "released"}:
                yield f"{step} is skipped, and was {self.status[step]}"
            if data.get("cut"):
                self.cut.add(step)
            elif self.joins(step) is not False:
                yield f"{step} is skipped, and its join may hold"
            self.status[step] = "skipped"
            if one.get("edges") or not data.get("cut"):
                yield from self._compare(
                    "was skipped", step, one.get("edges", ()), self._cross(step, "skipped")
                )

    def _step_cancelled(self, data: dict[str, Any]) -> Iterator[str]:
        for one in data["cancelled"]:
            step = one["step"]
            if self.status[step] not in LIVE | {"released"}:
                yield f"{step} is cancelled, and was {self.status[step]}"
            self.status[step] = "cancelled"
            if one.get("edges"):
                reckoned = self._cross(step, "cancelled")
                yield from self._compare("was cancelled", step, one["edges"], reckoned)

    # ── the whole run ────────────────────────────────────────────────────────────────────────────────────

    def _workflow_stopping(self, data: dict[str, Any]) -> Iterator[str]:
        if not self.script.stops or data["step"] not in self.unhandled:
            yield f"it stops because of {data['step']}"
        heads = {
            edge.target
            for edge in self.script.edges
            if edge.when == "always" and self.crossed.get((edge.source, edge.target)) == "satisfied"
        }
        spared = {step for step in self.script.following(heads) if self.status[step] not in OVER}
        if set(data.get("spared", ())) != spared:
            yield f"it spares {data.get('spared')}, and not {sorted(spared)}"
        self.stopping = spared

    def _workflow_admitted(self, data: dict[str, Any]) -> Iterator[str]:
        if not self.queued:
            yield "it is admitted, and was not in a queue"
        self.queued = False
        yield from self._opened(data, self.held_back)

    def _workflow_paused(self, data: dict[str, Any]) -> Iterator[str]:
        self.paused = data["by"]
        yield from ()

    def _workflow_resumed(self, _data: dict[str, Any]) -> Iterator[str]:
        self.paused = ""
        yield from ()

    def _workflow_crashed(self, _data: dict[str, Any]) -> Iterator[str]:
        self.paused = "crashed"
        yield from ()

    def _workflow_recovered(self, data: dict[str, Any]) -> Iterator[str]:
        then = {"retry": "recovering", "hold": "holding", "fail": "recovering"}
        for one in data.get("interrupted", ()):
            step = one["step"]
            if self.status[step] != "running" or self.attempt[step] != one.get("attempt", 1):
                yield f"{step} was interrupted, and was {self.status[step]} at attempt {self.attempt[step]}"
            self.status[step] = then[one["then"]]

    def _reopened(self, data: dict[str, Any]) -> Iterator[str]:
        if self.ended != "failed":
            yield f"it is opened again after it {self.ended}"
        roots = {step for step, status in self.status.items() if status == "cancelled" or step in self.cut}
        reset = self.script.following(roots | set(self.unhandled))
        if set(data["reset"]) != reset:
            yield f"{data['reset']} begin anew, and not {sorted(reset)}"
        self.ended, self.stopping, self.paused = "", None, ""
        self._forget(reset)
        yield from self._opened(data, reset)

    def _workflow_completed(self, _data: dict[str, Any]) -> Iterator[str]:
        if self.unhandled:
            yield f"it completed although {self.unhandled} failed"

    def _workflow_failed(self, data: dict[str, Any]) -> Iterator[str]:
        if not self.unhandled and not self.refused:
            yield f"it failed with {data['error']['code']}, and nothing failed in it"
