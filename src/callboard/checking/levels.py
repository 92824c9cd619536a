"""The levels of a definition: its own steps, and under them the steps of each `each` and `loop`.

A level is what the checks of steps and edges work on. Steps of a body see those of the levels around it, so
ids are unique in the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callboard.planning.graph import Graph
from callboard.planning.step import Catalogue, Kind
from callboard.workflow import Notes, Path, Shape, Step, built, described, of_an_edge
from callboard.workflow.accepting import HINTS
from callboard.workflow.definition import MOST_STEPS

DEEPEST = 5


class Level:
    """Steps that stand side by side, and what is around them."""

    def __init__(self, steps: list[Step], path: Path, parent: Level | None, *, sound: bool) -> None:
        self.steps = steps
        self.path = path
        """Of the list of steps."""
        self.parent = parent
        self.sound = sound
        """Whether every step and edge could be read."""
        self.graph = Graph(steps)
        self.depth: int = 0 if parent is None else parent.depth + 1

    def place(self, number: int, *rest: str | int) -> Path:
        """Return the path of something in a step."""
        return (*self.path, number, *rest)

    @property
    def around(self) -> Iterator[Level]:
        """This level and those around it."""
        here: Level | None = self
        while here is not None:
            yield here
            here = here.parent

    def home(self, id_: str) -> Level | None:
        """Return the level on which a step of that id stands, as seen from here."""
        return next((level for level in self.around if id_ in level.graph.outgoing), None)

    def known(self) -> list[str]:
        """Return the ids that can be seen from here."""
        return [id_ for level in self.around for id_ in level.graph.ids]


def levels(steps: list[Step], catalogue: Catalogue, notes: Notes, *, sound: bool) -> list[Level]:
    """Return the level of a file's own steps and all levels under it; write down what is wrong there."""
    found = [Level(steps, ("steps",), None, sound=sound)]
    count = len(steps)
    for level in found:
        for number, step in enumerate(level.steps):
            kind = catalogue.kind(step.uses)
            if kind is None or kind.body is None or not isinstance(step.with_.get(kind.body), list):
                continue
            path = level.place(number, "with", kind.body)
            count += len(step.with_[kind.body])
            if count > MOST_STEPS:
                said = f"A workflow has at most {MOST_STEPS:,} steps, those in bodies included."
                notes.error(path, "TOO_MANY_STEPS", said)
                return found
            if level.depth >= DEEPEST:
                notes.error(path, "NESTING_TOO_DEEP", f"Steps stand at most {DEEPEST} deep in one another.")
                continue
            found.append(_body(kind, step, path, level, notes))
    _ids_once(found, notes)
    return found


def _body(kind: Kind, step: Step, path: Path, level: Level, notes: Notes) -> Level:
    sound = True

    def note(where: Path, code: str, message: str, key: bool) -> None:  # noqa: FBT001 - a callback
        nonlocal sound
        sound = sound and not of_an_edge(where[len(path) :])
        notes.error(where, code, message, key=key)

    described_as = described(list[Step])
    value = step.with_[kind.body or ""]
    if not value:
        notes.error(path, "OUT_OF_BOUNDS", "This list is empty.")
    read = Shape(note, templates=False, near=notes.near, hints=HINTS).read(value, described_as, path)
    return Level(built(read, described_as), path, level, sound=sound)


def _ids_once(found: list[Level], notes: Notes) -> None:
    first: dict[str, Path] = {}
    for level in found:
        for number, step in enumerate(level.steps):
            path = level.place(number, "id")
            if step.id in first:
                line, _ = notes.source.place(first[step.id])
                said = f"There is a step {step.id} already, in line {line}: an id is unique in its file."
                notes.error(path, "ID_TWICE", said)
            elif step.id:
                first[step.id] = path


def set_variables(found: list[Level], given: Mapping[str, object]) -> set[str]:
    """Return the names that `vars` may have: those of the file, and those that steps set."""
    return set(given).union(
        *(step.with_ for level in found for step in level.steps if step.uses == "core.set"),
    )
