"""Bots: what is found in a class and what is refused there, and what a turn collects until it is sealed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

import callboard
from callboard.authoring.bot import (
    Bot,
    Handler,
    Listen,
    Memory,
    Say,
    Settings,
    Turn,
    Unlisten,
    body_of,
    decode_body,
    every,
    inherited,
    on,
    otherwise,
    shape_of,
)
from callboard.errors import (
    BadInput,
    BodyInvalid,
    BotInvalid,
    MessageTooLarge,
    NameInvalid,
    RecipientUnknown,
    TurnSealed,
    Unencodable,
)
from callboard.ids import DEFAULT_TENANT, LOCAL_USER, MessageId, Position
from callboard.messages import HEADER_BYTES, HOPS_HEADER, Answer, Ask, Body, Message, To
from callboard.planning.step import action, this_attempt

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Ticket(Body):
    text: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    amount: int


class Order(Body):
    lines: list[Line]
    amount: int = 0


class Anything(Body):
    value: Any


class Counts(Memory):
    taken: int = 0


class Rules(Settings):
    loud: bool = False


class Needy(Memory):
    taken: int


class Desk(Bot):
    """Takes tickets.

    And hands them on.
    """

    memory: Counts
    settings: Rules

    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        self.memory.taken += 1

    @on(Order, type="tickets.order")
    def order(self, order: Order, turn: Turn) -> Ticket:
        return Ticket(f"{len(order.lines)} lines")

    @every("15m")
    async def send_digest(self, turn: Turn) -> None:
        turn.publish("digest", Ticket("all quiet"))

    @otherwise
    async def rest(self, message: Message, turn: Turn) -> None: ...


class Untyped(Bot):
    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None: ...


# ── what is found in a class ─────────────────────────────────────────────────────────────────────────────


def test_handlers_are_found_by_the_type_of_message() -> None:
    shape = shape_of(Desk)
    assert shape.handler("ticket") == Handler("take", Ticket, None, waits=True)
    assert shape.handler("tickets.order") == Handler("order", Order, None, waits=False)
    assert shape.handler("every.send-digest") == Handler("send_digest", None, 900.0, waits=True)
    assert shape.handler("order") == shape.otherwise == Handler("rest", None, None, waits=True)


def test_a_type_without_a_handler_has_none_if_nothing_takes_the_rest() -> None:
    assert shape_of(Untyped).handler("order") is None


def test_what_a_class_says_of_itself_is_read() -> None:
    shape = shape_of(Desk)
    assert shape.name == "desk"
    assert shape.description == "Takes tickets.\n\nAnd hands them on."
    assert (shape.memory, shape.settings) == (Counts, Rules)


def test_what_a_class_does_not_say_is_absent() -> None:
    shape = shape_of(Untyped)
    assert (shape.description, shape.memory, shape.settings) == ("", None, None)


def test_a_bot_may_be_made_from_another() -> None:
    """It has the handlers and the memory of that one."""

    class NightDesk(Desk):
        @on(Body, type="alarm")
        async def alarm(self, body: Body, turn: Turn) -> None: ...

    shape = shape_of(NightDesk)
    assert shape.name == "night-desk"
    assert set(shape.handlers) == {"ticket", "tickets.order", "every.send-digest", "alarm"}
    assert shape.memory is Counts


# ── what is refused there ────────────────────────────────────────────────────────────────────────────────


class TwoForOne(Bot):
    @on(Ticket)
    async def first(self, ticket: Ticket, turn: Turn) -> None: ...

    @on(Ticket)
    async def second(self, ticket: Ticket, turn: Turn) -> None: ...


class TwoForTheRest(Bot):
    @otherwise
    async def first(self, message: Message, turn: Turn) -> None: ...

    @otherwise
    async def second(self, message: Message, turn: Turn) -> None: ...


class Texted(Bot):
    subscribes = "tickets.new"


class Shouting(Bot):
    subscribes = ("tickets.NEW",)


class Misnamed(Bot):
    name = "The Clerk"


class Bare(Bot):
    @on(Body)
    async def take(self, body: Body, turn: Turn) -> None: ...


class Hesitant(Bot):
    on_error = "wait"  # type: ignore[assignment]


class Unitless(Bot):
    timeout = "60"


class Hasty(Bot):
    timeout = "0s"


class Listless(Bot):
    attempts = 0


class Boxless(Bot):
    mailbox = 0


class Number(Bot):
    memory: int


class Swapped(Bot):
    settings: Counts


class Demanding(Bot):
    memory: Needy


class Shared(Bot):
    memory = Counts()


class Lost(Bot):
    memory: Nowhere  # type: ignore[name-defined]  # noqa: F821 - that is the mistake


class Yielding(Bot):
    @on(Ticket)  # type: ignore[type-var]
    async def take(self, ticket: Ticket, turn: Turn) -> AsyncIterator[Ticket]:
        yield ticket


class TwoOnTime(Bot):
    @every("1m")
    async def tick(self, turn: Turn) -> None: ...

    @every("2m")
    async def _tick(self, turn: Turn) -> None: ...


class Turnless(Bot):
    @on(Ticket)  # type: ignore[arg-type]
    async def take(self, ticket: Ticket) -> None: ...


class Tickless(Bot):
    @every("1m")  # type: ignore[arg-type]
    async def tick(self, message: Message, turn: Turn) -> None: ...


class Bound(Bot):
    """Handlers of other makes, which can be called all the same."""

    @staticmethod  # type: ignore[type-var]
    @on(Ticket)  # type: ignore[arg-type]
    async def take(ticket: Ticket, turn: Turn) -> None: ...

    @otherwise
    async def rest(self, *given: object) -> None: ...


def unreadable() -> type[Bot]:
    class Local(Body):
        text: Nowhere  # type: ignore[name-defined]  # noqa: F821 - that is the mistake

    class Blind(Bot):
        @on(Local)
        async def take(self, body: Local, turn: Turn) -> None: ...

    return Blind


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (TwoForOne, r"^TwoForOne: it has two handlers for 'ticket': first and second\.$"),
        (TwoForTheRest, r"^TwoForTheRest: .* for all other messages: first and second\.$"),
        (TwoOnTime, r"two handlers for 'every\.tick': _tick and tick"),
        (Texted, r"^Texted: subscribes is a text: write a tuple, \('tickets\.new',\)\.$"),
        (Shouting, r"^Shouting: 'tickets\.NEW' is neither a channel nor a pattern"),
        (Misnamed, r"^Misnamed: 'The Clerk' is not the name of a bot"),
        (Bare, r"^Bare: '' is not the name of a message type"),
        (Hesitant, r"on_error is 'wait': it is \"pass\" or \"block\""),
        (Unitless, r"^Unitless: timeout='60': a duration is a whole number and a unit"),
        (Hasty, r"timeout='0s'"),
        (Listless, r"attempts is 0"),
        (Boxless, r"mailbox is 0"),
        (Number, r"^Number\.memory must be annotated with a subclass of Memory"),
        (Swapped, r"^Swapped\.settings must be annotated with a subclass of Settings"),
        (Demanding, r"^Demanding\.memory: every field of Needy needs a default \(.*'taken'"),
        (Shared, r"^Shared\.memory is set in the class: annotate it only, `memory: MyMemory`"),
        (Lost, r"^Lost has an annotation that cannot be read: .*Nowhere"),
        (Yielding, r"^Yielding: take has a `yield`"),
        (Turnless, r"^Turnless: take must take \(self, body, turn\)"),
        (Tickless, r"^Tickless: tick must take \(self, turn\)"),
        (unreadable(), r"Blind: take takes Local, which cannot be read: .*Nowhere"),
    ],
)
def test_a_class_that_cannot_be_a_bot_is_refused_with_where_and_why(cls: type[Bot], why: str) -> None:
    with pytest.raises(BotInvalid, match=why):
        shape_of(cls)


def test_a_handler_that_can_be_called_is_taken_however_it_is_written() -> None:
    assert set(shape_of(Bound).handlers) == {"ticket"}


def test_a_handler_is_for_a_body() -> None:
    with pytest.raises(BotInvalid, match=r"^on\('ticket'\): name a subclass of Body"):
        on("ticket")  # type: ignore[arg-type]


def test_a_handler_is_marked_once() -> None:
    """The second mark would take the place of the first, and its messages would find no handler."""

    async def take(bot: Bot, body: Ticket, turn: Turn) -> None: ...

    with pytest.raises(BotInvalid, match="take is marked twice"):
        on(Ticket, type="note")(on(Ticket)(take))


@pytest.mark.parametrize("interval", ["", "15", "15 m", "soon", "-1m"])
def test_an_interval_is_a_duration(interval: str) -> None:
    with pytest.raises(BadInput, match=r"every='.*': a duration is"):
        every(interval)


def test_an_interval_takes_time() -> None:
    with pytest.raises(BadInput, match="longer than nothing"):
        every("0s")


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────


def message(json: str = '{"text":"a"}', headers: Mapping[str, str] | None = None) -> Message:
    return Message(
        position=Position(7),
        cause=None,
        tenant=DEFAULT_TENANT,
        principal=LOCAL_USER,
        id=MessageId(UUID(int=7)),
        sender="ann",
        to=To.bot("desk"),
        type="ticket",
        json=json,
        headers=headers or {},
        reply_to=None,
        conversation="talk",
        hops=0,
        at=NOON,
    )


def test_a_body_is_read_as_the_handler_has_it() -> None:
    assert decode_body(message(), Ticket) == Ticket("a")


@pytest.mark.parametrize(
    ("json", "shape", "why"),
    [
        ('{"txt":"a"}', Ticket, r"no Ticket: .*unknown field `txt`; did you mean text\?$"),
        ('{"zzz":"a"}', Ticket, r"unknown field `zzz`\.$"),
        ('{"text":1}', Ticket, r"The body of the 'ticket' from ann is no Ticket: .* - at `\$\.text`"),
        ('{"lines":[{"amount":"a"}]}', Order, r"`\$\.lines\[0\]\.amount`"),
        ('{"lines":[{"amont":1}]}', Order, r"unknown field `amont` - at `\$\.lines\[0\]`\.$"),
        pytest.param('{"value":' + "[" * 100_000, Anything, r"is no Anything: .*recursion", id="deep"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_the_path(json: str, shape: type[Body], why: str) -> None:
    """And with the field that was meant, if it is one of the body's own."""
    with pytest.raises(BodyInvalid, match=why) as caught:
        decode_body(message(json), shape)
    assert caught.value.details == {"type": "ticket", "sender": "ann"}


