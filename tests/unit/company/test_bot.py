"""Bots: what becomes of messages, handlers, memory, asks and failures, in a house without a door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from callboard.authoring.bot import Bot, Memory, Turn, every, on, otherwise
from callboard.errors import AskCycle, AskTimeout, BadInput, KeyReused, MessageTooLarge, RecipientUnknown
from callboard.ids import BotName
from callboard.messages import Body, Message, To
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import stage


class Note(Body):
    text: str


class Answer(Body):
    text: str


class Seen(Memory):
    texts: list[str] = []  # noqa: RUF012 - msgspec copies it for each struct


class Counts(Memory):
    texts: int = 0


class Clerk(Bot):
    """Remembers what it is told."""

    subscribes: ClassVar[Sequence[str]] = ("notes.*",)
    memory: Seen

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> None:
        self.memory.texts.append(note.text)


class Echo(Bot):
    """Answers with what it is told."""

    @on(Note)
    async def note(self, note: Note, turn: Turn) -> Answer:
        return Answer(note.text.upper())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def remembered(here: object, bot: str) -> str:
    row = await here.store.memory(BotName(bot))  # type: ignore[attr-defined]
    return row.data if row else ""


async def test_direct_and_channel_messages_reach_a_bot_in_the_order_of_the_log(file: Path) -> None:
    async with stage(file, Clerk) as here:
        await here.send("clerk", Note("one"))
        await here.send("#notes.new", Note("two"))
        last = await here.send("clerk", Note("three"))
        await here.quiet("clerk")
        assert await remembered(here, "clerk") == '{"texts":["one","two","three"]}'
        assert await here.store.cursor(BotName("clerk")) == last.position


async def test_a_subscription_survives_a_restart_and_an_ended_one_gives_nothing(file: Path) -> None:
    class Plain(Clerk):
        name = "plain"
        subscribes = ()

    async with stage(file, Plain) as here:
        await here.bus.subscribe("plain", "news")
        await here.bus.subscribe("plain", "old")
        await here.bus.unsubscribe("plain", "old")
    async with stage(file, Plain) as here:
        await here.send("#news", Note("heard"))
        await here.send("#old", Note("not heard"))
        await here.quiet("plain")
        assert await remembered(here, "plain") == '{"texts":["heard"]}'


async def test_a_message_waits_in_the_log_for_a_bot_that_is_not_there(file: Path) -> None:
    async with stage(file, Clerk) as here:
        await here.send("clerk", Note("one"))
        await here.quiet("clerk")
    async with stage(file) as here:
        await here.send("clerk", Note("two"))
        assert await here.store.waiting(BotName("clerk"), 10) == 1
    async with stage(file, Clerk) as here:
        await here.quiet("clerk")
        assert await remembered(here, "clerk") == '{"texts":["one","two"]}'


async def test_more_messages_than_a_mailbox_holds_are_all_handled_in_order(file: Path) -> None:
    class Small(Clerk):
        name = "small"
        mailbox = 4

    async with stage(file, Small) as here:
        await asyncio.gather(*(here.send("small", Note(str(number))) for number in range(300)))
        await here.quiet("small")
        rows = await here.said(pair=("local", "small"))
        texts = [row.message.body["text"] for row in rows]
        assert len(texts) == 300
        assert json.loads(await remembered(here, "small")) == {"texts": texts}


async def test_what_a_returned_body_replies_resolves_an_ask_from_outside(file: Path) -> None:
    async with stage(file, Echo) as here:
        answer = await here.bus.ask(
            sender="local", to=To.bot("echo"), type="note", json='{"text":"hi"}', seconds=5
        )
        assert (answer.body, answer.sender) == ({"text": "HI"}, "echo")


async def test_a_handler_that_raises_is_tried_again_and_leaves_nothing_of_its_turn(file: Path) -> None:
    class Flaky(Bot):
        memory: Seen
        tries: ClassVar[int] = 0

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            self.memory.texts.append(note.text)
            turn.send("clerk", note)
            Flaky.tries += 1
            if Flaky.tries < 3:
                raise RuntimeError("not yet")

    async with stage(file, Flaky, Clerk, clock=JumpClock()) as here:
        await here.send("flaky", Note("one"))
        await here.quiet("flaky", "clerk")
        assert Flaky.tries == 3
        assert await remembered(here, "flaky") == '{"texts":["one"]}'
        assert await remembered(here, "clerk") == '{"texts":["one"]}'
        (row,) = await here.said(pair=("local", "flaky"))
        assert [(one.outcome, one.attempts) for one in row.deliveries] == [("handled", 3)]


async def test_past_its_attempts_a_message_is_a_dead_letter_that_can_be_redriven(file: Path) -> None:
    class Broken(Bot):
        attempts = 2
        works: ClassVar[bool] = False
        handled: ClassVar[list[str]] = []

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            if note.text == "bad" and not Broken.works:
                raise RuntimeError("broken")
            Broken.handled.append(note.text)

    async with stage(file, Broken, clock=JumpClock()) as here:
        await here.send("broken", Note("bad"))
        await here.send("broken", Note("good"))
        await here.quiet("broken")
        (letter,) = await here.store.dead_letters()
        assert (letter.reason, letter.attempts, letter.error) == ("FAILED", 2, "RuntimeError: broken")
        assert Broken.handled == ["good"]
        Broken.works = True
        await here.bus.redrive(letter.letter)
        await here.until(lambda: Broken.handled == ["good", "bad"])
        await here.quiet("broken")
        assert await here.store.dead_letters() == []


async def test_a_blocking_bot_holds_its_stream_until_the_failed_message_is_handled(file: Path) -> None:
    class Strict(Bot):
        on_error = "block"
        tries: ClassVar[list[str]] = []

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            Strict.tries.append(note.text)
            if note.text == "one" and Strict.tries.count("one") < 3:
                raise RuntimeError("not yet")

    async with stage(file, Strict, clock=JumpClock()) as here:
        for text in ("one", "two", "three"):
            await here.send("strict", Note(text))
        await here.until(lambda: "three" in Strict.tries)
        assert Strict.tries == ["one", "one", "one", "two", "three"]
        await here.quiet("strict")


@pytest.mark.parametrize(
    ("type_", "body", "reason"),
    [("note", '{"text":1}', "BODY_INVALID"), ("other", "{}", "NO_HANDLER")],
)
async def test_what_no_handler_can_take_is_a_dead_letter_at_once(
    file: Path, type_: str, body: str, reason: str
) -> None:
    async with stage(file, Clerk) as here:
        await here.bus.send(sender="local", to=To.bot("clerk"), type=type_, json=body)
        await here.quiet("clerk")
        (letter,) = await here.store.dead_letters()
        assert letter.reason == reason


async def test_what_cannot_be_sent_is_refused_where_it_is_sent(file: Path) -> None:
    async with stage(file, Clerk) as here:
        with pytest.raises(RecipientUnknown, match="did you mean clerk"):
            await here.send("clark", Note("x"))
        with pytest.raises(MessageTooLarge):
            await here.send("clerk", Note("x" * (256 << 10)))
        with pytest.raises(BadInput):
            await here.send("Not A Name", Note("x"))


async def test_an_ask_is_answered_and_its_answer_reaches_no_handler(file: Path) -> None:
    class Asker(Bot):
        answers: ClassVar[list[str]] = []
        rest: ClassVar[list[str]] = []

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            asked = [turn.ask("echo", Note(f"{note.text}{number}"), Answer) for number in range(50)]
            Asker.answers += [answer.text for answer in await asyncio.gather(*asked)]

        @otherwise
        async def other(self, message: Message, turn: Turn) -> None:
            Asker.rest.append(message.type)

    async with stage(file, Asker, Echo) as here:
        await here.send("asker", Note("a"))
        await here.quiet("asker", "echo")
        assert Asker.answers == [f"A{number}" for number in range(50)]
        assert Asker.rest == []
        assert await here.store.waits("bot:asker") == []  # type: ignore[arg-type]


async def test_two_bots_that_ask_each_other_are_told_so_at_once(file: Path) -> None:
    class Left(Bot):
        found: ClassVar[list[str]] = []

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> Answer:
            try:
                return await turn.ask("right", note, Answer, timeout="5s")
            except AskCycle as error:
                Left.found.append(error.code)
                return Answer("cycle")

    class Right(Bot):
        found: ClassVar[list[str]] = []

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> Answer:
            try:
                return await turn.ask("left", note, Answer, timeout="5s")
            except AskCycle as error:
                Right.found.append(error.code)
                return Answer("cycle")

    async with stage(file, Left, Right) as here:
        await here.send("left", Note("x"))
        await here.quiet("left", "right")
        assert Left.found + Right.found == ["ASK_CYCLE"]


async def test_an_ask_that_nobody_answers_times_out_and_leaves_nothing_behind(file: Path) -> None:
    class Deaf(Bot):
        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            pass

    class Patient(Bot):
        found: ClassVar[list[str]] = []

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            try:
                await turn.ask("deaf", note, Answer, timeout="3s")
            except AskTimeout as error:
                Patient.found.append(error.code)

    async with stage(file, Deaf, Patient, clock=JumpClock()) as here:
        await here.send("patient", Note("x"))
        await here.quiet("patient", "deaf")
        assert Patient.found == ["ASK_TIMEOUT"]
        assert await here.store.waits("bot:patient") == []  # type: ignore[arg-type]
        assert here.company.board.asks == {}


async def test_a_retry_is_given_the_recorded_answer_and_another_question_is_refused(file: Path) -> None:
    class Again(Bot):
        tries: ClassVar[int] = 0
        answers: ClassVar[list[str]] = []

        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            Again.tries += 1
            changed = note.text == "changing" and Again.tries > 1
            answer = await turn.ask("echo", Note("second" if changed else "first"), Answer)
            Again.answers.append(answer.text)
            if Again.tries == 1:
                raise RuntimeError("after the ask")

    async with stage(file, Again, Echo, clock=JumpClock()) as here:
        await here.send("again", Note("steady"))
        await here.quiet("again")
        assert Again.answers == ["FIRST", "FIRST"]
        assert len([row for row in await here.said(pair=("again", "echo")) if row.message.asks]) == 1
        Again.tries = 0
        await here.send("again", Note("changing"))
        await here.quiet("again")
        assert [letter.reason for letter in await here.store.dead_letters()] == ["ASK_CHANGED"]


async def test_bots_that_answer_each_other_for_ever_are_stopped_by_the_hop_limit(file: Path) -> None:
    class Ping(Bot):
        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            turn.send("pong", note)

    class Pong(Bot):
        @on(Note)
        async def note(self, note: Note, turn: Turn) -> None:
            turn.send("ping", note)

    async with stage(file, Ping, Pong, Clerk) as here:
        await here.send("ping", Note("x"))
        await here.until(here.store.dead_letters)
        (letter,) = await here.store.dead_letters()
        assert letter.reason == "HOP_LIMIT"
        assert len(await here.said(pair=("ping", "pong"))) == 32
        await here.send("clerk", Note("honest"))
        await here.quiet("clerk", "ping", "pong")
        assert await remembered(here, "clerk") == '{"texts":["honest"]}'


async def test_a_delayed_message_is_sent_when_it_is_due_also_after_a_restart(file: Path) -> None:
    async with stage(file, Clerk, clock=JumpClock()) as here:
        sent = await here.send("clerk", Note("later"), after=3600.0)
        assert sent.position is None
        assert await here.said(pair=("local", "clerk")) == []
    async with stage(file, Clerk, clock=JumpClock()) as here:
        await here.until(lambda: here.said(pair=("local", "clerk")), within=7200)
        await here.quiet("clerk")
        assert await remembered(here, "clerk") == '{"texts":["later"]}'


async def test_a_handler_on_a_schedule_is_called_again_and_again(file: Path) -> None:
    class Tick(Bot):
        calls: ClassVar[int] = 0

        @every("10m")
        async def tick(self, turn: Turn) -> None:
            Tick.calls += 1

    async with stage(file, Tick, clock=JumpClock()) as here:
        await here.until(lambda: Tick.calls == 3, within=3600)


async def test_a_handler_past_its_timeout_has_failed_and_its_thread_speaks_into_no_turn(file: Path) -> None:
    class Slow(Bot):
        timeout = "250ms"
        attempts = 1
        late: ClassVar[list[str]] = []

        @on(Note)
        def note(self, note: Note, turn: Turn) -> None:
            import time  # noqa: PLC0415 - a real thread really sleeps

            if note.text == "slow":
                time.sleep(0.6)
                try:
                    turn.send("clerk", note)
                except BadInput as error:
                    Slow.late.append(error.code)
            else:
                turn.send("clerk", note)

    async with stage(file, Slow, Clerk) as here:
        await here.send("slow", Note("slow"))
        await here.send("slow", Note("quick"))
        await here.quiet("slow", "clerk")
        assert [letter.error for letter in await here.store.dead_letters()] == [
            "The handler of slow took longer than 0.25 s."
        ]
        assert Slow.late == ["TURN_SEALED"]
        assert await remembered(here, "clerk") == '{"texts":["quick"]}'


async def test_a_late_subscriber_catches_up_once_with_patterns_that_overlap(file: Path) -> None:
    class Late(Clerk):
        name = "late"
        subscribes = ()

    async with stage(file, Late) as here:
        first = await here.send("#a.x", Note("0"))
        for number in range(1, 300):
            await here.send("#a.x" if number % 2 else "#a.y", Note(str(number)))
        await here.send("late", Note("direct"))
        await here.quiet("late")
        assert first.position is not None
        await here.bus.subscribe("late", "a.*", since=first.position)
        await here.bus.subscribe("late", "a.x", since=first.position)
        await here.send("late", Note("after"))
        await here.quiet("late")
        texts = (await remembered(here, "late"))[len('{"texts":[') : -2].replace('"', "").split(",")
        assert texts == ["direct", *(str(number) for number in range(1, 300)), "after"]


async def test_the_same_key_sends_once_and_refuses_another_message(file: Path) -> None:
    async with stage(file, Clerk) as here:
        sent = await asyncio.gather(*(here.send("clerk", Note("one"), key="k") for _ in range(50)))
        assert len({one.id for one in sent}) == 1
        assert sum(not one.repeated for one in sent) == 1
        with pytest.raises(KeyReused):
            await here.send("clerk", Note("two"), key="k")


async def test_memory_that_does_not_decode_sets_the_bot_aside_and_keeps_it(file: Path) -> None:
    class Other(Bot):
        name = "clerk"
        memory: Counts

    async with stage(file, Clerk) as here:
        await here.send("clerk", Note("one"))
        await here.quiet("clerk")
    async with stage(file, Other) as here:
        await here.until(lambda: here.bus.listing()[0].state == "quarantined")
        assert "is no Counts" in str(here.bus.listing()[0].last_error)
        assert await remembered(here, "clerk") == '{"texts":["one"]}'
