"""What a bot author subclasses, and what a handler is given.

    class Ticket(Body):
        text: str

    class Answer(Body):
        text: str

    class Counts(Memory):
        taken: int = 0

    class Desk(Bot):
        "Takes tickets and asks a specialist about them."

        subscribes = ("tickets.new",)
        memory: Counts

        @on(Ticket)
        async def take(self, ticket: Ticket, turn: Turn) -> None:
            self.memory.taken += 1
            answer = await turn.ask("specialist", ticket, Answer)
            turn.publish("tickets.done", answer)

A bot is an actor: it handles one message at a time, in the order of the log. A handler's turn is atomic: that
the message was handled, what the memory now holds and all that was sent become true together when the handler
returns, or not at all when it raises. What a handler does to the world outside is not undone; it may happen
again after a crash, and `turn.message.id` is the same each time.

Handlers may also be plain functions (`def`): they run in a thread of their own and cannot ask.
How the house carries this out is told in `company/bot.py`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar, dataclass_transform

import msgspec

from callboard.authoring.handling import (
    House,
    Listen,
    Say,
    Turn,
    Unlisten,
    Want,
    body_of,
    decode_body,
    inherited,
    seconds,
)
from callboard.errors import BadInput, BotInvalid
from callboard.messages import Body, Message, check_name, check_new_bot, check_pattern, kebab

__all__ = [
    "EVERY_TYPE",
    "Bot",
    "Handler",
    "House",
    "Listen",
    "Memory",
    "Say",
    "Settings",
    "Shape",
    "Turn",
    "Unlisten",
    "Want",
    "body_of",
    "decode_body",
    "every",
    "inherited",
    "on",
    "otherwise",
    "shape_of",
]

B = TypeVar("B", bound=Body)
S = TypeVar("S", bound="Bot")
R = TypeVar("R", bound="Body | Awaitable[Body | None] | None")

EVERY_TYPE = "every."
"""Begins the type of the message by which a schedule calls its handler."""

_HOW = "_callboard_handles"


class Memory(msgspec.Struct):
    """What a bot keeps from one message to the next: subclass it with fields that have defaults.

    It is saved with each turn that changed it. Stored memory that does not decode sets the bot aside; it is
    never thrown away. So give new fields a default, and old data reads.
    """


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an operator may set for a bot, in `[bots.NAME.settings]` of config/callboard.toml."""


def on(
    body: type[B],
    *,
    type: str | None = None,  # noqa: A002 - the word of the domain, on the wire and in the log
) -> Callable[[Callable[[S, B, Turn], R]], Callable[[S, B, Turn], R]]:
    """Mark the handler for messages that say such a body."""
    given: object = body  # anything, where no type checker has looked
    if not (inspect.isclass(given) and issubclass(given, Body)):
        raise BotInvalid(f"on({body!r}): name a subclass of Body, such as on(Ticket).")

    def mark(handler: Callable[[S, B, Turn], R]) -> Callable[[S, B, Turn], R]:
        return _mark(handler, _How(body=body, said=type or body.type))

    return mark


def otherwise(handler: Callable[[S, Message, Turn], R]) -> Callable[[S, Message, Turn], R]:
    """Mark the handler for all messages that no other handler takes; it is given the message itself."""
    return _mark(handler, _How())


def every(interval: str) -> Callable[[Callable[[S, Turn], R]], Callable[[S, Turn], R]]:
    """Mark the handler that is called on a schedule, such as `every("15m")`."""
    pause = seconds("every", interval)
    if pause <= 0:
        raise BadInput(f"every({interval!r}): the time between two calls must be longer than nothing.")

    def mark(handler: Callable[[S, Turn], R]) -> Callable[[S, Turn], R]:
        return _mark(handler, _How(every=pause))

    return mark


class _How(msgspec.Struct, frozen=True):
    """What a decorator wrote down."""

    body: type[Body] | None = None
    said: str | None = None
    """The type of message; None is all that no other handler takes."""
    every: float | None = None


F = TypeVar("F", bound=Callable[..., Any])


def _mark(handler: F, how: _How) -> F:
    if hasattr(handler, _HOW):
        raise BotInvalid(f"{handler.__qualname__} is marked twice: write a handler for each type of message.")
    setattr(handler, _HOW, how)
    return handler


class Handler(msgspec.Struct, frozen=True):
    """One handler of a bot class."""

    name: str
    body: type[Body] | None
    """None is the message itself."""
    every: float | None
    waits: bool
    """It is `async def`; one that is not runs in a thread."""


class Bot:
    """A bot: subclass it, say what it listens to, and write handlers. See the top of this file.

    Everything below can be set in the class; an operator's settings for the bot are stronger.
    """

    name: ClassVar[str] = ""
    """Its name on the board; the class's name with dashes, unless it says otherwise."""

    subscribes: ClassVar[Sequence[str]] = ()
    """Channels and patterns that it listens to, from the day it is first loaded."""

    hears_itself: ClassVar[bool] = False
    """Whether those subscriptions also give it what it publishes itself."""

    timeout: ClassVar[str] = "60s"
    """How long a handler may take, its asks included."""

    attempts: ClassVar[int] = 5
    """How often a message is tried before it becomes a dead letter."""

    on_error: ClassVar[Literal["pass", "block"]] = "pass"
    """Whether messages that follow a failed one pass it by, or wait until it is handled or dead."""

    mailbox: ClassVar[int] = 256
    """How many messages wait in memory; all others wait in the log."""

    memory: Any
    """What it keeps, of the type that it is annotated with: a `Memory`."""

    settings: Any
    """What an operator set, of the type that it is annotated with: `Settings`."""

    async def started(self) -> None:
        """Prepare whatever handlers need, before the first message; no messages can be sent here."""

    async def ended(self) -> None:
        """Close what `started` opened, after the last message; also when `started` itself failed."""


