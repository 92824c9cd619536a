"""Filters, tests and functions: what a text may call, checked against its signature when it is compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from callboard.expressions.checks import CHECKS
from callboard.expressions.compiling import Compiler, Expression, Frame, use
from callboard.expressions.faults import Fault
from callboard.expressions.filters import FILTERS
from callboard.expressions.limits import SLOT, Budget
from callboard.expressions.list_filters import attributes, picked
from callboard.expressions.operands import FUNCTIONS
from callboard.expressions.text_filters import whole
from callboard.expressions.values import Missing, elements, glimpse, truth
from callboard.spelling import did_you_mean

Arguments = tuple[list[Expression], dict[str, Expression]]
Check = Callable[[Budget, object], bool]


def _arguments(compiler: Compiler, node: nodes.Filter | nodes.Test | nodes.Call, name: str) -> Arguments:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise compiler.refused(node, f"{name} is given its arguments one by one, without * and **")
    given = [compiler.expression(argument) for argument in node.args]
    return given, {str(pair.key): compiler.expression(pair.value) for pair in node.kwargs}


def _fits(
    compiler: Compiler, node: nodes.Node, name: str, called: Callable[..., Any], given: Arguments
) -> None:
    """Refuse arguments that the function does not take."""
    signature = inspect.signature(called)
    try:
        signature.bind(None, None, *given[0], **given[1])
    except TypeError as error:
        takes = ", ".join(list(signature.parameters)[2:]) or "nothing"
        raise compiler.refused(node, f"{name} takes {takes}: {error}") from None


def _known(
    compiler: Compiler, node: nodes.Node, what: str, name: str, known: dict[str, Any]
) -> Callable[..., Any]:
    called = known.get(name)
    if called is None:
        raise compiler.refused(node, f"there is no {what} {name[:60]!r}{did_you_mean(name, known)}")
    made: Callable[..., Any] = called
    return made


def _values(frame: Frame, given: list[Expression]) -> list[object]:
    return [use(argument(frame)) for argument in given]


def _named(frame: Frame, given: dict[str, Expression]) -> dict[str, object]:
    return {name: use(argument(frame)) for name, argument in given.items()}


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────


def filtered(compiler: Compiler, node: nodes.Filter) -> Expression:
    """Compile `value|name(…)`."""
    if node.node is None:
        raise compiler.refused(node, "filter blocks are not available here")
    value = compiler.expression(node.node)
    called = _known(compiler, node, "filter", node.name, ALL_FILTERS)
    if node.name in SPECIAL:
        made: Expression = called(compiler, node, value)
        return made
    given = _arguments(compiler, node, node.name)
    _fits(compiler, node, node.name, called, given)
    places, names = given
    if not places and not names:
        return lambda frame: called(frame.budget, use(value(frame)))
    return lambda frame: called(
        frame.budget, use(value(frame)), *_values(frame, places), **_named(frame, names)
    )


def _default_shape(budget: Budget, value: object, default_value: object = "", boolean: object = None) -> None:
    """Say how `default` is called; what it does must see a missing value, which a plain filter never does."""


def default(compiler: Compiler, node: nodes.Filter, value: Expression) -> Expression:
    """Compile the one filter that takes a missing value."""
    given = _arguments(compiler, node, node.name)
    _fits(compiler, node, node.name, _default_shape, given)
    named = dict(zip(("default_value", "boolean"), given[0], strict=False)) | given[1]
    otherwise: Expression = named.get("default_value", lambda _: "")
    boolean: Expression = named.get("boolean", lambda _: False)

    def choose(frame: Frame) -> object:
        found = value(frame)
        if isinstance(found, Missing) or (truth(boolean(frame)) and not truth(found)):
            return otherwise(frame)
        return found

    return choose


def mapped(compiler: Compiler, node: nodes.Filter, value: Expression) -> Expression:
    """Compile `map(attribute=…)`, and `map("filter", …)` with a filter that is named then and there."""
    places, names = _arguments(compiler, node, "map")
    if not node.args:
        _fits(compiler, node, "map", attributes, ([], names))
        by_attribute: Callable[..., object] = attributes  # its names were checked just now
        return lambda frame: by_attribute(frame.budget, use(value(frame)), **_named(frame, names))
    called = _named_in(compiler, node, node.args[0], "filter", FILTERS)
    rest = (places[1:], names)
    _fits(compiler, node, "map", called, rest)

    def each(frame: Frame) -> object:
        rows = elements(value(frame), frame.budget, "map")
        frame.budget.step(len(rows))
        frame.budget.slots(len(rows))
        arguments, options = _values(frame, rest[0]), _named(frame, names)
        return [called(frame.budget, use(row), *arguments, **options) for row in rows]

    return each


def selected(compiler: Compiler, node: nodes.Filter, value: Expression) -> Expression:
    """Compile `select`, `reject`, `selectattr` and `rejectattr`."""
    by_attribute = node.name.endswith("attr")
    wanted = node.name.startswith("select")
    places, names = _arguments(compiler, node, node.name)
    if by_attribute and not places:
        raise compiler.refused(node, f"{node.name} needs the name of an attribute")
    attribute = places[0] if by_attribute else None
    rest = node.args[by_attribute:]
    given = (places[by_attribute + 1 :], names)
    judge = _judge(compiler, node, rest[0], given) if rest else None

    def pick(frame: Frame) -> object:
        seen = None if attribute is None else use(attribute(frame))
        test = None if judge is None else judge(frame)
        return picked(frame.budget, use(value(frame)), test, seen, wanted=wanted)

    return pick


def _named_in(
    compiler: Compiler, node: nodes.Filter, argument: nodes.Node, what: str, known: dict[str, Any]
) -> Callable[..., Any]:
    """Return what a literal name stands for; a name that is known only later could not be checked."""
    if not isinstance(argument, nodes.Const) or not isinstance(argument.value, str):
        raise compiler.refused(node, f"{node.name} takes the name of a {what} in quotes")
    return _known(compiler, node, what, argument.value, known)


def _judge(
    compiler: Compiler, node: nodes.Filter, argument: nodes.Node, given: Arguments
) -> Callable[[Frame], Callable[[object], bool]]:
    check = _named_in(compiler, node, argument, "test", ALL_CHECKS)
    _fits(compiler, node, node.name, check, given)
    sees_missing = check in (is_defined, is_undefined)

    def prepare(frame: Frame) -> Callable[[object], bool]:
        arguments, names = _values(frame, given[0]), _named(frame, given[1])

        def judge(value: object) -> bool:
            held: bool = check(frame.budget, value if sees_missing else use(value), *arguments, **names)
            return held

        return judge

    return prepare


# ── tests ────────────────────────────────────────────────────────────────────────────────────────────────


def is_defined(_: Budget, value: object) -> bool:
    """Tell whether a value is there; null is."""
    return not isinstance(value, Missing)


def is_undefined(_: Budget, value: object) -> bool:
    """Tell whether a value is missing."""
    return isinstance(value, Missing)


def tested(compiler: Compiler, node: nodes.Test) -> Expression:
    """Compile `value is name`."""
    value = compiler.expression(node.node)
    check = _known(compiler, node, "test", node.name, ALL_CHECKS)
    places, names = _arguments(compiler, node, f"is {node.name}")
    _fits(compiler, node, f"is {node.name}", check, (places, names))
    if check in (is_defined, is_undefined):
        return lambda frame: check(frame.budget, value(frame))
    return lambda frame: check(
        frame.budget, use(value(frame)), *_values(frame, places), **_named(frame, names)
    )


# ── functions ────────────────────────────────────────────────────────────────────────────────────────────


def called(compiler: Compiler, node: nodes.Call) -> Expression:
    """Compile `range(…)`, and refuse every other call by its kind."""
    function = node.node
    if not isinstance(function, nodes.Name):
        raise compiler.refused(node, "methods cannot be called; a filter does what they do, as in text|upper")
    if function.name == "secret":
        raise compiler.refused(node, 'secret("NAME") stands alone in its {{ }}, in no larger expression')
    if function.name != "range":
        hint = did_you_mean(function.name, FUNCTIONS)
        raise compiler.refused(node, f"there is no function {function.name[:60]!r}{hint}")
    places, names = _arguments(compiler, node, "range")
    if names or len(places) not in (1, 2, 3):
        raise compiler.refused(node, "range takes (stop), (start, stop) or (start, stop, step)")
    return lambda frame: _range(frame.budget, _values(frame, places))


def _range(budget: Budget, given: list[object]) -> list[int]:
    bounds = [whole(value, "range", least=-(1 << 53), most=1 << 53) for value in given]
    if 0 in bounds[2:]:
        raise Fault("the step of a range cannot be 0")
    numbers = range(*bounds)
    count = len(numbers)
    if count * SLOT * 2 > budget.limits.result:
        raise Fault(f"range({', '.join(map(glimpse, given))}) has {count:,} numbers, which is too many")
    budget.slots(count * 2)
    return list(numbers)


SPECIAL: dict[str, Callable[..., Expression]] = {
    "default": default,
    "d": default,
    "map": mapped,
    "select": selected,
    "reject": selected,
    "selectattr": selected,
    "rejectattr": selected,
}
ALL_FILTERS: dict[str, Callable[..., Any]] = FILTERS | SPECIAL
ALL_CHECKS: dict[str, Callable[..., Any]] = CHECKS | {"defined": is_defined, "undefined": is_undefined}
TABLE: dict[type[nodes.Node], Any] = {nodes.Filter: filtered, nodes.Test: tested, nodes.Call: called}
