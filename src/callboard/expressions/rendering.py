"""Templates, conditions and values, as the rest of the house uses them: compiled once, evaluated often.

Here an evaluation gets its budget, and a fault inside it gets its place and becomes an `ExpressionFailed`.
The last nets are here too: whatever Python itself could still raise ends as that error, never as a dead
process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from jinja2 import nodes

from callboard.errors import ExpressionFailed, ExpressionInvalid
from callboard.expressions import calls, operands
from callboard.expressions.compiling import Compiler, Expression, Frame, use
from callboard.expressions.faults import Absent, Fault
from callboard.expressions.limits import Budget, Limits
from callboard.expressions.operands import Comparison, comparison
from callboard.expressions.operators import SIGNS
from callboard.expressions.parsing import cut, is_template, parse_expression, parse_template
from callboard.expressions.segments import Secret, Segments
from callboard.expressions.statements import Pieces, Statement, body, put_out, warn
from callboard.expressions.values import copied, glimpse, truth
from callboard.spelling import shown

_TABLE = operands.TABLE | calls.TABLE
_DEFAULT = Limits()
_NETS = (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, MemoryError)
"""What Python raises where a check of ours should have come first: a bug each time, never a dead process."""

_LONGEST_REASON = 200

Scope = Mapping[str, object]


class Verdict(msgspec.Struct, frozen=True):
    """What a condition came to, and why, for the decision row."""

    holds: bool
    reason: str


class Output(msgspec.Struct, frozen=True):
    """What a lenient rendering came to; each warning names a value that was missing."""

    value: object
    warnings: tuple[str, ...] = ()


class _Parsed:
    """What templates, conditions and values have in common: what they refer to."""

    __slots__ = ("references", "roots", "secrets", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.references: frozenset[tuple[str, ...]] = frozenset()
        """Constant paths from a root, such as `("steps", "fetch", "output")`."""

        self.roots: frozenset[str] = frozenset()
        """The names that paths begin with."""

        self.secrets: frozenset[str] = frozenset()
        """The names of the secrets that the text uses."""

    def _refer(self, references: set[tuple[str, ...]], secrets: set[str]) -> None:
        self.references = frozenset(references)
        self.roots = frozenset(path[0] for path in references)
        self.secrets = frozenset(secrets)


class Template(_Parsed):
    """A text with `{{ … }}` and `{% … %}` in it. One whole `{{ … }}` keeps its type, all else is text."""

    __slots__ = ("_cost", "_literal", "_path", "_slots", "_statements", "_whole")

    def __init__(self, text: str, limits: Limits) -> None:
        super().__init__(text)
        self._whole: Expression | None = None
        self._path: tuple[str, ...] = ()
        self._statements: list[Statement] = []
        self._cost = self._slots = 0
        self._literal = not is_template(text)
        if self._literal:
            return
        tree = parse_template(text, limits)
        compiler = Compiler(text, limits, _TABLE, unknowns=False)
        only = _only_expression(tree)
        if only is not None:
            self._whole = put_out(compiler, only)
            self._path = _bare_path(only)
        else:
            self._statements = body(compiler, tree.body)
        self._cost, self._slots = compiler.cost, compiler.slots
        self._refer(compiler.references, compiler.secrets)

    def render(self, scope: Scope, limits: Limits = _DEFAULT) -> object:
        """Return the value or the text; `Segments` where a secret is named. A missing value is an error."""
        return self.rendered(scope, Budget(limits), None)

    def lenient(self, scope: Scope, limits: Limits = _DEFAULT) -> Output:
        """Render as a workflow's `output` is: a missing value is null, with a warning."""
        warnings: list[str] = []
        return Output(self.rendered(scope, Budget(limits), warnings), tuple(warnings))

    def rendered(self, scope: Scope, budget: Budget, warnings: list[str] | None) -> object:
        """Render with a budget that others may share."""
        if self._literal:
            return self.text
        frame = None
        try:
            here: Any = scope
            for key in self._path:
                if type(here) is not dict or key not in here:
                    break
                here = here[key]
            else:
                if self._path:  # the commonest text is one reference to what is there: it needs no frame
                    budget.step(self._cost)
                    return copied(here, budget)
            frame = Frame(scope, budget, self._slots, warnings)
            budget.step(self._cost)
            if self._whole is not None:
                return self._value(self._whole, frame)
            pieces: Pieces = []
            for statement in self._statements:
                statement(frame, pieces)
        except Fault as fault:
            raise self._failed(str(fault), frame) from None
        except _NETS as error:
            sentence = f"it cannot be evaluated ({type(error).__name__}: {shown(str(error))})"
            raise self._failed(sentence, frame) from error
        return _joined(pieces) if self.secrets else "".join(pieces)  # type: ignore[arg-type]  # no secret, so all text

    def _value(self, whole: Expression, frame: Frame) -> object:
        try:
            value = whole(frame)
            if type(value) is Secret:
                return Segments((value,))
            return copied(value, frame.budget)
        except Absent as absent:
            warn(frame, absent)
            return None

    def _failed(self, sentence: str, frame: Frame | None) -> ExpressionFailed:
        line = 1 if frame is None else frame.line
        place = f"Line {line} of {shown(self.text)}" if "\n" in self.text else shown(self.text)
        return ExpressionFailed(f"{place}: {cut(sentence)}.", line=line)


