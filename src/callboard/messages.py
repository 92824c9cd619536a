"""Messages: what bots say to each other, and how everything that speaks or listens is named.

    class Ticket(Body):
        text: str

    Ticket.type                        # "ticket": the word on the wire and in the log
    To.bot("clerk"), To.channel("tickets.new")

A message is one row of the log, however many receive it. Its body is JSON; a handler says as which `Body` it
wants to have it. Names are parts of small letters, digits and dashes, joined by dots. Where a name may be a
pattern, `*` stands for one part and `**` for one or more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal, dataclass_transform

import msgspec

from callboard.errors import BadInput, MessageTooLarge, NameInvalid
from callboard.ids import LOCAL_USER, SYSTEM, MessageId, Position, PrincipalId, Tenant
from callboard.spelling import shown

LONGEST_NAME = 200
MAX_HOPS = 32
"""How many messages may follow one from another, unless the first of them says otherwise."""

MOST_HOPS = 1_000
"""What the first message of a conversation may raise that to."""

HEADER_BYTES = 16 << 10
"""What the names and values of all headers of a message may hold together."""

HOPS_HEADER = "max-hops"
"""The header that carries it, from each message to those that it causes."""

WORKFLOW = "workflow."
"""So begins the name under which a run speaks; the name of its workflow follows."""

_NAME = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_HOPS = re.compile(r"[0-9]{1,4}")
_PATTERN = re.compile(r"(?:[a-z0-9-]+|\*\*?)(?:\.(?:[a-z0-9-]+|\*\*?))*")


def check_name(what: str, name: str) -> str:
    """Return the name of a bot, channel or type of message, or refuse it."""
    if len(name) > LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise NameInvalid(
            f"{shown(name)} is not the name of a {what}: write small letters, digits and dashes, in parts "
            f"joined by dots, such as tickets.new; {LONGEST_NAME} characters at most."
        )
    return name


def check_new_bot(name: str) -> str:
    """Return the name that a bot shall have, or refuse it: also the names of who speaks and is no bot."""
    if name in {LOCAL_USER, SYSTEM}:
        raise NameInvalid(
            f"No bot can be called {name}: it is the name under which the command line, or the house itself, "
            "speaks; choose another one."
        )
    if name.startswith(WORKFLOW):
        raise NameInvalid(
            f"No bot can be called {shown(name)}: under names that begin with {WORKFLOW} runs of workflows "
            "speak, and replies to them would go astray; choose another one."
        )
    return check_name("bot", name)


def check_pattern(pattern: str) -> str:
    """Return a channel's name or a pattern of names, or refuse it."""
    if len(pattern) > LONGEST_NAME or _PATTERN.fullmatch(pattern) is None:
        raise NameInvalid(
            f"{shown(pattern)} is neither a channel nor a pattern of channels: write a name such as "
            "tickets.new, with * for one of its parts or ** for one or more."
        )
    return pattern


def kebab(name: str) -> str:
    """Return a class's name as a name on the board: `TicketDesk` is `ticket-desk`."""
    return (
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name)
        .replace("_", "-")
        .lower()
        .strip("-")
    )


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a message says: subclass it with the fields, all of types that JSON can hold.

    The class's name, with dashes, is the type of the message; set `type` to name it otherwise. A field that
    is not declared is refused, with its path, as is a value of another type.
    """

    type: ClassVar[str] = ""

    @classmethod
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" not in vars(cls):
            cls.type = kebab(cls.__name__)
        if not isinstance(vars(cls)["type"], str):
            msg = (
                f"{cls.__qualname__}.type names the type of the message, as a text: call a field otherwise, "
                'such as `kind: str = msgspec.field(name="type")`.'
            )
            raise TypeError(msg)
        try:
            check_name("message type", cls.type)
        except NameInvalid as error:
            raise TypeError(f"{cls.__qualname__}: {error.message}") from None


class Ask(Body, frozen=True, omit_defaults=True):
    """What a workflow asks: a bot that has a handler for it, and replies, can be one of its raters."""

    question: Any
    answer: dict[str, Any] = {}
    """What answers may be, as it stands in the workflow: `{"choices": ["pay", "refuse"]}`."""
    answers: dict[str, Any] = {}
    """Only of who is to decide where raters did not agree: what each said."""
    missing: dict[str, str] = {}
    """As above: who said nothing that counts, and why."""
    agreement: float | None = None
    """As above: how far they agreed."""


class Answer(Body, frozen=True, omit_defaults=True):
    """What is replied to an `Ask`; null is no answer, and the reason is for whoever reads the log."""

    answer: Any
    reason: str = ""


class To(msgspec.Struct, frozen=True):
    """Where a message goes: to one bot, or to whoever subscribes to a channel."""

    kind: Literal["bot", "channel"]
    name: str

    @classmethod
    def bot(cls, name: str) -> To:
        return cls("bot", name)

    @classmethod
    def channel(cls, name: str) -> To:
        return cls("channel", name)

    def __str__(self) -> str:
        return f"#{self.name}" if self.kind == "channel" else self.name


class Message(msgspec.Struct, frozen=True):
    """One message, as it stands in the log."""

    position: Position
    cause: Position | None
    tenant: Tenant
    principal: PrincipalId
    id: MessageId
    sender: str
    to: To
    type: str
    json: str
    """The body, as JSON."""
    headers: Mapping[str, str]
    reply_to: MessageId | None
    conversation: str | None
    hops: int
    at: datetime
    asks: bool = False
    """The sender waits for the answer: what replies to it resolves the ask, and reaches no handler."""

    @property
    def body(self) -> Any:  # noqa: ANN401 - it is any value that JSON holds
        """The body, decoded: objects as dicts."""
        return msgspec.json.decode(self.json)

    @property
    def max_hops(self) -> int:
        """How many messages may follow one from another in this conversation."""
        return hops_allowed(self.headers)


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that hold more than those of a message may; each reader of the log is handed them."""
    size = sum(
        len(name.encode(errors="replace")) + len(value.encode(errors="replace"))
        for name, value in headers.items()
    )
    if size > HEADER_BYTES:
        raise MessageTooLarge(
            f"The headers hold {size:,} bytes; those of a message may hold {HEADER_BYTES:,}.",
            limit=HEADER_BYTES,
        )


def hops_allowed(headers: Mapping[str, str]) -> int:
    """Return what the headers of a message say of `MAX_HOPS`."""
    said = headers.get(HOPS_HEADER)
    if said is None:
        return MAX_HOPS
    if _HOPS.fullmatch(said) is None or not 1 <= int(said) <= MOST_HOPS:
        raise BadInput(f"The header {HOPS_HEADER} is {shown(said)}: write a number from 1 to {MOST_HOPS:,}.")
    return int(said)
