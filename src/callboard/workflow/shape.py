"""Reading of a plain value against a type, with every fault at once.

msgspec stops at the first fault, and a pipeline author wants all of them. So this walks a value along
msgspec's own description of the type: unknown keys, missing keys, wrong types, bounds, and the checks that a
type carries in its metadata (`extra={"check": …}`). What comes back is the value with all that was wrong left
out or made empty, so that the checks that follow can go on with the rest.

Where templates may stand (parameters of a step), a text with `{{` in it is taken for any type: what it will
be is not known before it is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from msgspec import inspect

from callboard.errors import CallboardError
from callboard.expressions import parsing
from callboard.spelling import did_you_mean, shown
from callboard.workflow.faults import Path

Numeric = inspect.IntType | inspect.FloatType

LEFT_OUT: Any = object()
"""What is given back for a value that cannot be used."""

_FOREIGN: dict[type[inspect.Type], type] = {
    inspect.DateTimeType: datetime,
    inspect.DateType: date,
    inspect.TimeType: time,
    inspect.UUIDType: UUID,
    inspect.DecimalType: Decimal,
}
"""Types that are written as texts, which an action of somebody's may take."""


@lru_cache(maxsize=256)
def described(kind: Any) -> inspect.Type:  # noqa: ANN401 - any annotation
    """Return what msgspec knows of a type."""
    return inspect.type_info(kind)


MOST_NAMED = 15
"""So many keys are told to whoever wrote one that is near none of them."""


def _those(names: Collection[str]) -> str:
    """Return `; there are X and Y`, where that is no long list."""
    if not 0 < len(names) <= MOST_NAMED:
        return ""
    *first, last = names
    return f"; there are {', '.join(first)} and {last}" if first else f"; there is {last}"


def is_template(value: object) -> bool:
    """Whether a value is a text that is rendered before it is used."""
    return isinstance(value, str) and parsing.is_template(value)