def _only_expression(tree: nodes.Template) -> nodes.Node | None:
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output) and len(tree.body[0].nodes) == 1:
        (node,) = tree.body[0].nodes
        return None if isinstance(node, nodes.TemplateData) else node
    return None


def _bare_path(node: nodes.Node) -> tuple[str, ...]:
    """Return the keys of a reference such as `steps.fetch.output`, its root first; of all else, none."""
    keys: list[str] = []
    while isinstance(node, nodes.Getattr):
        keys.append(node.attr)
        node = node.node
    return (node.name, *reversed(keys)) if isinstance(node, nodes.Name) else ()


def _joined(pieces: Pieces) -> object:
    """Join neighbouring texts; what holds no secret after all is a text."""
    joined: list[str | Secret] = []
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
            continue
        if texts:
            joined.append("".join(texts))
            texts = []
        joined.append(piece)
    if not joined:
        return "".join(texts)
    return Segments((*joined, "".join(texts)) if texts else tuple(joined))


class Condition(_Parsed):
    """A bare expression that holds or does not; an empty one holds.

    A missing value is unknown, as NULL is in SQL. `and` and `or` look past it where the other side settles
    the matter (`x or true` holds, `x and false` does not); all else that uses it is unknown too, `not x`
    included, and a condition that comes out unknown does not hold. So a slip in a name lets nothing through,
    however the condition is turned. `is defined`, `is undefined` and `default` see a missing value as it is.
    """

    __slots__ = ("_comparison", "_cost", "_shown", "_value")

    def __init__(self, text: str, limits: Limits) -> None:
        super().__init__(text)
        self._value: Expression | None = None
        self._comparison: Comparison | None = None
        self._cost = 0
        self._shown = _on_one_line(text)
        if not text.strip():
            return
        tree = parse_expression(text, limits)
        compiler = Compiler(text, limits, _TABLE, unknowns=True)
        if isinstance(tree, nodes.Compare):
            compiler.enter(tree)
            self._comparison = comparison(compiler, tree)
        else:
            self._value = compiler.expression(tree)
        self._cost = compiler.cost
        self._refer(compiler.references, compiler.secrets)

    def holds(self, scope: Scope, limits: Limits = _DEFAULT) -> Verdict:
        """Say whether it holds, and why. It never raises: what cannot be evaluated does not hold."""
        if not self._cost:
            return Verdict(holds=True, reason="there is no condition")
        text = self._shown
        frame = Frame(scope, Budget(limits), 0, None)
        try:
            frame.budget.step(self._cost)
            if self._comparison is not None:
                return _compared(text, self._comparison, frame)
            value = use(self._value(frame))  # type: ignore[misc]  # one of the two is there
        except Fault as fault:
            return Verdict(holds=False, reason=f"{text}: {cut(str(fault))}")
        except _NETS as error:
            return Verdict(holds=False, reason=f"{text}: it cannot be evaluated ({type(error).__name__})")
        held = truth(value)
        came_to = "" if isinstance(value, bool) else f"{glimpse(value)} is "
        return Verdict(holds=held, reason=f"{text}: {came_to}{str(held).lower()}")


def _on_one_line(text: str) -> str:
    """Return a condition as it stands in a reason: on one line, and cut when long."""
    line = " ".join(text[:400].split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 1]}…"