class Shape(msgspec.Struct, frozen=True):
    """What there is to know of a bot class, found once."""

    name: str
    description: str
    handlers: Mapping[str, Handler]
    """By type of message."""
    otherwise: Handler | None
    memory: type[Memory] | None
    settings: type[Settings] | None

    def handler(self, type_: str) -> Handler | None:
        """Return the handler for a type of message."""
        return self.handlers.get(type_, self.otherwise)


def shape_of(cls: type[Bot]) -> Shape:
    """Look a bot class over, or refuse it with what is wrong."""
    where = cls.__qualname__
    try:
        _check_settings(cls)
        handlers, rest = _handlers(cls)
        name = check_new_bot(cls.name or kebab(cls.__name__))
    except BadInput as error:
        raise BotInvalid(f"{where}: {error.message}") from None
    hints = _hints(cls)
    return Shape(
        name=name,
        description=inspect.cleandoc(cls.__doc__ or ""),
        handlers=handlers,
        otherwise=rest,
        memory=_annotated(cls, hints, "memory", Memory),
        settings=_annotated(cls, hints, "settings", Settings),
    )


def _check_settings(cls: type[Bot]) -> None:
    if isinstance(cls.subscribes, str):
        raise BadInput(f"subscribes is a text: write a tuple, ({cls.subscribes!r},).")
    for pattern in cls.subscribes:
        check_pattern(pattern)
    if cls.on_error not in {"pass", "block"}:
        raise BadInput(f'on_error is {cls.on_error!r}: it is "pass" or "block".')
    if seconds("timeout", cls.timeout) <= 0:
        raise BadInput(f"timeout={cls.timeout!r}: no handler is done in no time.")
    for name in ("attempts", "mailbox"):
        if getattr(cls, name) < 1:
            raise BadInput(f"{name} is {getattr(cls, name)}: it is 1 or more.")


def _handlers(cls: type[Bot]) -> tuple[dict[str, Handler], Handler | None]:
    """Return the handlers by type of message, and the one for all others."""
    found: dict[str | None, Handler] = {}
    for name, value in inspect.getmembers(cls):
        how = getattr(value, _HOW, None)
        if how is None:
            continue
        handler = Handler(name, how.body, how.every, inspect.iscoroutinefunction(value))
        _check_handler(value, handler)
        _check_call(cls, handler)
        key = how.said if how.every is None else EVERY_TYPE + kebab(name)
        if key in found:
            what = "all other messages" if key is None else repr(key)
            raise BadInput(f"it has two handlers for {what}: {found[key].name} and {name}.")
        found[key] = handler
    rest = found.pop(None, None)
    return {
        check_name("message type", key): handler for key, handler in found.items() if key is not None
    }, rest


def _check_handler(function: Callable[..., Any], handler: Handler) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise BadInput(f"{handler.name} has a `yield`, so calling it would do nothing: return the reply.")
    if handler.body is None:
        return
    try:
        msgspec.json.Decoder(handler.body)
    except (TypeError, NameError) as error:
        raise BadInput(
            f"{handler.name} takes {handler.body.__name__}, which cannot be read: {error}."
        ) from None


def _check_call(cls: type[Bot], handler: Handler) -> None:
    """Refuse a handler that no message could be given to: what is wrong is told before there is one."""
    bound = not isinstance(inspect.getattr_static(cls, handler.name), staticmethod | classmethod)
    takes = ["turn"] if handler.every is not None else ["body" if handler.body else "message", "turn"]
    takes = ["self"] * bound + takes
    try:
        inspect.signature(getattr(cls, handler.name), follow_wrapped=False).bind(*takes)
    except TypeError:
        raise BadInput(f"{handler.name} must take ({', '.join(takes)}): that is what it is given.") from None


def _hints(cls: type[Bot]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise BotInvalid(f"{cls.__qualname__} has an annotation that cannot be read: {error}.") from None


T = TypeVar("T")


def _annotated(cls: type[Bot], hints: Mapping[str, object], name: str, base: type[T]) -> type[T] | None:
    """Return the class of an annotation, checked: it can be made of nothing."""
    where, found = f"{cls.__qualname__}.{name}", hints.get(name)
    if hasattr(cls, name):
        raise BotInvalid(f"{where} is set in the class: annotate it only, `{name}: My{base.__name__}`.")
    if found is None or found is Any:
        return None
    if not (isinstance(found, type) and issubclass(found, base)):
        raise BotInvalid(f"{where} must be annotated with a subclass of {base.__name__}.")
    try:
        found()
    except TypeError as error:
        raise BotInvalid(f"{where}: every field of {found.__name__} needs a default ({error}).") from None
    return found