def test_a_body_says_of_which_type_it_is_and_anything_else_must_be_told() -> None:
    assert body_of(Ticket("a"), None) == ("ticket", '{"text":"a"}')
    assert body_of(Ticket("a"), "note") == ("note", '{"text":"a"}')
    assert body_of({"n": 1}, "note") == ("note", '{"n":1}')
    with pytest.raises(BadInput, match="name its type"):
        body_of({"n": 1}, None)
    with pytest.raises(NameInvalid):
        body_of({"n": 1}, "Note")
    with pytest.raises(Unencodable):
        body_of({"n": float("nan")}, "note")


def test_headers_are_the_messages_own_and_the_limit_is_inherited() -> None:
    cause = {HOPS_HEADER: "5", "other": "x"}
    assert inherited({}, None) == {}
    assert inherited(cause, None) == {HOPS_HEADER: "5"}
    assert inherited(cause, {"own": "y"}) == {HOPS_HEADER: "5", "own": "y"}
    assert inherited(cause, {HOPS_HEADER: "900"}) == {HOPS_HEADER: "5"}
    assert inherited({}, {HOPS_HEADER: "900"}) == {HOPS_HEADER: "900"}
    with pytest.raises(BadInput, match="max-hops"):
        inherited({}, {HOPS_HEADER: "9000"})
    with pytest.raises(BadInput, match="'n' must be text"):
        inherited(cause, {"n": 1})  # type: ignore[dict-item]
    with pytest.raises(MessageTooLarge, match="headers"):
        inherited(cause, {"own": "y" * HEADER_BYTES})


