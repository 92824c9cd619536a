"""The scripts: workflows drawn from dice, each as the text that is published and as a graph for the model.

The graph is what `docs/workflows.md` says of the text: edges, joins, routes and what goes back. The product
never sees it, and the model never sees what the product made of the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from callboard.checking import accept
from callboard.errors import CallboardError
from callboard.planning.step import Catalogue

CROWDED = ("leaf", "branch", "trunk", "onjob", "ticks")
"""Workflows of which there may be but so many runs at once, if the dice say so."""
JURY = ("june", "july", "august")
APPROVERS = ("ann", "bob")
KINDS = {
    "work": 9,
    "core.echo": 2,
    "core.set": 1,
    "core.fail": 0.5,
    "core.delay": 2,
    "wait.signal": 1,
    "wait.message": 1,
    "approval": 1,
    "ask": 1,
    "message.publish": 2,
    "workflow": 1.5,
    "each": 1,
    "loop": 1,
}
BODY_KINDS = ("work", "work", "work", "core.echo", "core.delay", "wait.signal", "message.publish")


@dataclass(frozen=True)
class Test:
    """A condition: a number leaves a rest when it is divided."""

    by: int
    rest: int
    step: str | None = None
    """Whose output holds the number; None is the run's input."""

    @property
    def text(self) -> str:
        number = "trigger.n" if self.step is None else f"steps.{self.step}.output.n"
        return f"{number} % {self.by} == {self.rest}"

    def holds(self, trigger: Any, outputs: dict[str, Any]) -> bool:
        number = trigger["n"] if self.step is None else outputs[self.step]["n"]
        return bool(number % self.by == self.rest)


@dataclass(frozen=True)
class Edge:
    source: str
    target: str
    when: str = "success"
    test: Test | None = None
    first: bool = False
    """It is tried only if none of its source before it held."""


@dataclass(frozen=True)
class Again:
    to: str
    most: int
    test: Test | None


@dataclass
class Script:
    """One workflow, or the steps under one."""

    name: str
    edition: str
    text: str = ""
    order: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    joins: dict[str, str | int] = field(default_factory=dict)
    agains: dict[str, Again] = field(default_factory=dict)
    stops: bool = True
    bodies: dict[str, Script] = field(default_factory=dict)
    hears: tuple[str, str] | None = None
    """The workflow whose ends start it, and with which status."""
    untils: dict[str, Test] = field(default_factory=dict)
    """Of each loop: when it has gone round often enough."""

    def outgoing(self, step: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.source == step]

    def incoming(self, step: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.target == step]

    def following(self, steps: set[str]) -> set[str]:
        """Return steps and all that follow them; every edge leads down the file."""
        found = set(steps)
        for step in self.order:
            if step in found:
                found |= {edge.target for edge in self.outgoing(step)}
        return found


def _approval(dice: Random) -> dict[str, Any]:
    needed = {"approvers": list(APPROVERS), "needed": dice.choice([1, 1, 2])}
    return {**needed, **dice.choice([{}, {}, {"expires": "6s", "default": "approve"}])}


def _ask(dice: Random) -> dict[str, Any]:
    asked = {"bots": dice.sample(JURY, dice.randint(1, len(JURY))), "question": "{{ run.id }}"}
    return {**asked, "answer": {"choices": ["pay", "refuse"]}, "deadline": "20s"}


def _echo(step: str) -> dict[str, Any]:
    return {"channel": "echoes", "type": "echo", "body": {"step": step}}


PARTS: dict[str, Callable[[Random], dict[str, Any]]] = {
    "core.echo": lambda _: {"message": "{{ run.id }}"},
    "core.fail": lambda _: {"code": "AS_WRITTEN", "message": "It says so."},
    "core.delay": lambda dice: {"for": dice.choice(["10ms", "500ms", "5s", "2m"])},
    "wait.signal": lambda dice: {"signal": "go", **dice.choice([{}, {}, {"timeout": "4s"}])},
    "wait.message": lambda dice: {
        "channel": "bell.*",
        **dice.choice([{}, {"timeout": "4s"}, {"type": "ring"}]),
    },
    "approval": _approval,
    "ask": _ask,
}
"""What is written under `with`, for kinds that need to know nothing else."""


