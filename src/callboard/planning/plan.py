"""The plan: a definition that was checked, resolved into what a run lives on.

    plan = compile_plan(definition, CATALOGUE)
    flow = plan.flow
    flow.starts                         # ids of the steps that have no way in: they are activated first
    flow.steps["fetch"].outgoing        # its edges, in the order in which they are looked at
    flow.steps["done"].incoming         # the edges that its join waits for
    flow.steps["panel"].again.resets    # what one more round resets: a step and all that follows it

How a run reads it. It starts `flow.starts`. When a step ends, `again` is looked at first (if it completed),
then `outgoing` in order: of edges with `first`, only up to the one that holds. An edge is known in events by
its `number`. Each edge that ends is counted against the `join` of its target: `all` wants every edge of
`incoming` satisfied, `settled` every edge resolved and one satisfied, `count` so many satisfied (`any` is a
count of 1). A step whose join can no longer hold is skipped. `order` lists steps so that each comes after all
that lead to it.

Everything here is resolved: defaults are filled in, durations are seconds, templates and conditions are
compiled, and a plan never changes, so one serves all runs of a version at once. A step of the kind `each` or
`loop` has a flow of its own as its `body`; its steps see those of the flow around it as they were when the
body began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from callboard.errors import NotFound
from callboard.expressions import Condition, Template, Value, condition, template, value
from callboard.planning.graph import Graph, Link
from callboard.planning.step import Catalogue, Kind
from callboard.schedule import Schedule
from callboard.units import seconds
from callboard.workflow import Definition, Step, built, checksum, described
from callboard.workflow.definition import Again, Consensus, Every, On, OnMessage, OnRun, Retry, When


class Edge(msgspec.Struct, frozen=True):
    """One way from a step to another."""

    number: int
    """Its place among the edges of its flow; the same as long as the version is."""
    source: str
    target: str
    when: When
    condition: Condition | None
    """Nothing is true."""
    text: str
    """The condition as written, for the decision's row."""
    origin: Literal["next", "needs", "order"]
    first: bool
    """One of a `route: first`: it is looked at only while none before it held."""


class Join(msgspec.Struct, frozen=True):
    """Which of a step's ways in must be satisfied."""

    kind: Literal["all", "settled", "count"]
    count: int = 0


class Retrying(msgspec.Struct, frozen=True):
    """How transient faults are tried again."""

    attempts: int
    delay: float
    factor: float
    max_delay: float
    jitter: bool
    rerender: bool


class GoBack(msgspec.Struct, frozen=True):
    """The `again` of a step."""

    to: str
    condition: Condition | None
    text: str
    max: int
    resets: tuple[str, ...]
    """What is reset, the step that goes back among it, in the order of the flow."""


class PlannedStep(msgspec.Struct, frozen=True):
    """One step, with all that a run needs to know of it."""

    id: str
    kind: Kind
    parameters: Value
    """Without what the kind looks at itself."""
    conditions: Mapping[str, Condition]
    body: Flow | None
    timeout: float
    retry: Retrying
    on_interrupt: Literal["retry", "fail", "hold"]
    join: Join
    incoming: tuple[Edge, ...]
    outgoing: tuple[Edge, ...]
    again: GoBack | None
    judged: bool
    """Whether anything looks at what it came to as it ends: its `again`, or the condition of an edge."""
    consensus: Consensus | None


class Flow(msgspec.Struct, frozen=True):
    """Steps and the edges between them: of a workflow, or of a body."""

    steps: Mapping[str, PlannedStep]
    """In the order in which they are written."""
    order: tuple[str, ...]
    starts: tuple[str, ...]
    edges: tuple[Edge, ...]


class PlannedTrigger(msgspec.Struct, frozen=True):
    """One entry of `on`; which of the four it is, is the one that is set."""

    number: int
    schedule: Schedule | None
    missed: Literal["once", "all", "skip"]
    webhook: str | None
    hmac: str | None
    bearer: str | None
    message: OnMessage | None
    run: OnRun | None
    condition: Condition | None
    text: str
    input: Value | None
    """Over `event`; nothing means that the event itself is `trigger`."""


class Crowding(msgspec.Struct, frozen=True):
    """How many runs with one key there may be at once."""

    key: Template
    limit: int
    on_limit: Literal["queue", "reject", "replace"]


class Body(msgspec.Struct, frozen=True):
    """What the run of an item or a round needs to know of the step under which its own stand."""

    step: str
    last: str
    """The step that is written last: its output is that of the body."""
    conditions: Mapping[str, Condition]


class Plan(msgspec.Struct, frozen=True):
    """One version of a workflow, ready to run."""

    name: str
    checksum: str
    flow: Flow
    vars: Mapping[str, Any]
    timeout: float
    deadline: float | None
    crowding: Crowding | None
    max_parallel: int
    stops_on_failure: bool
    context: Literal["summary", "full", "keys"]
    input: Mapping[str, Any] | None
    triggers: tuple[PlannedTrigger, ...]
    output: Value | None
    body: Body | None = None
    """Of a plan that is the inside of a step."""

    def inside(self, path: Sequence[str]) -> Plan:
        """Return what the runs of items or rounds live on whose steps stand under those of the path."""
        flow, step = self.flow, None
        for id_ in path:
            step = flow.steps[id_]
            if step.body is None:
                raise NotFound(f"{self.name} has no steps under {id_}.")
            flow = step.body
        if step is None:
            return self
        body = Body(step.id, [*flow.steps][-1], step.conditions)
        return msgspec.structs.replace(
            self,
            flow=flow,
            vars={},
            deadline=None,
            crowding=None,
            input=None,
            triggers=(),
            output=None,
            body=body,
        )


