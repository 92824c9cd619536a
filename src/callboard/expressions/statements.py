"""Text, `{{ … }}`, `{% if %}` and `{% for %}`: what a template puts out, piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jinja2 import nodes

from callboard.expressions.compiling import WORDS, Compiler, Expression, Frame, use
from callboard.expressions.faults import Absent, Fault
from callboard.expressions.operands import chosen
from callboard.expressions.parsing import cut
from callboard.expressions.segments import Secret
from callboard.expressions.values import elements, glimpse, kind, plain, text_of, text_size, truth

_LONGEST_SECRET = 200

Pieces = list[str | Secret]
Statement = Callable[[Frame, Pieces], None]


def body(compiler: Compiler, statements: list[nodes.Node]) -> list[Statement]:
    """Compile a run of statements."""
    made: list[Statement] = []
    for node in statements:
        compiler.enter(node)
        if isinstance(node, nodes.Output):
            made.extend(_output(compiler, part) for part in node.nodes)
        elif isinstance(node, nodes.If):
            made.append(_if(compiler, node))
        elif isinstance(node, nodes.For):
            made.append(_Loop(compiler, node))
        else:
            raise compiler.refused(
                node, f"{WORDS.get(type(node).__name__, 'this kind of block is')} not available here"
            )
        compiler.depth -= 1
    return made


def warn(frame: Frame, absent: Absent) -> None:
    """Take a missing value as null, where that is allowed, and say so; elsewhere it stays a fault."""
    if frame.warnings is None:
        raise absent
    frame.warnings.append(f"{cut(str(absent))}, so it is null")


# ── output ───────────────────────────────────────────────────────────────────────────────────────────────


def put_out(compiler: Compiler, node: nodes.Node) -> Expression:
    """Compile what stands in `{{ }}`: the only place where a secret may be named."""
    if isinstance(node, nodes.CondExpr):
        compiler.enter(node)
        made = chosen(compiler, node, partial(put_out, compiler))
        compiler.depth -= 1
        return made
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "secret":
        return _secret(compiler, node)
    return compiler.expression(node)


def _secret(compiler: Compiler, node: nodes.Call) -> Expression:
    name = getattr(node.args[0], "value", None) if len(node.args) == 1 else None
    alone = not node.kwargs and node.dyn_args is None and node.dyn_kwargs is None
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= _LONGEST_SECRET
        or not name.isprintable()
        or not alone
    ):
        raise compiler.refused(node, 'secret takes the name of one secret in quotes: secret("NAME")')
    compiler.secrets.add(name)
    secret = Secret(name)
    return lambda _: secret


def _output(compiler: Compiler, node: nodes.Node) -> Statement:
    if isinstance(node, nodes.TemplateData):
        compiler.cost += 1
        return _literal(node.data)
    value, line = put_out(compiler, node), node.lineno

    def put(frame: Frame, pieces: Pieces) -> None:
        frame.line = line
        try:
            found = value(frame)
            if type(found) is Secret:
                pieces.append(found)
                return
            text = found if type(found) is str else text_of(use(found), frame.budget)
        except Absent as absent:
            warn(frame, absent)
            text = "null"
        frame.budget.emit(text_size(text))
        pieces.append(text)

    return put


def _literal(text: str) -> Statement:
    size = text_size(text)

    def put(frame: Frame, pieces: Pieces) -> None:
        frame.budget.emit(size)
        pieces.append(text)

    return put


# ── if ───────────────────────────────────────────────────────────────────────────────────────────────────


def _if(compiler: Compiler, node: nodes.If) -> Statement:
    branches = [
        (compiler.expression(branch.test), branch.lineno, body(compiler, branch.body))
        for branch in (node, *node.elif_)
    ]
    otherwise = body(compiler, node.else_)

    def choose(frame: Frame, pieces: Pieces) -> None:
        taken = otherwise
        for test, line, then in branches:
            frame.line = line
            if _holds(test, frame):
                taken = then
                break
        for statement in taken:
            statement(frame, pieces)

    return choose


def _holds(test: Expression, frame: Frame) -> bool:
    """Evaluate a test; where a missing value is null, it does not hold."""
    try:
        return truth(test(frame))
    except Absent as absent:
        warn(frame, absent)
        return False


# ── for ──────────────────────────────────────────────────────────────────────────────────────────────────


class _Loop:
    """A compiled `{% for %}`: what it goes through, what it leaves out, and what it does in each round."""

    __slots__ = ("bind", "cost", "line", "otherwise", "slot", "source", "test", "test_cost", "then")

    def __init__(self, compiler: Compiler, node: nodes.For) -> None:
        if node.recursive:
            raise compiler.refused(node, "recursive loops are not available here")
        self.line = node.lineno
        self.source = compiler.expression(node.iter)
        outer, before = compiler.names, compiler.cost
        self.bind = _target(compiler, node.target)
        self.test: Expression | None = None if node.test is None else compiler.expression(node.test)
        self.test_cost, compiler.cost = compiler.cost - before + 1, before
        self.slot = compiler.slot()
        compiler.names = {**compiler.names, "loop": self.slot}
        self.then = body(compiler, node.body)
        self.cost, compiler.cost = compiler.cost - before + 1, before
        compiler.names = outer
        self.otherwise = body(compiler, node.else_)

    def __call__(self, frame: Frame, pieces: Pieces) -> None:
        rows = self._rows(frame)
        count = len(rows)
        for place, row in enumerate(rows):
            frame.budget.step(self.cost)
            self.bind(frame, row)
            frame.slots[self.slot] = (place, count)
            for statement in self.then:
                statement(frame, pieces)
        if not rows:
            for statement in self.otherwise:
                statement(frame, pieces)

    def _rows(self, frame: Frame) -> list[object]:
        frame.line = self.line
        try:
            rows = elements(self.source(frame), frame.budget, "a loop")
        except Absent as absent:
            warn(frame, absent)
            return []
        if self.test is None:
            return rows
        kept = []
        for row in rows:
            frame.budget.step(self.test_cost)
            self.bind(frame, row)
            if _holds(self.test, frame):
                kept.append(row)
        return kept


def _target(compiler: Compiler, node: nodes.Node) -> Callable[[Frame, object], None]:
    """Give a loop's names their slots, and return what fills them."""
    if isinstance(node, nodes.Name):
        slot = _name(compiler, node)

        def bind(frame: Frame, row: object) -> None:
            frame.slots[slot] = plain(row)

        return bind
    if not isinstance(node, nodes.Tuple):
        raise compiler.refused(node, "a loop gives a name, or several names with commas between")
    slots = [_name(compiler, part) for part in node.items]

    def unpack(frame: Frame, row: object) -> None:
        row = plain(row)
        if not isinstance(row, list) or len(row) != len(slots):
            raise Fault(f"the loop wants lists of {len(slots)}, and found {kind(row)}: {glimpse(row)}")
        for slot, part in zip(slots, row, strict=True):
            frame.slots[slot] = plain(part)

    return unpack


def _name(compiler: Compiler, node: nodes.Node) -> int:
    if not isinstance(node, nodes.Name) or node.name in ("loop", "secret", "range"):
        raise compiler.refused(node, "a loop gives plain names, and not loop, range or secret")
    slot = compiler.slot()
    compiler.names = {**compiler.names, node.name: slot}
    return slot