class Writer:
    """Draws scripts from dice."""

    def __init__(self, seed: int, catalogue: Catalogue) -> None:
        self._dice = Random(f"scripts {seed}")
        self._accept = partial(accept, catalogue=catalogue)
        self._crowding = {name: self._crowd() for name in CROWDED if self._dice.random() < 0.3}

    def repertoire(self) -> dict[str, Script]:
        """Return all scripts, by their edition."""
        leaf = self._drawn("leaf", [], [])
        branch = self._drawn("branch", ["leaf"], [])
        ticks: dict[str, Any] = {
            "schedule": {"every": "20s"},
            "missed": self._dice.choice(["once", "once", "once", "all"]),
        }
        ticks["input"] = {"n": 4}
        scripts = [
            leaf,
            branch,
            self._drawn("trunk", ["leaf", "branch"], []),
            self._drawn("trunk", ["leaf"], [], number=2),
            self._drawn("onjob", ["leaf"], [{"message": {"channel": "jobs", "type": "job"}}], most=3),
            self._drawn("onend", [], [self._on_end()], most=2),
            self._drawn("ticks", [], [ticks], most=2),
        ]
        return {one.edition: one for one in scripts}

    def _crowd(self) -> dict[str, Any]:
        on_limit = self._dice.choice(["queue", "queue", "reject", "replace"])
        key = self._dice.choice(["all", "{{ trigger.n % 2 }}"])
        return {"key": key, "limit": self._dice.randint(1, 3), "on_limit": on_limit}

    def _on_end(self) -> dict[str, Any]:
        of = {
            "workflow": self._dice.choice(["leaf", "branch"]),
            "status": self._dice.choice(["any", "completed"]),
        }
        return {"run": of, "input": {"n": 3}}

    def _drawn(
        self, name: str, callees: list[str], on: list[Any], *, number: int = 1, most: int = 7
    ) -> Script:
        """Draw until there is one that the check lets pass: some joins can never hold."""
        while True:
            script = Script(name, f"{name}.{number}", stops=self._dice.random() < 0.6)
            steps = self._graph(script, self._dice.randint(1, most), callees, prefix="s")
            written: dict[str, Any] = {
                "name": name,
                "vars": {"edition": script.edition},
                "timeout": "360d",
                "on_failure": "stop" if script.stops else "continue",
                "max_parallel": self._dice.choice([1, 2, 10]),
                "steps": steps,
            }
            if on:
                written["on"] = on
                of = on[0].get("run")
                script.hears = None if of is None else (of["workflow"], of["status"])
            if name in self._crowding:
                written["concurrency"] = self._crowding[name]
            script.text = json.dumps(written)
            try:
                self._accept(script.text)
            except CallboardError:
                continue
            return script

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────

    def _graph(self, script: Script, count: int, callees: list[str], prefix: str) -> list[dict[str, Any]]:
        dice = self._dice
        script.order = [f"{prefix}{number}" for number in range(count)]
        body = prefix != "s"
        for id_ in script.order:
            names = BODY_KINDS if body else [*KINDS]
            weights = None if body else [*KINDS.values()]
            kind = dice.choices(names, weights)[0]
            script.kinds[id_] = "work" if kind == "workflow" and not callees else kind
        steps = [self._step(script, id_, callees) for id_ in script.order]
        if dice.random() < 0.25 or body:
            self._chain(script)
        else:
            self._connect(script, {step["id"]: step for step in steps})
        return steps

    def _step(self, script: Script, id_: str, callees: list[str]) -> dict[str, Any]:
        kind = script.kinds[id_]
        if kind in {"each", "loop"}:
            given = self._with_body(script, id_, kind, callees)
        elif kind in PARTS:
            given = PARTS[kind](self._dice)
        elif kind == "workflow":
            given = {"name": self._dice.choice(callees), "input": {"n": self._dice.randrange(6)}}
            given |= self._dice.choice([{}, {}, {"wait": False}])
        else:
            named = {"core.set": {f"v{id_}": 1}, "message.publish": _echo(id_), "work": {"action": "work"}}
            given = named[kind]
        return {"id": id_, "uses": "python" if kind == "work" else kind, "with": given, **self._policy(kind)}

    def _policy(self, kind: str) -> dict[str, Any]:
        if kind != "work":
            return {}
        retry = {"attempts": self._dice.choice([1, 3, 5]), "delay": "100ms", "max_delay": "1s"}
        interrupted = self._dice.choice(["retry", "retry", "retry", "fail", "hold"])
        return {"timeout": "2s", "retry": retry, "on_interrupt": interrupted}

    def _with_body(self, script: Script, id_: str, kind: str, callees: list[str]) -> dict[str, Any]:
        dice = self._dice
        given: dict[str, Any] = {}
        if kind == "each":
            given = {"items": [{"n": dice.randrange(6)} for _ in range(dice.randint(0, 4))]}
            given |= {"parallel": dice.choice([1, 2, 3]), "on_item_failure": dice.choice(["stop", "collect"])}
            if callees and dice.random() < 0.4:
                return {**given, "workflow": dice.choice(callees)}
        body = Script(script.name, script.edition, stops=script.stops)
        given["steps"] = self._graph(body, dice.randint(1, 3), [], prefix=f"{id_}b")
        script.bodies[id_] = body
        if kind == "loop":
            last = body.order[-1]
            if body.kinds[last] != "work":
                body.kinds[last] = "work"
                given["steps"][-1] = self._step(body, last, [])
            script.untils[id_] = Test(2, dice.randrange(2), last)
            given |= {"until": script.untils[id_].text, "max": dice.choice([2, 4, 8])}
        return given

    # ── edges ────────────────────────────────────────────────────────────────────────────────────────────

    def _chain(self, script: Script) -> None:
        """Say nothing of edges: the steps follow each other as they are written."""
        pairs = zip(script.order, script.order[1:], strict=False)
        script.edges = [Edge(one, two) for one, two in pairs]
        script.joins = dict.fromkeys(script.order, "settled")

    def _connect(self, script: Script, steps: dict[str, dict[str, Any]]) -> None:
        dice, order = self._dice, script.order
        outs: dict[str, list[Edge]] = {id_: [] for id_ in order}
        needs: list[Edge] = []
        for number, id_ in enumerate(order[1:], 1):
            for source in dice.sample(order[:number], min(number, dice.choice([0, 1, 1, 1, 2, 2, 3]))):
                if dice.random() < 0.4:
                    needs.append(Edge(source, id_))
                    steps[id_].setdefault("needs", []).append(source)
                else:
                    outs[source].append(self._edge(script, source, id_))
        if not needs and not any(edge.when == "success" for some in outs.values() for edge in some):
            for step in steps.values():
                step.pop("needs", None)
            self._chain(script)
            return
        for source, edges in outs.items():
            first = len(edges) > 1 and dice.random() < 0.4
            if first:
                steps[source]["route"] = "first"
            written = [Edge(one.source, one.target, one.when, one.test, first) for one in edges]
            if written:
                steps[source]["next"] = [_written(edge) for edge in written]
            script.edges += written
        script.edges += needs
        self._joins(script, steps, {edge.target for edge in needs})
        self._go_back(script, steps)

    def _edge(self, script: Script, source: str, target: str) -> Edge:
        dice = self._dice
        when = dice.choices(["success", "failure", "always"], [6, 2, 1.5])[0]
        test = None
        if dice.random() < 0.4:
            test = Test(dice.choice([2, 3]), dice.randrange(2))
            if when == "success" and script.kinds[source] == "work":
                test = Test(test.by, test.rest, source)
        return Edge(source, target, when, test)

    def _joins(self, script: Script, steps: dict[str, dict[str, Any]], needing: set[str]) -> None:
        for id_ in script.order:
            script.joins[id_] = "all" if id_ in needing else "settled"
            into = len(script.incoming(id_))
            if into > 1 and self._dice.random() < 0.6:
                joins: list[str | int] = ["all", "settled", "any", self._dice.randint(1, into)]
                script.joins[id_] = steps[id_]["join"] = self._dice.choice(joins)

    def _go_back(self, script: Script, steps: dict[str, dict[str, Any]]) -> None:
        """Have one step of the script go back to one that it follows."""
        pairs = [
            (one, two)
            for one in script.order
            for two in script.order
            if one != two and two in script.following({one})
        ]
        if not pairs or self._dice.random() < 0.5:
            return
        to, step = self._dice.choice(pairs)
        on_output = script.kinds[step] == "work" and self._dice.random() < 0.8
        test = Test(2, self._dice.randrange(2), step) if on_output else Test(2, self._dice.randrange(2))
        again = Again(to, self._dice.randint(1, 3), test)
        script.agains[step] = again
        steps[step]["again"] = {"to": to, "max": again.most, "if": test.text}


def _written(edge: Edge) -> dict[str, Any]:
    said = {"to": edge.target, "when": edge.when}
    return said if edge.test is None else {**said, "if": edge.test.text}
