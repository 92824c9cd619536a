"""The graph of a definition: which steps lead to which, in one form, however the edges were written.

`needs: [a]` of b, an entry of a's `next`, and the order in which steps are written where none has a success
edge, are all a `Link` here. Nothing in this file looks into conditions or parameters, so it can be asked of a
definition that has faults elsewhere: the check names cycles with it, and `plan.py` builds on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Literal

import msgspec

from callboard.workflow import Path, Step
from callboard.workflow.definition import When


class Link(msgspec.Struct, frozen=True):
    """One edge, and where it is written."""

    source: str
    target: str
    when: When
    condition: str
    """As written; empty is true."""
    origin: Literal["next", "needs", "order"]
    first: bool
    """Whether it is one of a `route: first`, of which at most one is taken."""
    path: Path
    """In the steps of the definition; of an edge by order it is the target's."""


class Graph:
    """Steps by id, and the edges between them. Edges to steps that are not there are left out."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.ids = tuple(dict.fromkeys(step.id for step in steps if step.id))
        self.links = tuple(_links(steps, frozenset(self.ids)))
        self.outgoing: Mapping[str, tuple[Link, ...]] = _by(
            self.ids, ((one.source, one) for one in self.links)
        )
        self.incoming: Mapping[str, tuple[Link, ...]] = _by(
            self.ids, ((one.target, one) for one in self.links)
        )
        """Edges that are `next` of one step stand in the order in which they are written."""

    @cached_property
    def cycles(self) -> list[list[str]]:
        """One cycle for each knot of steps that lead back to themselves, as `[a, b, a]`."""
        return [_way_round(self, knot) for knot in _knots(self)]

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The steps so that each comes after those that lead to it; with cycles, as far as it goes."""
        left = {id_: len(self.incoming[id_]) for id_ in self.ids}
        ready = [id_ for id_ in self.ids if not left[id_]]
        found = []
        for id_ in ready:
            found.append(id_)
            for link in self.outgoing[id_]:
                left[link.target] -= 1
                if not left[link.target]:
                    ready.append(link.target)
        return tuple(found)

    @cached_property
    def before(self) -> Mapping[str, int]:
        """For each step those that lead to it, directly or not, as bits by place in `ids`."""
        place = {id_: 1 << number for number, id_ in enumerate(self.ids)}
        found: dict[str, int] = {}
        for id_ in self.order:
            bits = 0
            for link in self.incoming[id_]:
                bits |= found[link.source] | place[link.source]
            found[id_] = bits
        return found

    def leads_to(self, first: str, then: str) -> bool:
        """Whether a step comes before another on some way."""
        return bool(self.before.get(then, 0) >> self._place[first] & 1)

    def following(self, id_: str) -> tuple[str, ...]:
        """Return a step and all that follow it, in order."""
        return tuple(one for one in self.order if one == id_ or self.leads_to(id_, one))

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {id_: number for number, id_ in enumerate(self.ids)}


def _links(steps: Sequence[Step], known: frozenset[str]) -> Iterator[Link]:
    written: list[Link] = []
    seen: set[str] = set()
    for number, step in enumerate(steps):
        if step.id not in known or step.id in seen:
            continue
        seen.add(step.id)
        single = not isinstance(step.next, list)
        for place, edge in enumerate(step.edges()):
            path: Path = (number, "next") if single else (number, "next", place)
            written.append(Link(step.id, edge.to, edge.when, edge.if_, "next", step.route == "first", path))
        for place, id_ in enumerate(step.needed()):
            path = (number, "needs", place) if isinstance(step.needs, list) else (number, "needs")
            written.append(Link(id_, step.id, "success", "", "needs", first=False, path=path))
    there = [link for link in written if link.source in known and link.target in known]
    yield from there
    if not any(link.when == "success" for link in written):
        yield from _in_the_order_written(steps, {link.target for link in there}, known)


def _in_the_order_written(steps: Sequence[Step], outside: set[str], known: frozenset[str]) -> Iterator[Link]:
    """Yield edges from step to step; targets of failure and always edges stand outside."""
    before: str | None = None
    seen: set[str] = set()
    for number, step in enumerate(steps):
        if step.id in outside or step.id in seen or step.id not in known:
            continue
        seen.add(step.id)
        if before is not None:
            yield Link(before, step.id, "success", "", "order", first=False, path=(number,))
        before = step.id


def _by(ids: Iterable[str], links: Iterable[tuple[str, Link]]) -> dict[str, tuple[Link, ...]]:
    found: dict[str, list[Link]] = {id_: [] for id_ in ids}
    for id_, link in links:
        found[id_].append(link)
    return {id_: tuple(of_it) for id_, of_it in found.items()}


def _knots(graph: Graph) -> Iterator[list[str]]:
    """Yield each set of steps that all lead to one another (Tarjan, without recursion)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for start in graph.ids:
        if start in number:
            continue
        work = [(start, iter(graph.outgoing[start]))]
        number[start] = low[start] = len(number)
        stack.append(start)
        on_stack.add(start)
        while work:
            here, links = work[-1]
            for link in links:
                there = link.target
                if there not in number:
                    number[there] = low[there] = len(number)
                    stack.append(there)
                    on_stack.add(there)
                    work.append((there, iter(graph.outgoing[there])))
                    break
                if there in on_stack:
                    low[here] = min(low[here], number[there])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[here])
                if low[here] == number[here]:
                    knot = stack[stack.index(here) :]
                    del stack[len(stack) - len(knot) :]
                    on_stack -= set(knot)
                    if len(knot) > 1 or any(link.target == here for link in graph.outgoing[here]):
                        yield knot


def _way_round(graph: Graph, knot: Sequence[str]) -> list[str]:
    """Return the shortest way from the first written step of a knot back to itself."""
    inside = set(knot)
    start = next(id_ for id_ in graph.ids if id_ in inside)
    came_from: dict[str, str] = {}
    ready = [start]
    for here in ready:
        for link in graph.outgoing[here]:
            if link.target == start:
                back = []
                while here != start:
                    back.append(here)
                    here = came_from[here]  # noqa: PLW2901 - the search is over
                return [start, *reversed(back), start]
            if link.target in inside and link.target not in came_from:
                came_from[link.target] = here
                ready.append(link.target)
    return [start, start]
