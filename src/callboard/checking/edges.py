"""The graph of steps: targets, cycles, joins that cannot hold, steps that are never reached, ways back.

What is said of a whole graph is said only when every step and edge of it could be read; else one slip would
be told as ten. An edge counts as a way in whatever its `when` is; it does not where no run can ever take it.
"""

from __future__ import annotations

from collections.abc import Sequence

from callboard.checking.levels import Level
from callboard.planning.graph import Link
from callboard.planning.plan import joined
from callboard.planning.step import Catalogue
from callboard.workflow import Notes, Path, Step

_FALSE = frozenset({"false", "False"})
_MANY = 2
_SHOWN = 12
"""Steps of a cycle that are named; of a longer one the rest is left out."""


def check_edges(level: Level, notes: Notes) -> None:
    """Check the edges of one level."""
    for number, step in enumerate(level.steps):
        _targets(level, number, step, notes)
    for cycle in level.graph.cycles:
        _cycle(level, cycle, notes)
    if not level.sound or level.graph.cycles or any(_unknown(level, step) for step in level.steps):
        return
    number_of = {step.id: number for number, step in reversed(list(enumerate(level.steps)))}
    dead = _never_looked_at(level, notes)
    _reachable(level, number_of, dead, notes)
    _ways_back(level, number_of, notes)
    _alone(level, number_of, notes)


def _unknown(level: Level, step: Step) -> bool:
    targets = [*(edge.to for edge in step.edges()), *step.needed()]
    return any(target not in level.graph.outgoing for target in targets)


def _targets(level: Level, number: int, step: Step, notes: Notes) -> None:
    single = not isinstance(step.next, list)
    named: list[tuple[Path, str]] = []
    for place, edge in enumerate(step.edges()):
        path: Path = ("next",) if single else ("next", place)
        written = step.next if single else step.next[place]  # type: ignore[index]  # it is a list here
        named.append((path if isinstance(written, str) else (*path, "to"), edge.to))
    for place, id_ in enumerate(step.needed()):
        named.append((("needs", place) if isinstance(step.needs, list) else ("needs",), id_))
    if step.again is not None:
        named.append((("again", "to"), step.again.to))
    seen: dict[tuple[str | int, str], Path] = {}
    for path, target in named:
        if not target:
            continue
        if target not in level.graph.outgoing:
            notes.error(level.place(number, *path), "TARGET_UNKNOWN", _no_target(level, target, notes))
        elif path[0] == "needs" and seen.setdefault((path[0], target), path) != path:
            said = f"{target} is named twice here."
            notes.warning(level.place(number, *path), "EDGE_TWICE", said)


def _no_target(level: Level, target: str, notes: Notes) -> str:
    if level.home(target) is not None:
        return f"The step {target} stands outside of this body: an edge leads to a step beside it."
    hint = notes.near(target, level.graph.ids)
    return f"There is no step {target[:100]!r}{hint}."


def _cycle(level: Level, cycle: Sequence[str], notes: Notes) -> None:
    link = next(link for link in level.graph.outgoing[cycle[0]] if link.target == cycle[1])
    shown = list(cycle) if len(cycle) <= _SHOWN else [*cycle[: _SHOWN - 2], "…", cycle[-1]]
    said = f"These steps wait for one another: {' → '.join(shown)}. To go back to a step, use again."
    notes.error((*level.path, *link.path), "CYCLE", said)


def _never_looked_at(level: Level, notes: Notes) -> set[Link]:
    """Return the edges that no run can take, and write down those behind one that always holds."""
    dead: set[Link] = set()
    for links in level.graph.outgoing.values():
        taken: dict[str, Link] = {}
        for link in links:
            if link.condition.strip() in _FALSE:
                dead.add(link)
            if not link.first:
                continue
            before = taken.get(link.when) or taken.get("always")
            if before is not None:
                dead.add(link)
                said = (
                    f"With route: first this edge is never looked at: {before.target} is always taken first."
                )
                notes.warning((*level.path, *link.path), "EDGE_NEVER", said)
            elif not link.condition.strip():
                taken[link.when] = link
                if "success" in taken and "failure" in taken:
                    taken["always"] = link
    return dead