class Shape:
    """One reading: where faults go, and whether templates may stand for values."""

    def __init__(
        self,
        note: Callable[[Path, str, str, bool], None],
        *,
        templates: bool,
        near: Callable[[str, Collection[str]], str] = did_you_mean,
        hints: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._note = note
        """Takes a fault: path, code, sentence, and whether it is the key that is wrong."""
        self._templates = templates
        self._near = near
        self._hints = hints
        """What to say of keys that other systems have and we do not."""

    def read(self, value: object, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401 - as the type says
        """Return the value as far as it is right, or `LEFT_OUT`."""
        if isinstance(kind, inspect.Metadata):
            return self._checked(value, kind, path)
        if self._templates and is_template(value):
            return value
        reader = _READERS.get(type(kind))
        if reader is not None:
            return reader(self, value, kind, path)
        return self._foreign(value, kind, path)

    def wrong(self, path: Path, code: str, message: str) -> Any:  # noqa: ANN401 - it is LEFT_OUT
        self._note(path, code, message, False)  # noqa: FBT003 - a callback
        return LEFT_OUT

    def _mistyped(self, path: Path, value: object, kind: inspect.Type) -> Any:  # noqa: ANN401 - as above
        return self.wrong(path, "WRONG_TYPE", f"Expected {called(kind)}, but this is {met(value)}.")

    def _checked(self, value: object, kind: inspect.Metadata, path: Path) -> Any:  # noqa: ANN401 - as above
        """Read a value whose type says more of itself than its shape."""
        extra = kind.extra or {}
        literal = isinstance(value, str) and not (self._templates and is_template(value))
        if literal and "written" in extra and not fits(str(value), bare(kind)):
            said = f"{shown(value)} cannot stand here: write {extra['written']}."
            return self.wrong(path, "WRONG_VALUE", said)
        found = self.read(value, kind.type, path)
        if not literal or found is LEFT_OUT or "check" not in extra:
            return found
        try:
            extra["check"](found)
        except ValueError as error:
            return self.wrong(path, "WRONG_VALUE", f"{shown(found)} cannot stand here: {error}.")
        except CallboardError as error:
            return self.wrong(path, "WRONG_VALUE", error.message)
        return found

    # ── scalars ──────────────────────────────────────────────────────────────────────────────────────────

    def _any(self, value: object, _kind: inspect.Type, _path: Path) -> Any:  # noqa: ANN401 - as above
        return value

    def _text(self, value: object, kind: inspect.StrType, path: Path) -> Any:  # noqa: ANN401 - as above
        if not isinstance(value, str):
            hint = ": quote it" if isinstance(value, int | float) else ""
            return self.wrong(path, "WRONG_TYPE", f"Expected a text, but this is {met(value)}{hint}.")
        if kind.min_length is not None and len(value) < kind.min_length:
            return self.wrong(path, "WRONG_VALUE", "This text is empty.")
        if kind.max_length is not None and len(value) > kind.max_length:
            said = f"This text has {len(value):,} characters; {kind.max_length:,} are the most."
            return self.wrong(path, "OUT_OF_BOUNDS", said)
        if not fits(value, kind):
            return self.wrong(path, "WRONG_VALUE", f"{shown(value)} does not fit the pattern {kind.pattern}.")
        return value

    def _number(self, value: object, kind: Numeric, path: Path) -> Any:  # noqa: ANN401 - as above
        whole = isinstance(kind, inspect.IntType)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return self._mistyped(path, value, kind)
        low, high = kind.ge, kind.le
        if low is not None and value < low:
            return self.wrong(path, "OUT_OF_BOUNDS", f"{shown(value)} is too small: {low:g} is the least.")
        if high is not None and value > high:
            return self.wrong(path, "OUT_OF_BOUNDS", f"{shown(value)} is too large: {high:g} is the most.")
        if (kind.gt is not None and value <= kind.gt) or (kind.lt is not None and value >= kind.lt):
            bound = f"more than {kind.gt:g}" if kind.gt is not None else f"less than {kind.lt:g}"
            return self.wrong(path, "OUT_OF_BOUNDS", f"{shown(value)} cannot be: it must be {bound}.")
        return value

    def _bool(self, value: object, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401 - as above
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in {"yes", "no", "on", "off"}:
            said = f"Expected true or false: {value} is a word in YAML 1.2."
            return self.wrong(path, "WRONG_TYPE", said)
        return self._mistyped(path, value, kind)

    def _null(self, value: object, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401 - as above
        return None if value is None else self._mistyped(path, value, kind)

    def _one_of(self, value: object, kind: inspect.LiteralType, path: Path) -> Any:  # noqa: ANN401 - as above
        if any(value == one and type(value) is type(one) for one in kind.values):
            return value
        hint = self._near(value, [str(one) for one in kind.values]) if isinstance(value, str) else ""
        return self.wrong(
            path, "WRONG_VALUE", f"{shown(value)} cannot stand here: write {called(kind)}{hint}."
        )

    # ── what holds others ────────────────────────────────────────────────────────────────────────────────

    def _list(self, value: object, kind: inspect.ListType, path: Path) -> Any:  # noqa: ANN401 - as above
        if not isinstance(value, list):
            return self._mistyped(path, value, kind)
        if kind.min_length is not None and len(value) < kind.min_length:
            said = (
                "This list is empty." if kind.min_length == 1 else f"At least {kind.min_length} are needed."
            )
            self.wrong(path, "OUT_OF_BOUNDS", said)
        if kind.max_length is not None and len(value) > kind.max_length:
            said = f"This list has {len(value):,} items; {kind.max_length:,} are the most."
            self.wrong(path, "OUT_OF_BOUNDS", said)
        found = [self.read(item, kind.item_type, (*path, number)) for number, item in enumerate(value)]
        # A place is kept for what is left out, since paths count on it.
        return [None if item is LEFT_OUT else item for item in found]

    def _mapping(self, value: object, kind: inspect.DictType, path: Path) -> Any:  # noqa: ANN401 - as above
        if not isinstance(value, dict):
            return self._mistyped(path, value, kind)
        found = {}
        for key, inner in value.items():
            name = self.read(key, kind.key_type, (*path, key))
            item = self.read(inner, kind.value_type, (*path, key))
            if name is not LEFT_OUT and item is not LEFT_OUT:
                found[key] = item
        return found

    def _struct(self, value: object, kind: inspect.StructType, path: Path) -> Any:  # noqa: ANN401 - as above
        if not isinstance(value, dict):
            return self._mistyped(path, value, kind)
        fields = {field.encode_name: field for field in kind.fields}
        found: dict[str, Any] = {}
        for key, inner in value.items():
            field = fields.get(key)
            if field is not None:
                item = self.read(inner, field.type, (*path, key))
                if item is not LEFT_OUT:
                    found[key] = item
            elif key != kind.tag_field and kind.forbid_unknown_fields:
                hint = self._hints.get(key) or self._near(key, fields) or _those(fields)
                said = f"There is no key {shown(key)} here{hint}."
                self._note((*path, key), "UNKNOWN_FIELD", said, True)  # noqa: FBT003 - a callback
        for name, field in fields.items():
            if field.required and name not in value:
                self.wrong(path, "MISSING_FIELD", f"The key {name} is missing here.")
        return found

    def _union(self, value: object, kind: inspect.UnionType, path: Path) -> Any:  # noqa: ANN401 - as above
        """Read it as the branch that it looks like; where it looks like none, say all of them."""
        near = [one for one in kind.types if resembles(value, one)]
        if len(near) == 1:
            return self.read(value, near[0], path)
        for one in near:
            if fine(value, one):
                return self.read(value, one, path)
        if near and isinstance(near[0], inspect.LiteralType):
            words = [str(word) for one in near if isinstance(one, inspect.LiteralType) for word in one.values]
            hint = self._near(str(value), words)
            said = f"{shown(value)} cannot stand here: write {called(kind)}{hint}."
            return self.wrong(path, "WRONG_VALUE", said)
        return self.read(value, near[0], path) if near else self._mistyped(path, value, kind)

    def _foreign(self, value: object, kind: inspect.Type, path: Path) -> Any:  # noqa: ANN401 - as above
        """Leave to msgspec what an action of somebody's may take and no file of ours does."""
        into = getattr(kind, "cls", None) or _FOREIGN.get(type(kind))
        if into is None:
            return value
        try:
            msgspec.convert(value, into)
        except msgspec.ValidationError as error:
            return self.wrong(path, "WRONG_VALUE", f"{str(error)[:1].upper()}{str(error)[1:]}.")
        return value


_READERS: dict[type[inspect.Type], Callable[[Shape, object, Any, Path], Any]] = {
    inspect.AnyType: Shape._any,  # noqa: SLF001 - the table is the class's own, written below it
    inspect.StrType: Shape._text,  # noqa: SLF001 - as above
    inspect.IntType: Shape._number,  # noqa: SLF001 - as above
    inspect.FloatType: Shape._number,  # noqa: SLF001 - as above
    inspect.BoolType: Shape._bool,  # noqa: SLF001 - as above
    inspect.NoneType: Shape._null,  # noqa: SLF001 - as above
    inspect.LiteralType: Shape._one_of,  # noqa: SLF001 - as above
    inspect.ListType: Shape._list,  # noqa: SLF001 - as above
    inspect.DictType: Shape._mapping,  # noqa: SLF001 - as above
    inspect.StructType: Shape._struct,  # noqa: SLF001 - as above
    inspect.UnionType: Shape._union,  # noqa: SLF001 - as above
}


def bare(kind: inspect.Type) -> inspect.Type:
    """Return a type without what was written about it."""
    return bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def fits(value: str, kind: inspect.Type) -> bool:
    """Whether a text has the length and the form that its type says."""
    if not isinstance(kind, inspect.StrType):
        return True
    if kind.max_length is not None and len(value) > kind.max_length:
        return False
    # Not `$`: that would let a line break stand at the end.
    return kind.pattern is None or re.fullmatch(kind.pattern.strip("^$"), value) is not None


def resembles(value: object, kind: inspect.Type) -> bool:
    """Whether a value is of the JSON type that a type is written in."""
    kind = bare(kind)
    if isinstance(kind, inspect.AnyType):
        return True
    if isinstance(kind, inspect.LiteralType):
        return any(type(value) is type(one) for one in kind.values)
    json = _JSON.get(type(kind))
    if json is None:
        return isinstance(value, str | dict)
    return isinstance(value, json) and (not isinstance(value, bool) or json is bool)


_JSON: dict[type[inspect.Type], Any] = {
    inspect.StrType: str,
    inspect.IntType: int,
    inspect.FloatType: int | float,
    inspect.BoolType: bool,
    inspect.NoneType: type(None),
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.StructType: dict,
}


def fine(value: object, kind: inspect.Type) -> bool:
    """Whether a value has no fault when it is read as a type."""
    faults: list[object] = []
    Shape(lambda *fault: faults.append(fault), templates=False).read(value, kind, ())
    return not faults


def met(value: object) -> str:
    """Say what a value is, as people call it."""
    names = {str: "a text", bool: "true or false", type(None): "nothing", list: "a list", dict: "an object"}
    name = names.get(type(value), "a number")
    if isinstance(value, bool):
        return "true" if value else "false"
    return name if isinstance(value, list | dict | None) else f"{name}, {shown(value, 40)}"


def called(kind: inspect.Type) -> str:
    """Say what a type takes, as people call it."""
    kind = bare(kind)
    if isinstance(kind, inspect.LiteralType):
        words = [str(one) for one in kind.values]
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    if isinstance(kind, inspect.UnionType):
        parts = dict.fromkeys(called(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        return " or ".join(parts)
    return _CALLED.get(type(kind), "a value of another type")


_CALLED: dict[type[inspect.Type], str] = {
    inspect.StrType: "a text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.NoneType: "nothing",
    inspect.ListType: "a list",
    inspect.DictType: "an object",
    inspect.StructType: "an object",
}