# ── compiling ────────────────────────────────────────────────────────────────────────────────────────────


def compile_plan(definition: Definition, catalogue: Catalogue) -> Plan:
    """Compile a definition that has passed the check; one that has not raises whatever it stumbles over."""
    crowded = definition.concurrency
    return Plan(
        name=definition.name,
        checksum=checksum(definition),
        flow=flow_of(definition.steps, catalogue),
        vars=MappingProxyType(definition.vars),
        timeout=seconds(definition.timeout),
        deadline=None if definition.deadline is None else seconds(definition.deadline),
        crowding=None
        if crowded is None
        else Crowding(template(crowded.key), crowded.limit, crowded.on_limit),
        max_parallel=definition.max_parallel,
        stops_on_failure=definition.on_failure == "stop",
        context=definition.context,
        input=definition.input,
        triggers=tuple(_trigger(number, on) for number, on in enumerate(definition.on)),
        output=None if definition.output is None else value(definition.output),
    )


def flow_of(steps: Sequence[Step], catalogue: Catalogue) -> Flow:
    """Compile steps and what leads from one to another."""
    graph = Graph(steps)
    edges = {link: _edge(number, link) for number, link in enumerate(graph.links)}
    planned = {step.id: _step(step, graph, edges, catalogue) for step in steps}
    return Flow(
        steps=MappingProxyType(planned),
        order=graph.order,
        starts=tuple(id_ for id_ in graph.ids if not graph.incoming[id_]),
        edges=tuple(edges.values()),
    )


def _edge(number: int, link: Link) -> Edge:
    return Edge(
        number=number,
        source=link.source,
        target=link.target,
        when=link.when,
        condition=_condition(link.condition),
        text=link.condition,
        origin=link.origin,
        first=link.first,
    )


def _step(step: Step, graph: Graph, edges: Mapping[Link, Edge], catalogue: Catalogue) -> PlannedStep:
    kind = catalogue.kinds[step.uses]
    given = step.with_
    apart = {*kind.conditions, kind.body}
    incoming = tuple(edges[link] for link in graph.incoming[step.id])
    outgoing = tuple(edges[link] for link in graph.outgoing[step.id])
    return PlannedStep(
        id=step.id,
        kind=kind,
        parameters=value({name: item for name, item in given.items() if name not in apart}),
        conditions={name: condition(given[name]) for name in kind.conditions if name in given},
        body=flow_of(body_of(kind, step), catalogue) if kind.body in given else None,
        timeout=seconds(step.timeout),
        retry=_retrying(step.retry or Retry()),
        on_interrupt=step.on_interrupt,
        join=joined(step, [edge.origin for edge in incoming]),
        incoming=incoming,
        outgoing=outgoing,
        again=None if step.again is None else _going_back(step.again, graph),
        judged=step.again is not None or any(edge.condition is not None for edge in outgoing),
        consensus=(step.consensus or Consensus()) if kind.consensus else None,
    )


def body_of(kind: Kind, step: Step) -> list[Step]:
    """Return the steps that stand under a step of a kind that has a body."""
    written = step.with_.get(kind.body or "")
    found: list[Step] = built(written if isinstance(written, list) else [], described(list[Step]))
    return found


def joined(step: Step, origins: Sequence[str]) -> Join:
    """Return the join of a step, its default resolved."""
    said = step.join
    if said is None:
        return Join("all" if "needs" in origins else "settled")
    if said == "any":
        return Join("count", 1)
    return Join("count", said) if isinstance(said, int) else Join(said)


def _going_back(said: Again, graph: Graph) -> GoBack:
    return GoBack(said.to, _condition(said.if_), said.if_, said.max, graph.following(said.to))


def _retrying(said: Retry) -> Retrying:
    return Retrying(
        attempts=said.attempts,
        delay=seconds(said.delay),
        factor=said.factor,
        max_delay=seconds(said.max_delay),
        jitter=said.jitter == "full",
        rerender=said.rerender,
    )


def _condition(text: str) -> Condition | None:
    return condition(text) if text.strip() else None


def _trigger(number: int, on: On) -> PlannedTrigger:
    schedule = None
    if isinstance(on.schedule, Every):
        schedule = Schedule.read_every(on.schedule.every, on.timezone)
    elif on.schedule is not None:
        schedule = Schedule.read(on.schedule, on.timezone)
    return PlannedTrigger(
        number=number,
        schedule=schedule,
        missed=on.missed,
        webhook=on.webhook,
        hmac=None if on.auth is None else on.auth.hmac,
        bearer=None if on.auth is None else on.auth.bearer,
        message=on.message,
        run=on.run,
        condition=_condition(on.if_),
        text=on.if_,
        input=None if on.input is None else value(on.input),
    )