# ── the turn ─────────────────────────────────────────────────────────────────────────────────────────────


class FakeHouse:
    """It knows one bot, counts ids, and answers every question with the same text."""

    def __init__(self, answer: str = '{"text":"yes"}') -> None:
        self.ids = 100
        self.answer = answer
        self.asked: list[tuple[Say, float]] = []

    def now(self) -> datetime:
        return NOON

    def new_id(self) -> MessageId:
        self.ids += 1
        return MessageId(UUID(int=self.ids))

    def check_since(self, since: int | None) -> None: ...

    def check(self, sender: str, to: To, json: str, *, known: bool) -> None:
        assert sender == "desk"
        if not known and to.kind == "bot" and to.name != "clerk":
            raise RecipientUnknown(f"Nobody is named {to.name}.")

    async def ask(self, question: Say, seconds: float) -> Message:
        self.asked.append((question, seconds))
        return message(self.answer)


def new_turn(house: FakeHouse | None = None, headers: Mapping[str, str] | None = None) -> Turn:
    return Turn(message(headers=headers), "desk", house or FakeHouse())


def said(to: To, number: int, **about: Any) -> Say:
    rest: dict[str, Any] = {
        "type": "ticket",
        "headers": {},
        "reply_to": None,
        "conversation": "talk",
        "after": 0.0,
    }
    return Say(id=MessageId(UUID(int=number)), to=to, json='{"text":"b"}', **(rest | about))


def test_a_turn_collects_what_is_said_in_order() -> None:
    turn = new_turn()
    first = turn.send("clerk", Ticket("b"))
    turn.publish("news", {"text": "b"}, type="note", after="10m", conversation="other")
    turn.reply(Ticket("b"), headers={"own": "y"})
    turn.send("clerk", Ticket("b"), reply_to=first)
    turn.subscribe("tickets.*", since=3, own=True)
    turn.unsubscribe("tickets.**")
    assert turn.wants == [
        said(To.bot("clerk"), 101),
        said(To.channel("news"), 102, type="note", after=600.0, conversation="other"),
        said(To.bot("ann"), 103, headers={"own": "y"}, reply_to=message().id),
        said(To.bot("clerk"), 104, reply_to=first),
        Listen("tickets.*", 3, own=True),
        Unlisten("tickets.**"),
    ]
    assert first == MessageId(UUID(int=101))
    assert turn.now == NOON


