"""A kind of step: what an author may write under `uses`, and what the check knows of it.

    class Echo(Parameters):
        message: Any = "echo"

    ECHO = Kind(name="core.echo", summary="Gives back its message", parameters=Echo, pure=True)

A kind is a name with a struct for its parameters and a few plain facts; how it is carried out is somebody
else's (`steps/`, by the same name). Parameters are templates: every text among them is rendered before an
attempt, and what comes out is read against the struct. A kind says which of them are not: `conditions` are
looked at by the kind itself, and under `body` stand steps of their own.

Functions of one's own become steps with `@action`, which takes what they take and give from their signature.
While one runs, `this_attempt()` tells it which attempt of which step it is.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar, dataclass_transform

import msgspec

from callboard.errors import ActionInvalid, BadInput, NameInvalid
from callboard.messages import check_name
from callboard.spelling import did_you_mean
from callboard.workflow.faults import Path

Complaint = tuple[Path, str, str]
"""Where among the parameters, a code, a sentence."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a kind of step takes; what is not a field of it is refused."""


def _nothing(_given: Mapping[str, Any]) -> Iterator[Complaint]:
    return iter(())


def _no(_given: Mapping[str, Any]) -> bool:
    return False


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of step."""

    name: str
    summary: str
    """One line for people, without a full stop."""
    parameters: type[msgspec.Struct]
    pure: bool = False
    """It touches nothing outside Callboard, so it may share a commit with its neighbours."""
    secrets: bool = False
    """Whether `{{ secret("NAME") }}` may stand in its parameters."""
    waits: bool = False
    """It ends when something happens elsewhere, and holds no slot until then."""
    consensus: bool = False
    """Whether its step may have `consensus`."""
    conditions: tuple[str, ...] = ()
    """Parameters that are conditions, looked at by the kind and not rendered before it."""
    looks_later: bool = False
    """Its conditions are looked at when something happens: it is given each with what it sees now."""
    body: str | None = None
    """The parameter under which steps of its own stand; they see `item` and `index`."""
    workflow: str | None = None
    """The parameter that names a workflow which it starts."""
    check: Callable[[Mapping[str, Any]], Iterator[Complaint]] = _nothing
    """What the struct cannot say: looks at the parameters as written, templates not rendered."""
    only_answers: Callable[[Mapping[str, Any]], bool] = _no
    """Whether, as it is written here, its output is all that comes of it."""


# ── functions of one's own ───────────────────────────────────────────────────────────────────────────────

A = TypeVar("A", bound=Callable[..., Any])


class Action(msgspec.Struct, frozen=True):
    """A function that a step of the kind `python` calls."""

    name: str
    summary: str
    input: type[msgspec.Struct]
    output: Any
    """What it gives back, as it is annotated."""
    function: Callable[..., Any]
    waits: bool
    """It is `async def`; one that is not runs in a thread."""


_ACTION = "_callboard_action"


def action(name: str) -> Callable[[A], A]:
    """Make a function of one struct an action: `uses: python`, `with: {action: NAME, input: {…}}`."""

    def mark(function: A) -> A:
        setattr(function, _ACTION, action_of(name, function))
        return function

    return mark


def marked(value: object) -> Action | None:
    """Return the action that something was made with `@action`, if it was."""
    found = getattr(value, _ACTION, None)
    return found if isinstance(found, Action) else None


def action_of(name: str, function: Callable[..., Any]) -> Action:
    """Look a function over, or refuse it with what is wrong."""
    where = getattr(function, "__qualname__", str(function))
    try:
        check_name("action", name)
    except NameInvalid as error:
        raise ActionInvalid(f"{where}: {error.message}") from None
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ActionInvalid(f"{where} has a `yield`, so calling it would do nothing: return the output.")
    try:
        hints = typing.get_type_hints(function)
        names = list(inspect.signature(function).parameters)
    except (NameError, TypeError, ValueError) as error:
        raise ActionInvalid(f"{where} has an annotation that cannot be read: {error}.") from None
    taken = hints.get(names[0]) if names else None
    if len(names) != 1 or not (isinstance(taken, type) and issubclass(taken, msgspec.Struct)):
        raise ActionInvalid(f"{where} must take one argument that is annotated with a msgspec.Struct.")
    try:
        msgspec.json.Decoder(taken)
        msgspec.inspect.type_info(taken)
    except (TypeError, NameError) as error:
        raise ActionInvalid(f"{where} takes {taken.__name__}, which cannot be read: {error}.") from None
    summary = inspect.cleandoc(function.__doc__ or "").partition("\n")[0].rstrip(".")
    return Action(name, summary, taken, hints.get("return"), function, inspect.iscoroutinefunction(function))


# ── while one is carried out ─────────────────────────────────────────────────────────────────────────────


class Attempt(msgspec.Struct, frozen=True):
    """Which attempt this is."""

    run: str
    workflow: str
    step: str
    iteration: int
    attempt: int
    key: str
    """The idempotency key: the same for all attempts of this step, also after a crash. Hand it on to whatever
    must not happen twice."""
    above: tuple[str, ...] = ()
    """The workflow of the run, and those in whose runs it stands, the outermost first."""


_attempt: ContextVar[Attempt] = ContextVar("callboard_attempt")


def this_attempt() -> Attempt:
    """Return the attempt that is being carried out; for functions that a step calls."""
    try:
        return _attempt.get()
    except LookupError:
        raise BadInput("No step is being carried out here: only an action can ask for its attempt.") from None


def begin_attempt(attempt: Attempt) -> None:
    """Have `this_attempt` tell of an attempt, in this task and the threads that it begins, for good."""
    _attempt.set(attempt)


# ── what there is ────────────────────────────────────────────────────────────────────────────────────────


class Catalogue(msgspec.Struct, frozen=True):
    """All kinds of steps that a file may use here."""

    kinds: Mapping[str, Kind]
    actions: Mapping[str, Action] = {}
    coming: Mapping[str, str] = {}
    """What is known and not there yet: the name or its first part, and a word on it."""
    carried: frozenset[str] | None = None
    """The kinds that can be carried out here; None is all: a file is checked as such, not for running."""
    off: Mapping[str, str] = {}
    """Kinds that could be carried out here and are not allowed to, each with how to allow it."""

    def kind(self, uses: str) -> Kind | None:
        """Return the kind of that name."""
        return self.kinds.get(uses)

    def unavailable(self, uses: str) -> tuple[str, str]:
        """Return the code and the sentence for a name that is no kind here."""
        coming = self.coming.get(uses) or self.coming.get(uses.partition(".")[0] + ".*")
        if coming is not None:
            return "USES_UNAVAILABLE", f"{uses} is not there yet: {coming}."
        if uses in self.actions:
            hint = f": it is an action, so write uses: python, with: {{action: {uses}}}"
            return "USES_UNKNOWN", f"There is no kind of step called {uses!r}{hint}."
        hint = did_you_mean(uses, self.kinds)
        return "USES_UNKNOWN", f"There is no kind of step called {uses[:100]!r}{hint or '.'}"
