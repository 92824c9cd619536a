"""What a handler is given: its turn, through which it says what shall become true.

What a turn collects are values (`Say`, `Listen`, `Unlisten`). The house, which is `company/attempts.py` or
the fake of a test, turns them into facts when the handler has returned. Whatever can be refused is refused
at once, on the line that said it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Coroutine, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from callboard.errors import BadInput, BodyInvalid, CallboardError, TurnSealed
from callboard.facts import encode
from callboard.ids import MessageId
from callboard.messages import (
    HOPS_HEADER,
    Body,
    Message,
    To,
    check_headers,
    check_name,
    check_pattern,
    hops_allowed,
)
from callboard.spelling import did_you_mean
from callboard.units import seconds as seconds_of

A = TypeVar("A", bound=Body)


class Say(msgspec.Struct, frozen=True):
    """A message that a turn sends."""

    id: MessageId
    to: To
    type: str
    json: str
    headers: Mapping[str, str]
    reply_to: MessageId | None
    conversation: str | None
    after: float
    """Seconds until it is sent; 0 is with the turn."""


class Listen(msgspec.Struct, frozen=True):
    """A subscription that a turn begins."""

    pattern: str
    since: int | None
    own: bool


class Unlisten(msgspec.Struct, frozen=True):
    """A subscription that a turn ends."""

    pattern: str


Want = Say | Listen | Unlisten


class House(Protocol):
    """What a turn needs of the house while its handler runs."""

    def now(self) -> datetime:
        """Return the time."""

    def new_id(self) -> MessageId:
        """Return an id for a message."""

    def check(self, sender: str, to: To, json: str, *, known: bool) -> None:
        """Refuse what could not be sent: to nobody of that name (unless known), too large, too many."""

    def check_since(self, since: int | None) -> None:
        """Refuse a position that is not in the log."""

    async def ask(self, question: Say, seconds: float) -> Message:
        """Commit the question, wait for the answer, and return it."""


class Turn:
    """One message being handled: what it is, and what shall become true with it.

    `send`, `publish`, `reply`, `subscribe` and `unsubscribe` take part in the turn: nothing of them happens
    unless the handler returns. `ask` alone leaves at once.
    """

    __slots__ = ("_finished", "_house", "_over", "_sender", "_thread", "hops", "message", "wants")

    def __init__(self, message: Message, sender: str, house: House, hops: int | None = None) -> None:
        self.message = message
        """What is being handled: its sender, channel, conversation, headers, time."""
        self.hops = message.hops if hops is None else hops
        """What the hops of all that it causes are counted from: of a message that was redriven, 0."""
        self.wants: list[Want] = []
        self._sender = sender
        self._house = house
        self._over: CallboardError | None = None
        self._finished = False
        self._thread = threading.get_ident()

    @property
    def now(self) -> datetime:
        """The time, by the house's clock."""
        return self._house.now()

    def send(
        self,
        to: str,
        body: Body | Mapping[str, Any],
        *,
        type: str | None = None,  # noqa: A002 - the word of the domain, on the wire and in the log
        after: str | None = None,
        headers: Mapping[str, str] | None = None,
        reply_to: MessageId | None = None,
        conversation: str | None = None,
    ) -> MessageId:
        """Send to one bot, now or `after="10m"`. A body that is no `Body` needs its `type` beside it."""
        to_bot = To("bot", check_name("bot", to))
        return self._say(to_bot, body, type, after, headers, reply_to, conversation)

    def publish(
        self,
        channel: str,
        body: Body | Mapping[str, Any],
        *,
        type: str | None = None,  # noqa: A002 - as above
        after: str | None = None,
        headers: Mapping[str, str] | None = None,
        conversation: str | None = None,
    ) -> MessageId:
        """Say it to whoever subscribes to the channel; the channel is made if there is none."""
        to_channel = To("channel", check_name("channel", channel))
        return self._say(to_channel, body, type, after, headers, None, conversation)

    def reply(
        self,
        body: Body | Mapping[str, Any],
        *,
        type: str | None = None,  # noqa: A002 - as above
        headers: Mapping[str, str] | None = None,
    ) -> MessageId:
        """Answer whoever sent the message. A handler that returns a body replies with it."""
        to_sender = To("bot", self.message.sender)
        return self._say(to_sender, body, type, None, headers, self.message.id, None)

    def ask(
        self,
        bot: str,
        question: Body | Mapping[str, Any],
        answer: type[A],
        *,
        type: str | None = None,  # noqa: A002 - as above
        timeout: str = "30s",
    ) -> Coroutine[Any, Any, A]:
        """Ask another bot and `await` its answer.

        The question is sent at once and stays sent; if this handler has to run again, the same question gives
        the answer that was recorded. Raises AskTimeout, AskCycle, and BodyInvalid if the answer is another.
        """
        # Here and not in the coroutine: that one would only run in a loop, be it one of the thread's own.
        if threading.get_ident() != self._thread:
            raise BadInput(
                "A handler that is a plain function runs in a thread and cannot ask: make it `async def`."
            )
        return self._ask(bot, question, answer, type, timeout)

    async def _ask(
        self,
        bot: str,
        question: Body | Mapping[str, Any],
        answer: type[A],
        type_: str | None,
        timeout: str,
    ) -> A:
        pause = seconds("timeout", timeout)
        asked = self._compose(To("bot", check_name("bot", bot)), question, type_, 0.0, None, None, None)
        return decode_body(await self._house.ask(asked, pause), answer)

    def subscribe(self, pattern: str, *, since: int | None = None, own: bool = False) -> None:
        """Listen to every channel that fits the pattern, from now or from a position of the log on."""
        self._house.check_since(since)
        self._add(Listen(check_pattern(pattern), since, own))

    def unsubscribe(self, pattern: str) -> None:
        """Listen no longer; what was said before is still delivered."""
        self._add(Unlisten(check_pattern(pattern)))

    def seal(self, reason: CallboardError) -> None:
        """End the turn early: whatever its handler still says is refused with the reason."""
        self._over = reason

    def finish(self) -> None:
        """End the turn: its handler is done."""
        self._finished = True

    def _check_open(self) -> None:
        if self._over is not None:
            raise self._over
        if self._finished:
            raise TurnSealed(f"The turn that handled {self.message.id} is over; nothing more goes into it.")

    def _say(
        self,
        to: To,
        body: Body | Mapping[str, Any],
        type_: str | None,
        after: str | None,
        headers: Mapping[str, str] | None,
        reply_to: MessageId | None,
        conversation: str | None,
    ) -> MessageId:
        pause = 0.0 if after is None else seconds("after", after)
        said = self._compose(to, body, type_, pause, headers, reply_to, conversation)
        self._add(said)
        return said.id

    def _compose(
        self,
        to: To,
        body: Body | Mapping[str, Any],
        type_: str | None,
        after: float,
        headers: Mapping[str, str] | None,
        reply_to: MessageId | None,
        conversation: str | None,
    ) -> Say:
        self._check_open()
        name, json = body_of(body, type_)
        # Who asked may be anybody, also one who is no bot: a reply is never refused for its recipient.
        answers = reply_to == self.message.id and to.name == self.message.sender
        self._house.check(self._sender, to, json, known=answers)
        return Say(
            id=self._house.new_id(),
            to=to,
            type=name,
            json=json,
            headers=inherited(self.message.headers, headers),
            reply_to=reply_to,
            conversation=conversation or self.message.conversation,
            after=after,
        )

    def _add(self, want: Want) -> None:
        self._check_open()
        self.wants.append(want)