def test_a_reply_is_never_refused_for_its_recipient() -> None:
    """Who asked may be no bot at all; whoever else is named must be one."""
    turn = new_turn()
    turn.reply(Ticket("b"))
    with pytest.raises(RecipientUnknown):
        turn.send("ann", Ticket("b"))
    assert len(turn.wants) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda turn: turn.send("The Clerk", Ticket("b")),
        lambda turn: turn.send("clerk", {"text": "b"}),
        lambda turn: turn.reply({"text": "b"}),
        lambda turn: turn.publish("tickets.*", Ticket("b")),
        lambda turn: turn.publish("news", {"text": "b"}),
        lambda turn: turn.publish("news", Ticket("b"), after="later"),
        lambda turn: turn.subscribe("tickets.*x"),
        lambda turn: turn.unsubscribe(""),
    ],
)
def test_what_cannot_be_sent_is_refused_where_it_is_said(wrong: Callable[[Turn], object]) -> None:
    turn = new_turn()
    with pytest.raises(BadInput):
        wrong(turn)
    assert turn.wants == []


def test_what_a_turn_says_inherits_the_limit() -> None:
    turn = new_turn(headers={HOPS_HEADER: "5"})
    turn.send("clerk", Ticket("b"))
    assert turn.wants == [said(To.bot("clerk"), 101, headers={HOPS_HEADER: "5"})]


async def test_a_question_leaves_at_once_and_its_answer_is_read() -> None:
    house = FakeHouse()
    turn = new_turn(house)
    assert await turn.ask("clerk", Ticket("b"), Ticket, timeout="2s") == Ticket("yes")
    assert house.asked == [(said(To.bot("clerk"), 101), 2.0)]
    assert turn.wants == []


async def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(BodyInvalid, match=r"is no Ticket: .*did you mean text\?"):
        await new_turn(FakeHouse('{"tex":1}')).ask("clerk", Ticket("b"), Ticket)


@pytest.mark.parametrize(
    "say",
    [
        lambda turn: turn.send("clerk", Ticket("b")),
        lambda turn: turn.publish("news", Ticket("b")),
        lambda turn: turn.reply(Ticket("b")),
        lambda turn: turn.subscribe("news"),
        lambda turn: turn.unsubscribe("news"),
        lambda turn: asyncio.run(turn.ask("clerk", Ticket("b"), Ticket)),
    ],
    ids=["send", "publish", "reply", "subscribe", "unsubscribe", "ask"],
)
def test_a_sealed_turn_refuses_everything(say: Callable[[Turn], object]) -> None:
    """A task left behind, or a thread that came too late, does not speak into what is over."""
    house = FakeHouse()
    turn = new_turn(house)
    say(turn)
    before = list(turn.wants), list(house.asked)
    turn.seal(TurnSealed("It took too long."))
    with pytest.raises(TurnSealed, match="too long"):
        say(turn)
    assert (turn.wants, house.asked) == before


async def test_a_thread_can_say_and_cannot_ask() -> None:
    """Not even in a loop of its own, which would wait for the house in the wrong one."""
    house = FakeHouse()
    turn = new_turn(house)

    def handler() -> None:
        turn.send("clerk", Ticket("b"))
        asyncio.run(asks())

    async def asks() -> None:
        await turn.ask("clerk", Ticket("b"), Ticket)

    with pytest.raises(BadInput, match="cannot ask: make it `async def`"):
        await asyncio.to_thread(handler)
    assert turn.wants == [said(To.bot("clerk"), 101)]
    assert house.asked == []


# ── the shop window ──────────────────────────────────────────────────────────────────────────────────────


def test_an_author_imports_everything_from_the_root() -> None:
    found = {name: getattr(callboard, name) for name in callboard.__all__}
    assert found == {
        "Answer": Answer,
        "Ask": Ask,
        "Body": Body,
        "Bot": Bot,
        "Memory": Memory,
        "Message": Message,
        "Settings": Settings,
        "Turn": Turn,
        "action": action,
        "every": every,
        "on": on,
        "otherwise": otherwise,
        "this_attempt": this_attempt,
    }
    with pytest.raises(AttributeError, match="no attribute 'Bott'"):
        _ = callboard.Bott  # type: ignore[attr-defined]


def test_the_root_alone_imports_nothing() -> None:
    """So that the command line pays only for what its word needs."""
    program = (
        "import callboard, sys; print([m for m in sys.modules if m.startswith(('callboard.', 'msgspec'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
