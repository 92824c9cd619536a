"""Templates and conditions: their syntax, and whether what they refer to can be there.

Every text is compiled as the run will compile it. What it refers to is then looked at from where it stands:
which names there are, which steps, and whether a step can have ended by then. Compiling costs some
microseconds for each character inside `{{ }}`, so a file may have so many of these and no more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from callboard.checking.levels import Level
from callboard.errors import ExpressionInvalid
from callboard.expressions import Condition, Template, condition, template
from callboard.spelling import shown
from callboard.units import size_text
from callboard.workflow import Notes, Path, is_template

MOST_SOURCE = 128 << 10
"""Characters inside `{{ }}` and of conditions, in one file."""

MOST_FAULTY = 60
"""Texts that do not compile; no more are tried then."""

ALWAYS = frozenset({"trigger", "vars", "run", "workflow", "now"})
OF_STEPS = ALWAYS | {"steps", "previous"}
OF_A_BODY = frozenset({"item", "index"})
OF_A_LOOP = frozenset({"index"})
OF_A_TRIGGER = frozenset({"event", "trigger", "vars", "workflow", "now"})

_FIELDS = {
    "steps": ("status", "output", "error", "iteration", "attempts"),
    "run": ("id", "trigger", "principal", "attempt"),
}
_ERROR = ("code", "message", "attempts")
_BEGIN = re.compile(r"\{[{%]")
_END = re.compile(r"[}%]\}")
_PLACE = re.compile(r"Line [0-9]+ of ")


class Where(NamedTuple):
    """From where an expression looks."""

    roots: frozenset[str]
    level: Level | None = None
    step: str | None = None
    ended: bool = False
    """Whether that step has ended when it is looked at: so it is for its edges."""
    secrets: bool = False
    fields: Mapping[str, Collection[str]] = {}
    """Roots of which all fields are known: what a template asks for."""


class Language:
    """The expressions of one file."""

    def __init__(self, notes: Notes, variables: set[str], reset: set[str]) -> None:
        self._notes = notes
        self._variables = variables
        self._reset = reset
        """Steps that some `again` resets: only these have a previous iteration."""
        self._compiled: dict[tuple[str, bool], Template | Condition | ExpressionInvalid] = {}
        self._left = MOST_SOURCE
        self._faulty = 0
        self.used: set[str] = set()
        """Steps that something refers to, or fields that a template asks for; `*` is all of them."""

    def value(self, value: object, path: Path, where: Where) -> None:
        """Check all texts in a value; its keys are no templates."""
        for inner, text in _texts(value, path):
            self._check(text, inner, where, bare=False)

    def condition(self, text: object, path: Path, where: Where) -> None:
        """Check a condition."""
        if not isinstance(text, str) or not text.strip():
            return
        if "{{" in text:
            said = "A condition is a bare expression: take the {{ }} away."
            self._notes.error(path, "CONDITION_INVALID", said)
            return
        self._check(text, path, where, bare=True)

    def _check(self, text: str, path: Path, where: Where, *, bare: bool) -> None:
        found = self._compile(text, path, bare=bare)
        if isinstance(found, ExpressionInvalid):
            self._tell(found, text, path, bare=bare)
        elif found is not None:
            self._refers(found, path, where)
            if found.secrets and not where.secrets:
                said = "A secret may not stand here: only steps that take it to its service may have it."
                self._notes.error(path, "SECRET_MISPLACED", said)

    def _compile(
        self, text: str, path: Path, *, bare: bool
    ) -> Template | Condition | ExpressionInvalid | None:
        known = self._compiled.get((text, bare))
        if known is not None:
            return known
        if self._left < 0 or self._faulty >= MOST_FAULTY:
            return None
        self._left -= len(text) if bare else _inside_tags(text)
        if self._left < 0:
            said = f"The expressions of this file have more than {size_text(MOST_SOURCE)} in all."
            self._notes.error(path, "EXPRESSIONS_TOO_LARGE", said)
            return None
        found: Template | Condition | ExpressionInvalid
        try:
            found = condition(text) if bare else template(text)
        except ExpressionInvalid as error:
            self._faulty += 1
            found = error
        self._compiled[text, bare] = found
        return found

    def _tell(self, error: ExpressionInvalid, text: str, path: Path, *, bare: bool) -> None:
        code = "CONDITION_INVALID" if bare else "TEMPLATE_INVALID"
        sentence = _PLACE.sub("", error.message, count=1).removeprefix(f"{shown(text)}: ")
        line = error.line or 1
        column = error.column or _begin(text, line)
        what = "condition" if bare else "template"
        self._notes.inside(path, line, column, code, f"This {what} cannot be read: {sentence}")

    # ── what it refers to ────────────────────────────────────────────────────────────────────────────────

    def _refers(self, found: Template | Condition, path: Path, where: Where) -> None:
        for root in sorted(found.roots - where.roots):
            code, said = self._root(root, where)
            self._notes.inside(path, *_at(found.text, (root,)), code, said)
        for reference in sorted(found.references):
            if reference[0] in where.roots:
                for code, said in self._reference(reference, where):
                    warning = code not in {"STEP_UNKNOWN", "ANSWER_UNKNOWN"}
                    if not (warning and self._notes.warned_enough):
                        place = _at(found.text, reference)
                        self._notes.inside(path, *place, code, said, warning=warning)

    def _root(self, root: str, where: Where) -> tuple[str, str]:
        if root in OF_A_BODY:
            kinds = "each and loop" if root in OF_A_LOOP else "each"
            return "LOOP_ONLY", f"{root} is there only in the steps of {kinds}."
        if root in OF_STEPS | OF_A_TRIGGER:
            return "ROOT_MISPLACED", f"{root} is not there yet where this is looked at."
        known = where.level.known() if where.level is not None else ()
        hint = f"; write steps.{root}" if root in known else self._notes.near(root, sorted(where.roots))
        return "ROOT_UNKNOWN", f"There is no {root[:100]!r} in expressions{hint}."

    def _reference(self, reference: tuple[str, ...], where: Where) -> Iterator[tuple[str, str]]:
        root, *rest = reference
        if root in {"steps", "previous"} and where.level is not None:
            if rest:
                yield from self._step(root, rest, where, where.level)
            else:
                self.used.add("*")
        elif root == "vars" and rest and rest[0] not in self._variables:
            hint = self._notes.near(rest[0], self._variables)
            yield "VARIABLE_UNKNOWN", f"No variable {rest[0][:100]!r} is set in this file{hint}."
        elif root == "run":
            yield from self._field(rest[:1], _FIELDS["run"], "run")
        elif root in where.fields:
            self.used.add(rest[0] if rest else "*")
            if rest and rest[0] not in where.fields[root]:
                hint = self._notes.near(rest[0], where.fields[root])
                yield "ANSWER_UNKNOWN", f"No field asks for {root}.{rest[0][:100]}{hint}."

    def _step(self, root: str, rest: Sequence[str], where: Where, level: Level) -> Iterator[tuple[str, str]]:
        id_ = rest[0]
        home = level.home(id_)
        if home is None:
            hint = _minus(id_, level.known()) or self._notes.near(id_, level.known())
            yield "STEP_UNKNOWN", f"There is no step {id_[:100]!r}{hint}."
            return
        self.used.add(id_)
        yield from self._field(rest[1:2], _FIELDS["steps"], f"{root}.{id_}")
        if rest[1:2] == ["error"]:
            yield from self._field(rest[2:3], _ERROR, f"{root}.{id_}.error")
        if root == "previous" and id_ not in self._reset:
            yield "STEP_NOT_BEFORE", f"{id_} has no previous iteration: no again goes back to it."
        elif root == "steps" and where.step is not None:
            said = self._in_time(id_, home, where)
            if said is not None:
                yield "STEP_NOT_BEFORE", said

    def _in_time(self, id_: str, home: Level, where: Where) -> str | None:
        """Say so where nothing makes a step end before what refers to it is looked at."""
        here = _stands_in(home, where)
        graph = home.graph
        if here is None or graph.cycles or not home.sound:
            return None
        if here == id_:
            if where.ended and where.level is home:
                return None
            hint = "; its last iteration is in previous" if id_ in self._reset else ""
            return f"{id_} has not ended when this is looked at: it stands in the step itself{hint}."
        if graph.leads_to(here, id_):
            return f"{id_} cannot have ended when this is looked at: it follows {here}."
        if not graph.leads_to(id_, here):
            return f"Nothing makes {id_} end before {here}: it may be missing when this is looked at."
        return None

    def _field(self, given: Sequence[str], known: tuple[str, ...], of: str) -> Iterator[tuple[str, str]]:
        if given and given[0] not in known:
            hint = self._notes.near(given[0], known) or f": there are {', '.join(known)}"
            yield "FIELD_UNKNOWN", f"{of} has no {given[0][:100]!r}{hint}."


def _stands_in(home: Level, where: Where) -> str | None:
    """Return the step of a level in which an expression stands, itself or with the body around it."""
    level, step = where.level, where.step
    while level is not None and level is not home:
        number = level.path[-3]
        level = level.parent
        step = level.steps[number].id if level is not None and isinstance(number, int) else None
    return step if level is not None and step in home.graph.outgoing else None


def _texts(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if is_template(value):
            yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*path, number))


def _inside_tags(text: str) -> int:
    """Return how many characters stand inside `{{ }}` and `{% %}`."""
    count = at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        end = _END.search(text, begin.end())
        at = end.end() if end is not None else len(text)
        count += at - begin.start()
    return count


def _at(text: str, reference: Sequence[str]) -> tuple[int, int]:
    """Return line and column of a reference in its text, or of where the text begins."""
    for count in range(len(reference), 0, -1):
        pattern = (
            r"(?<![\w.])"
            + r"\s*[.\[][\s'\"]*".join(re.escape(part) for part in reference[:count])
            + r"(?!\w)"
        )
        found = re.search(pattern, text)
        if found is not None:
            before = text[: found.start()]
            return before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1
    return 1, 1


def _minus(id_: str, known: list[str]) -> str:
    """Say what happened to `steps.fetch-all`: a dash is a minus in expressions."""
    meant = next((name for name in known if name.startswith(f"{id_}-")), None)
    return f": a dash is a minus in expressions, so write steps['{meant}']" if meant else ""


def _begin(text: str, line: int) -> int:
    """Return where, in a line of a text, the expression of that line begins."""
    lines = text.split("\n")
    here = lines[line - 1] if line <= len(lines) else ""
    found: Any = re.search(r"\{\{|\{%|\S", here) if "{" not in here else re.search(r"\{\{|\{%|$", here)
    return int(found.start()) + 1 if found else 1