def _compared(text: str, parts: Comparison, frame: Frame) -> Verdict:
    """Compare, and show what was compared with what."""
    first, rest = parts
    left = first(frame)
    seen, held = glimpse(left), True
    for sign, apply, operand in rest:
        right = operand(frame)
        seen += f" {SIGNS[sign]} {glimpse(right)}"
        held = apply(left, right, frame.budget)
        if not held:
            break
        left = right
    return Verdict(holds=held, reason=f"{text}: {seen} is {str(held).lower()}")


class Value(_Parsed):
    """A JSON value whose texts are templates; keys are literal. All of it shares one budget."""

    __slots__ = ("_build",)

    def __init__(self, value: object, limits: Limits) -> None:
        super().__init__("")
        references: set[tuple[str, ...]] = set()
        secrets: set[str] = set()
        self._build = _part(value, limits, (), references, secrets)
        self._refer(references, secrets)

    def render(self, scope: Scope, limits: Limits = _DEFAULT) -> object:
        """Return the value with every template in it rendered; a missing value is an error."""
        return self._build(scope, Budget(limits), None)

    def lenient(self, scope: Scope, limits: Limits = _DEFAULT) -> Output:
        """Render as a workflow's `output` is: a missing value is null, with a warning."""
        warnings: list[str] = []
        return Output(self._build(scope, Budget(limits), warnings), tuple(warnings))


Build = Callable[[Scope, Budget, list[str] | None], object]


def _part(
    value: object,
    limits: Limits,
    at: tuple[str | int, ...],
    references: set[tuple[str, ...]],
    secrets: set[str],
) -> Build:
    if len(at) > limits.depth:
        raise ExpressionInvalid(f"A value is nested more than {limits.depth} deep.", at=list(at))
    if isinstance(value, str):
        return _template_part(value, limits, at, references, secrets)
    if isinstance(value, list):
        items = [_part(item, limits, (*at, place), references, secrets) for place, item in enumerate(value)]
        return lambda scope, budget, warnings: [build(scope, budget, warnings) for build in items]
    if isinstance(value, dict):
        fields = {key: _part(item, limits, (*at, key), references, secrets) for key, item in value.items()}
        alive = [(key, build) for key, build in fields.items() if not _is_literal(value[key])]
        return _object(dict(value), alive)
    if value is None or isinstance(value, (bool, int, float)):
        return lambda *_: value
    raise ExpressionInvalid(f"{_place_text(at)} is no JSON: {shown(value)}.", at=list(at))


def _is_literal(value: object) -> bool:
    return not isinstance(value, (list, dict)) and not (isinstance(value, str) and is_template(value))


def _object(shape: dict[str, object], alive: list[tuple[str, Build]]) -> Build:
    """Build an object by taking it as it is written, and putting in what is not literal."""

    def build(scope: Scope, budget: Budget, warnings: list[str] | None) -> object:
        made = shape.copy()
        for key, part in alive:
            made[key] = part(scope, budget, warnings)
        return made

    return build


def _template_part(
    text: str,
    limits: Limits,
    at: tuple[str | int, ...],
    references: set[tuple[str, ...]],
    secrets: set[str],
) -> Build:
    try:
        made = Template(text, limits)
    except ExpressionInvalid as error:
        message = f"{_place_text(at)}: {error.message}" if at else error.message
        raise ExpressionInvalid(message, **(error.details | {"at": list(at)})) from None
    references |= made.references
    secrets |= made.secrets
    if not is_template(text):
        return lambda *_: text

    def build(scope: Scope, budget: Budget, warnings: list[str] | None) -> object:
        try:
            return made.rendered(scope, budget, warnings)
        except ExpressionFailed as error:
            message = f"{_place_text(at)}: {error.message}" if at else error.message
            raise ExpressionFailed(message, **(error.details | {"at": list(at)})) from error.__cause__

    return build


def _place_text(at: tuple[str | int, ...]) -> str:
    """Write a place in a value as it stands in a sentence, such as `body.lines[0]`."""
    text = ""
    for key in at:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text or "The value"


def template(text: str, limits: Limits = _DEFAULT) -> Template:
    """Parse a template; `ExpressionInvalid` says what is wrong with it and where."""
    return Template(text, limits)


def condition(text: str, limits: Limits = _DEFAULT) -> Condition:
    """Parse a condition; `ExpressionInvalid` says what is wrong with it and where."""
    return Condition(text, limits)


def value(json_value: object, limits: Limits = _DEFAULT) -> Value:
    """Parse each text in a JSON value as a template; `ExpressionInvalid` says what is wrong and where."""
    return Value(json_value, limits)
