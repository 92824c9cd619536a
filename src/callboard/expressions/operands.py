"""Names, paths, literals, logic and operators: the expressions that call nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from callboard.expressions.compiling import Compiler, Expression, Frame, use
from callboard.expressions.faults import Absent, Fault
from callboard.expressions.limits import Budget
from callboard.expressions.operators import BINARY, COMPARISONS, bounded, negative, positive
from callboard.expressions.values import (
    PLAIN,
    Missing,
    glimpse,
    kind,
    lookup,
    plain,
    text_of,
    text_size,
    truth,
)
from callboard.spelling import did_you_mean

LOOP: dict[str, Callable[[int, int], object]] = {
    "index": lambda place, _: place + 1,
    "index0": lambda place, _: place,
    "revindex": lambda place, count: count - place,
    "revindex0": lambda place, count: count - place - 1,
    "first": lambda place, _: place == 0,
    "last": lambda place, count: place == count - 1,
    "length": lambda _, count: count,
}
FUNCTIONS = ("range", "secret")


# ── literals ─────────────────────────────────────────────────────────────────────────────────────────────


def constant(compiler: Compiler, node: nodes.Const) -> Expression:
    """Compile a literal, within the bounds of any other value."""
    value = node.value
    try:
        if isinstance(value, str):
            text_size(value)
        elif value is not None:
            bounded(value, Budget(compiler.limits))
    except Fault as fault:
        raise compiler.refused(node, str(fault)) from None
    return lambda _: value


def sequence(compiler: Compiler, node: nodes.List | nodes.Tuple) -> Expression:
    """Compile `[a, b]`; `(a, b)` is a list too."""
    parts = [compiler.expression(item) for item in node.items]
    return lambda frame: [use(part(frame)) for part in parts]


def mapping(compiler: Compiler, node: nodes.Dict) -> Expression:
    """Compile `{"a": b}`."""
    pairs = [(compiler.expression(pair.key), compiler.expression(pair.value)) for pair in node.items]

    def build(frame: Frame) -> object:
        made: dict[str, object] = {}
        for key, value in pairs:
            name = use(key(frame))
            if not isinstance(name, str):
                raise Fault(f"a key of an object is text, and this is {kind(name)}: {glimpse(name)}")
            made[name] = use(value(frame))
        return made

    return build


# ── names and paths ──────────────────────────────────────────────────────────────────────────────────────


def path(compiler: Compiler, node: nodes.Name | nodes.Getattr | nodes.Getitem) -> Expression:
    """Compile a name and all constant steps from it into one closure."""
    keys: list[str | int] = []
    start: nodes.Node = node
    while True:
        if isinstance(start, nodes.Getattr):
            keys.append(start.attr)
        elif isinstance(start, nodes.Getitem) and type(getattr(start.arg, "value", None)) in (str, int):
            keys.append(start.arg.value)  # type: ignore[attr-defined]  # only a constant has a value of that type
        else:
            break
        start = start.node
    if len(keys) > compiler.limits.depth:
        raise compiler.refused(node, f"a path takes more than {compiler.limits.depth} steps")
    keys.reverse()
    if isinstance(start, nodes.Name):
        return _from_name(compiler, start, keys)
    if isinstance(start, nodes.Getitem) and not keys:
        return _item(compiler, start)
    return _steps(compiler.expression(start), "a value", keys)


def _from_name(compiler: Compiler, node: nodes.Name, keys: list[str | int]) -> Expression:
    name = node.name
    slot = compiler.names.get(name)
    if slot is not None:
        if name == "loop":
            return _of_loop(compiler, node, slot, keys)
        return _steps(lambda frame: frame.slots[slot], name, keys)
    if name == "loop":
        raise compiler.refused(node, "loop is known inside {% for %} only")
    if name in FUNCTIONS:
        raise compiler.refused(node, f"{name} is a function, so it is called: {name}(…)")
    named = next((place for place, key in enumerate(keys) if not isinstance(key, str)), len(keys))
    compiler.references.add((name, *(str(key) for key in keys[:named])))

    def root(frame: Frame) -> object:
        try:
            value = frame.scope[name]
        except KeyError:
            return gone
        return value if type(value) in PLAIN else plain(value)

    gone = Missing(name)
    return _steps(root, name, keys)


def _of_loop(compiler: Compiler, node: nodes.Name, slot: int, keys: list[str | int]) -> Expression:
    if len(keys) != 1 or keys[0] not in LOOP:
        hint = did_you_mean(str(keys[0]), LOOP) if keys else ""
        raise compiler.refused(node, f"loop has {', '.join(LOOP)}, each by itself{hint}")
    tell = LOOP[str(keys[0])]
    return lambda frame: tell(*frame.slots[slot])


def _steps(root: Expression, name: str, keys: list[str | int]) -> Expression:
    """Return what follows constant keys from a value; the first that is not there is named."""
    if not keys:
        return root
    steps: list[tuple[str | int, str]] = []
    for key in keys:
        name += (
            f"[{key}]" if isinstance(key, int) else f".{key}" if key.isidentifier() else f"[{glimpse(key)}]"
        )
        steps.append((key, name))

    def follow(frame: Frame) -> object:
        value = root(frame)
        for key, reached in steps:
            if type(value) is dict:
                if key not in value:
                    return Missing(reached)
                value = value[key]
            else:
                value = lookup(value, key, reached)
        return value if type(value) in PLAIN else plain(value)

    return follow


def _item(compiler: Compiler, node: nodes.Getitem) -> Expression:
    value = compiler.expression(node.node)
    if isinstance(node.arg, nodes.Slice):
        return _slice(compiler, value, node.arg)
    key = compiler.expression(node.arg)

    def find(frame: Frame) -> object:
        found, sought = value(frame), use(key(frame))
        return lookup(found, sought, f"the item {glimpse(sought)}")

    return find


def _slice(compiler: Compiler, value: Expression, node: nodes.Slice) -> Expression:
    compiler.cost += 1
    bounds = [
        None if part is None else compiler.expression(part) for part in (node.start, node.stop, node.step)
    ]

    def cut(frame: Frame) -> object:
        whole = use(value(frame))
        if not isinstance(whole, (str, list)):
            raise Fault(f"a slice is of a list or of text, and this is {kind(whole)}: {glimpse(whole)}")
        places = slice(*(None if bound is None else _place(use(bound(frame))) for bound in bounds))
        if places.step == 0:
            raise Fault("the step of a slice cannot be 0")
        count = len(range(*places.indices(len(whole))))
        if isinstance(whole, str):
            frame.budget.make(count if whole.isascii() else count * 4)
        else:
            frame.budget.slots(count)
        return whole[places]

    return cut


def _place(value: object) -> int | None:
    if value is None or (isinstance(value, int) and abs(value) < 1 << 62):
        return value
    raise Fault(f"a slice is bounded by whole numbers, and this is {glimpse(value)}")


# ── logic ────────────────────────────────────────────────────────────────────────────────────────────────


def junction(compiler: Compiler, node: nodes.And | nodes.Or) -> Expression:
    """Compile a chain of `and`, or of `or`, however long, into one closure."""
    chain: list[nodes.Node] = []
    rest: nodes.Node = node
    while type(rest) is type(node):
        chain.append(rest.right)
        rest = rest.left
    parts = [compiler.expression(part) for part in (rest, *reversed(chain))]
    stops = isinstance(node, nodes.Or)  # the truth that settles the chain: `or` stops at true, `and` at false
    if compiler.unknowns:
        return _unknown_junction(parts, stops=stops)
    *firsts, final = parts

    def strict(frame: Frame) -> object:
        for part in firsts:
            value = part(frame)
            if truth(value) is stops:
                return value
        return final(frame)

    return strict


def _unknown_junction(parts: list[Expression], *, stops: bool) -> Expression:
    """Return a chain in which a missing operand is unknown: another operand may still settle it."""

    def unknown(frame: Frame) -> object:
        absent: Absent | None = None
        value: object = None
        for part in parts:
            try:
                value = part(frame)
                if truth(value) is stops:
                    return value
            except Absent as fault:
                absent = absent or fault
        if absent is not None:
            raise absent
        return value

    return unknown


def negation(compiler: Compiler, node: nodes.Not) -> Expression:
    """Compile `not a`."""
    value = compiler.expression(node.node)
    return lambda frame: not truth(value(frame))


def choice(compiler: Compiler, node: nodes.CondExpr) -> Expression:
    """Compile `a if b else c` with any branches."""
    return chosen(compiler, node, compiler.expression)


def chosen(
    compiler: Compiler, node: nodes.CondExpr, branch: Callable[[nodes.Node], Expression]
) -> Expression:
    """Compile `a if b else c`; `branch` says what the branches may be."""
    if node.expr2 is None:
        raise compiler.refused(node, "an `if` inside an expression needs its `else`")
    test, yes, no = compiler.expression(node.test), branch(node.expr1), branch(node.expr2)
    return lambda frame: yes(frame) if truth(test(frame)) else no(frame)


# ── operators ────────────────────────────────────────────────────────────────────────────────────────────


def binary(compiler: Compiler, node: nodes.BinExpr) -> Expression:
    """Compile an operator between two values."""
    left, right = compiler.expression(node.left), compiler.expression(node.right)
    apply = BINARY[type(node).__name__]

    return lambda frame: apply(left(frame), right(frame), frame.budget)


def unary(compiler: Compiler, node: nodes.UnaryExpr) -> Expression:
    """Compile a sign before a number."""
    value = compiler.expression(node.node)
    apply = negative if isinstance(node, nodes.Neg) else positive
    return lambda frame: apply(value(frame), frame.budget)


def concatenation(compiler: Compiler, node: nodes.Concat) -> Expression:
    """Compile `a ~ b`, each part as it stands in a text."""
    parts = [compiler.expression(part) for part in node.nodes]

    def concatenate(frame: Frame) -> object:
        texts = [text_of(use(part(frame)), frame.budget) for part in parts]
        frame.budget.make(sum(map(text_size, texts)))
        return "".join(texts)

    return concatenate


Comparison = tuple[Expression, list[tuple[str, Callable[[object, object, Budget], bool], Expression]]]


def comparison(compiler: Compiler, node: nodes.Compare) -> Comparison:
    """Compile the parts of a comparison, for who wants to see them."""
    first = compiler.expression(node.expr)
    return first, [(part.op, COMPARISONS[part.op], compiler.expression(part.expr)) for part in node.ops]


def compare(compiler: Compiler, node: nodes.Compare) -> Expression:
    """Compile a comparison, or a chain such as `0 < a < 9`."""
    first, rest = comparison(compiler, node)
    if len(rest) == 1:
        ((_, apply, second),) = rest
        return lambda frame: apply(first(frame), second(frame), frame.budget)

    def chain(frame: Frame) -> object:
        left = first(frame)
        for _, apply, operand in rest:
            right = operand(frame)
            if not apply(left, right, frame.budget):
                return False
            left = right
        return True

    return chain


TABLE: dict[type[nodes.Node], Any] = {
    nodes.Const: constant,
    nodes.TemplateData: lambda _, node: lambda _: node.data,
    nodes.List: sequence,
    nodes.Tuple: sequence,
    nodes.Dict: mapping,
    nodes.Name: path,
    nodes.Getattr: path,
    nodes.Getitem: path,
    nodes.And: junction,
    nodes.Or: junction,
    nodes.Not: negation,
    nodes.CondExpr: choice,
    nodes.Neg: unary,
    nodes.Pos: unary,
    nodes.Concat: concatenation,
    nodes.Compare: compare,
    **dict.fromkeys(
        (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow), binary
    ),
}