def body_of(body: Body | Mapping[str, Any], type_: str | None) -> tuple[str, str]:
    """Return the type and the JSON of a body."""
    if isinstance(body, Body):
        name = type_ or body.type
    elif type_ is not None:
        name = type_
    else:
        raise BadInput("A body that is not a Body does not say of which type the message is: name its type.")
    return check_name("message type", name), encode(body)


def inherited(from_cause: Mapping[str, str], own: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the headers of a message: its own, and the hop limit of the one that caused it."""
    limit = from_cause.get(HOPS_HEADER)
    if own is None:
        return {} if limit is None else {HOPS_HEADER: limit}
    for header in own.items():
        if not all(isinstance(part, str) for part in header):
            raise BadInput(f"The header {header[0]!r} must be text with a text for its value.")
    check_headers(own)
    if limit is not None:
        return {**own, HOPS_HEADER: limit}
    hops_allowed(own)
    return dict(own)


def seconds(what: str, text: str) -> float:
    """Read a duration that an author wrote, or refuse it under the name that it has there."""
    try:
        return seconds_of(text)
    except ValueError as error:
        raise BadInput(f"{what}={text!r}: {error}.") from None


_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>.*)`$")
"""Only of the body itself: for one further in, a path follows, and which fields are known there is not."""


def decode_body(message: Message, shape: type[A]) -> A:
    """Return a message's body as the shape says, or refuse it with the path of the fault."""
    try:
        return msgspec.json.decode(message.json, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        unknown = _UNKNOWN_FIELD.search(str(error))
        hint = did_you_mean(unknown["name"], shape.__struct_encode_fields__) if unknown else ""
        raise BodyInvalid(
            f"The body of the {message.type!r} from {message.sender} is no {shape.__name__}: "
            f"{error}{hint or '.'}",
            type=message.type,
            sender=message.sender,
        ) from None
