"""The critic: looks at all that runs left behind, after each life, and says what was promised and is not so.

One run after another it hands to the prompter; here stands what lies between runs, and between them and the
world: effects of actions, what operators were told, children and parents, what triggers have started.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.simulation.deeds import Deeds
from tests.simulation.prompter import ENDS, Prompter
from tests.simulation.record import Event, Record
from tests.simulation.scripts import Script
from tests.simulation.witness import Said, Witness

RUN = "run:"
STARTS = {"start", "fork"}
STANDS_ALREADY = {"publish", "reactivate"}
"""What may be so already: then it is acknowledged, and nothing is written."""
ENTERS = {"workflow_started", "workflow_admitted", "reopened"}
CHILDREN = "SELECT parent FROM workflow_children JOIN workflow_runs ON run_id = child WHERE ended_at IS NULL"


class Critic:
    """One look at all runs."""

    def __init__(
        self,
        record: Record,
        database: Path,
        witness: Witness,
        deeds: Deeds,
        scripts: dict[str, Script],
        *,
        rested: bool,
    ) -> None:
        self.record = record
        self.database = database
        self.witness = witness
        self.deeds = deeds
        self.scripts = scripts
        self.rested = rested
        self.runs: dict[str, list[Event]] = defaultdict(list)
        for event in record.events.values():
            if event.stream.startswith(RUN):
                self.runs[event.stream.removeprefix(RUN)].append(event)
        self.first = {run: events[0].data for run, events in self.runs.items()}
        self.prompters: dict[str, Prompter] = {}

    def findings(self) -> Iterator[str]:
        """Say what is wrong."""
        for run, events in self.runs.items():
            for said in self._follow(run, events):
                yield f"run {self.first[run]['workflow']} {run[-6:]}: {said}"
        yield from self._effects()
        yield from self._told()
        yield from self._children()
        yield from self._crowds()
        yield from self._said()
        yield from self._triggers()
        yield from self._causes()
        yield from self._rows()

    def _follow(self, run: str, events: list[Event]) -> Iterator[str]:
        found = self._script(run)
        if found is None:
            yield f"nobody wrote {self.first[run].get('vars')}"
            return
        prompter = self.prompters[run] = Prompter(run, found, self.first[run].get("trigger"))
        for event in events:
            for said in prompter.follow(event):
                yield f"{said} (at {event.position})"

    def _script(self, run: str) -> Script | None:
        """Return what a run goes by: its version for life, and of items and rounds the steps under a step."""
        first = self.first[run]
        origin = first.get("origin") or {}
        if not origin.get("path"):
            return self.scripts.get((first.get("vars") or {}).get("edition", ""))
        whole = self._script(origin["parent"])
        return None if whole is None else whole.bodies[origin["path"][-1]]

    # ── the world outside ────────────────────────────────────────────────────────────────────────────────

    def _effects(self) -> Iterator[str]:
        """Each attempt is written down before it is made, made but once, and done where its step is."""
        made: Counter[tuple[str, str, int, int]] = Counter()
        returned: dict[tuple[str, str, int, int], Any] = {}
        for call in self.deeds.calls:
            at = call.at
            made[at] += 1
            if call.key != f"{call.run}:{call.step}:{call.iteration}":
                yield f"{at} was made under the key {call.key}"
            prompter = self.prompters.get(call.run)
            if prompter is None or at[1:] not in prompter.begun:
                yield f"{at} was made, and nothing says that it began"
            if call.outcome == "returned":
                returned[at] = {"n": call.n}
        for at, count in made.items():
            if count > 1:
                yield f"{at} was made {count} times"
        for run, prompter in self.prompters.items():
            for key, output in prompter.done.items():
                known = returned.get((run, *key))
                if prompter.script.kinds[key[0]] == "work" and output != known:
                    yield f"{(run, *key)} completed with {output}, and the world knows {known}"

    def _told(self) -> Iterator[str]:
        """What was acknowledged is there, under the name of who was told so; what was refused is not."""
        facts: Counter[str] = Counter()
        for event in self.record.events.values():
            facts[event.principal] += 1
        by_key: dict[str, set[str]] = defaultdict(set)
        for said in self.witness.said:
            if said.do == "say":
                continue
            there = facts[f"op-{said.number}"]
            if said.outcome == "refused" and there:
                yield f"the {said.do} {said.number} was refused ({said.id}), and left {there} facts"
            if said.outcome == "acknowledged":
                yield from self._kept(said, there)
                if said.key:
                    by_key[said.key].add(said.id)
        for key, runs in by_key.items():
            if len(runs) > 1:
                yield f"{key} began {len(runs)} runs"
        yield from self._keys()

    def _kept(self, said: Said, there: int) -> Iterator[str]:
        if said.do in STARTS and said.id not in self.runs:
            yield f"the {said.do} {said.number} was acknowledged, and there is no run {said.id}"
        elif not there and not said.key and said.do not in STANDS_ALREADY:
            yield f"the {said.do} {said.number} of {said.to} was acknowledged and is lost"

    def _keys(self) -> Iterator[str]:
        """Of all that asked with one request id, one at most began a run, also where nobody was told."""
        began: Counter[str] = Counter()
        numbers = {f"op-{said.number}": said.key for said in self.witness.said if said.key}
        for first in self.first.values():
            manual = (first.get("envelope") or {}).get("kind") == "manual"
            if manual and not first.get("origin") and not first.get("forked"):
                key = numbers.get(first.get("principal", ""))
                began[key or ""] += bool(key)
        for key, count in began.items():
            if key and count > 1:
                yield f"{key} began {count} runs"

    # ── parents and children ─────────────────────────────────────────────────────────────────────────────

    def _children(self) -> Iterator[str]:
        """Each child that is named is there, and what its parent was told of its end is how it ended."""
        named: Counter[str] = Counter()
        for run, events in self.runs.items():
            for event in events:
                if event.type == "child_started":
                    named[event.data["run"]] += 1
                    if event.data["run"] not in self.runs:
                        yield f"{run} started {event.data['run']}, and there is no such run"
                elif event.type == "child_ended" and event.data["run"]:
                    yield from self._ended(run, event)
        for run, first in self.first.items():
            if first.get("origin") and named[run] != 1:
                yield f"the child {run} was started {named[run]} times"
            if first.get("origin") and self.rested and not self.prompters[run].ended:
                yield f"the child {run} has not ended"

    def _ended(self, parent: str, told: Event) -> Iterator[str]:
        ends = [
            (event.position, ENDS[event.type], event.data)
            for event in self.runs.get(told.data["run"], [])
            if event.type in ENDS and event.position < told.position
        ]
        if not ends or ends[-1][1] != told.data["status"]:
            yield f"{parent} was told that {told.data['run']} {told.data['status']}, and it is {ends[-1:]}"
            return
        script, step = self._script(parent), told.data["step"]
        test = None if script is None else script.untils.get(step)
        if test is not None and ends[-1][1] == "completed":
            outputs = self.prompters[told.data["run"]].output
            on = not test.holds(None, outputs) if test.step in outputs else True
            if on != told.data.get("goes_on", False):
                yield f"the loop {step} of {parent} goes on: {told.data.get('goes_on', False)}, and not {on}"

    def _crowds(self) -> Iterator[str]:
        """At no position are there more runs under a concurrency key than may be."""
        there: dict[tuple[str, str], set[str]] = defaultdict(set)
        for event in self.record.events.values():
            run = event.stream.removeprefix(RUN)
            crowded = self.first[run].get("crowded") if run in self.first else None
            if not crowded or crowded.get("refused"):
                continue
            holders = there[self.first[run]["workflow"], crowded["key"]]
            if event.type in ENDS:
                holders.discard(run)
            elif event.type in ENTERS and not (event.type == "workflow_started" and crowded.get("queued")):
                holders.add(run)
            if len(holders) > crowded["limit"]:
                yield f"{len(holders)} runs under {crowded['key']} at {event.position}"

    # ── messages and triggers ────────────────────────────────────────────────────────────────────────────

    def _said(self) -> Iterator[str]:
        """A step that says a message says it once, with its completion."""
        said: Counter[str] = Counter()
        done: Counter[str] = Counter()
        for message in self.record.messages.values():
            if message.to == "echoes":
                said[f"{message.sender} {message.body['step']}"] += 1
        for run, prompter in self.prompters.items():
            for step, _, _ in prompter.done:
                if prompter.script.kinds[step] == "message.publish":
                    done[f"workflow.{self.first[run]['workflow']} {step}"] += 1
        if said != done:
            yield f"steps said {dict(said - done)} too often, and {dict(done - said)} too seldom"

    def _triggers(self) -> Iterator[str]:
        """A message, a time and an end of a run start one run each."""
        began: Counter[tuple[str, Any]] = Counter()
        for first_event in (events[0] for events in self.runs.values()):
            envelope = first_event.data.get("envelope") or {}
            if first_event.data.get("origin") or first_event.data.get("forked"):
                continue
            if envelope.get("kind") in {"message", "run"}:
                began[envelope["trigger"], first_event.cause] += 1
            elif envelope.get("kind") == "schedule":
                began[envelope["trigger"], envelope["scheduled_for"]] += 1
        for (trigger, about), count in began.items():
            if count > 1:
                yield f"{trigger} was fired {count} times by {about}"
        if self.rested:
            yield from self._unfired({about for _, about in began})

    def _unfired(self, fired: set[Any]) -> Iterator[str]:
        done = fired | {one.cause for one in self.record.events.values() if one.type == "trigger_not_fired"}
        since = {
            event.stream.removeprefix("trigger:").partition(".")[0]: event.position
            for event in reversed(self.record.events.values())
            if event.type.startswith("trigger_") and event.version == 1
        }
        for message in self.record.messages.values():
            heard = message.to == "jobs" and message.position > since.get("onjob", self.record.head)
            if heard and message.position not in done:
                yield f"the message {message.position} started nothing"
        for position in self._ends_heard():
            if position > since.get("onend", self.record.head) and position not in done:
                yield f"the end of a run at {position} started nothing"

    def _ends_heard(self) -> Iterator[int]:
        workflow, status = self.scripts["onend.1"].hears or ("", "")
        for run, events in self.runs.items():
            inside = (self.first[run].get("origin") or {}).get("path")
            if self.first[run]["workflow"] == workflow and not inside:
                ends = [event for event in events if event.type in ENDS]
                yield from (event.position for event in ends if status in {"any", ENDS[event.type]})

    def _causes(self) -> Iterator[str]:
        for position, (cause, principal) in self.record.causes.items():
            if cause is None and not principal:
                yield f"nobody is named who brought about {position}"
            if cause is not None and (cause >= position or cause not in self.record.causes):
                yield f"the cause of {position} is {cause}"

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────

    def _rows(self) -> Iterator[str]:
        """The list of runs says what the facts say, and every run that has not ended goes on by something."""
        with closing(sqlite3.connect(self.database)) as db:
            rows = dict(db.execute("SELECT run_id, status FROM workflow_runs"))
            owned = {row[0].removeprefix(RUN) for row in db.execute("SELECT owner FROM waits")}
            owned |= {row[0].removeprefix(RUN) for row in db.execute("SELECT target FROM timers")}
            for query in (
                "SELECT run_id FROM workflow_queue",
                "SELECT run_id FROM workflow_steps WHERE status = 'running'",
                CHILDREN,
            ):
                owned |= {row[0] for row in db.execute(query)}
        if set(rows) != set(self.runs):
            yield f"the list has other runs than the log: {sorted(set(rows) ^ set(self.runs))[:3]}"
        for run, prompter in self.prompters.items():
            status = rows.get(run, "")
            if prompter.ended and status != prompter.ended:
                yield f"run {run} {prompter.ended}, and the list says {status}"
            if not prompter.ended and run not in owned and status not in {"paused", "crashed"}:
                yield f"nothing will bring back run {run}, which is {status}"