def _reachable(level: Level, number_of: dict[str, int], dead: set[Link], notes: Notes) -> None:
    reached: set[str] = set()
    for id_ in level.graph.order:
        incoming = level.graph.incoming[id_]
        step = level.steps[number_of[id_]]
        join = joined(step, [link.origin for link in incoming])
        needed = {"all": len(incoming), "settled": min(1, len(incoming)), "count": join.count}[join.kind]
        if needed > len(incoming):
            said = f"{needed} edges are to be satisfied, and {len(incoming)} lead to {id_}."
            if step.join == "any":
                said = f"No edge leads to {id_}, so none can be satisfied: it needs no join."
            notes.error(level.place(number_of[id_], "join"), "JOIN_NEVER", said)
            reached.add(id_)  # told once: what follows is not to blame
            continue
        alive = [link for link in incoming if link not in dead and link.source in reached]
        if incoming and len(alive) < max(needed, 1):
            said = f"The step {id_} is never reached: no run can take enough of the edges that lead to it."
            notes.error(level.place(number_of[id_], "id"), "UNREACHABLE", said)
        elif incoming and _together(alive) < needed:
            said = (
                f"The step {id_} is never reached: of the edges that lead to it {_together(alive)} at most "
                f"hold in one run, and its join wants {needed}."
            )
            notes.error(level.place(number_of[id_], "id"), "UNREACHABLE", said)
            reached.add(id_)
        else:
            reached.add(id_)


def _together(links: Sequence[Link]) -> int:
    """Return how many of some edges can hold in one run, by how the steps that they leave may end."""
    by_source: dict[str, list[Link]] = {}
    for link in links:
        by_source.setdefault(link.source, []).append(link)
    return sum(
        max(_in_outcome(of_one, outcome) for outcome in ("success", "failure"))
        for of_one in by_source.values()
    )


def _in_outcome(links: Sequence[Link], outcome: str) -> int:
    holding = [link for link in links if link.when in {outcome, "always"}]
    chosen = any(link.first for link in holding)
    return sum(not link.first for link in holding) + chosen


def _ways_back(level: Level, number_of: dict[str, int], notes: Notes) -> None:
    for step in level.steps:
        again = step.again
        if again is None or again.to not in level.graph.outgoing:
            continue
        if again.to != step.id and not level.graph.leads_to(again.to, step.id):
            said = f"again goes back to {step.id} or to a step that leads to it, and {again.to} does not."
            notes.error(level.place(number_of[step.id], "again", "to"), "AGAIN_NOT_BEFORE", said)


def _alone(level: Level, number_of: dict[str, int], notes: Notes) -> None:
    """Warn of a step without any edge beside others that have some: to start at once may not be meant."""
    if len(level.steps) < _MANY:
        return
    if not any(link.origin != "order" for link in level.graph.links):
        return
    for id_ in level.graph.ids:
        if not level.graph.incoming[id_] and not level.graph.outgoing[id_]:
            said = f"No edge leads to {id_} or from it, so it starts at once, beside the first step."
            notes.warning(level.place(number_of[id_], "id"), "STEP_ALONE", said)


def check_failures(levels: Sequence[Level], catalogue: Catalogue, notes: Notes) -> None:
    """Warn where a step can fail and nothing in the file looks at a failure."""
    if any(link.when != "success" for level in levels for link in level.graph.links):
        return
    for step in levels[0].steps:
        kind = catalogue.kind(step.uses)
        if kind is not None and not kind.pure and kind.name not in {"core.delay", "core.fail"}:
            said = f"When {step.id} fails the run just fails: an edge with when: failure could do something."
            notes.warning(("steps",), "NO_FAILURE_PATH", said, key=True)
            return
