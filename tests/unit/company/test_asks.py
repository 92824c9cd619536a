"""Asks: answers out of order, asks that are given up, and another question on a retry."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from callboard.authoring.bot import Bot, Memory, Turn, on
from callboard.errors import AskTimeout
from callboard.ids import MessageId, StreamId, SystemIds, WaitId
from callboard.messages import Body, To
from callboard.store.changes import OpenWait
from callboard.testing.clock import JumpClock
from tests.unit.company.stage import Stage, stage


class Question(Body):
    n: int


class Answer(Body):
    n: int


class Word(Body):
    text: str


class Kept(Memory):
    asked: dict[str, int] = {}  # noqa: RUF012 - msgspec copies it for each struct


class Held(Memory):
    question: MessageId | None = None


class Echo(Bot):
    @on(Question)
    async def answer(self, question: Question, turn: Turn) -> Answer:
        return Answer(question.n)


class Deaf(Bot):
    @on(Question)
    async def hear(self, question: Question, turn: Turn) -> None:
        pass


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


async def nothing_is_left(here: Stage, *bots: str) -> None:
    """Nobody waits for an answer, on disk or in memory, and no timer would wake anybody."""
    for bot in bots:
        assert await here.store.waits(StreamId(f"bot:{bot}")) == []
    assert here.company.board.asks == {}
    assert await here.store.timers(None, 10) == []


async def outcomes(here: Stage, sender: str, to: str) -> list[str]:
    """Return what became of all that one said to another, where it was said to."""
    said = await here.said(pair=(sender, to))
    return [one.outcome for row in said if row.message.sender == sender for one in row.deliveries]


async def test_fifty_questions_at_once_each_get_their_own_answer_however_they_are_shuffled(
    file: Path,
) -> None:
    class Oracle(Bot):
        """Says nothing until it was asked all, and answers in an order of its own."""

        memory: Kept

        @on(Question)
        async def hear(self, question: Question, turn: Turn) -> None:
            self.memory.asked[str(turn.message.id)] = question.n
            if len(self.memory.asked) == 50:
                for name, n in random.Random(2).sample(sorted(self.memory.asked.items()), 50):
                    turn.send("asker", Answer(n), reply_to=msgspec.convert(name, MessageId))

    class Asker(Bot):
        got: ClassVar[list[int]] = []
        order: ClassVar[list[int]] = []

        async def one(self, n: int, turn: Turn) -> int:
            answer = await turn.ask("oracle", Question(n), Answer)
            Asker.order.append(n)
            return answer.n

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            Asker.got += await asyncio.gather(*(self.one(n, turn) for n in range(50)))

    async with stage(file, Oracle, Asker) as here:
        await here.send("asker", Word("go"))
        await here.quiet("asker", "oracle")
        assert Asker.got == list(range(50))
        assert sorted(Asker.order) == Asker.got != Asker.order
        assert await outcomes(here, "oracle", "asker") == ["handled"] * 50
        await nothing_is_left(here, "asker", "oracle")


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_handler_that_gives_up_on_its_asks_leaves_nothing_behind(file: Path, attempts: int) -> None:
    """Asks that time out, that the handler's own time-out cuts off, and those of a dead letter."""
    tries = attempts

    class Lost(Bot):
        attempts = tries
        timeout = "10s"

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            asks = [turn.ask("deaf", Question(n), Answer, timeout=word.text) for n in range(3)]
            await asyncio.gather(turn.ask("echo", Question(9), Answer), *asks)

    async with stage(file, Lost, Deaf, Echo, clock=JumpClock()) as here:
        for text in ("3s", "1h"):
            await here.send("lost", Word(text))
        await here.quiet("lost", "deaf", "echo")
        reasons = [(one.reason, one.attempts) for one in await here.store.dead_letters()]
        assert reasons == [("FAILED", attempts)] * 2
        with pytest.raises(AskTimeout):
            await here.bus.ask(sender="local", to=To.bot("deaf"), type="question", json='{"n":0}', seconds=5)
        await nothing_is_left(here, "lost", "deaf", "echo")


async def test_an_ask_that_outlives_its_handler_leaves_nothing_behind(file: Path) -> None:
    """One of two asks is refused and ends the handler; nobody is there for the other's answer."""

    class Asker(Bot):
        attempts = 1

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            asks = [turn.ask("asker", Question(1), Answer), turn.ask("deaf", Question(2), Answer)]
            await asyncio.gather(*asks)

    async with stage(file, Asker, Deaf, clock=JumpClock()) as here:
        await here.send("asker", Word("go"))
        await here.quiet("asker", "deaf")
        (letter,) = await here.store.dead_letters()
        assert "AskCycle" in letter.error
        assert here.clock.monotonic() < 1
        await nothing_is_left(here, "asker", "deaf")


async def test_a_handler_whose_time_is_up_while_its_question_is_written_leaves_nothing_behind(
    file: Path,
) -> None:
    """The question cannot be taken back, but nobody waits for its answer."""
    asking, ended = asyncio.Event(), asyncio.Event()

    class Asker(Bot):
        attempts = 1
        timeout = "150ms"

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            await asking.wait()
            try:
                await turn.ask("deaf", Question(1), Answer)
            finally:
                ended.set()

    async with stage(file, Asker, Deaf) as here:
        await here.send("asker", Word("go"))
        writer, let_go = here.store._writer, threading.Event()
        assert writer is not None
        busy = asyncio.ensure_future(writer.run(lambda _: let_go.wait()))  # nothing is written meanwhile
        asking.set()
        await ended.wait()
        let_go.set()
        await busy
        await here.quiet("asker", "deaf")
        (letter,) = await here.store.dead_letters()
        assert "took longer than 0.15 s" in letter.error
        assert len(await here.said(pair=("asker", "deaf"))) == 1, "it was written all the same"
        await nothing_is_left(here, "asker", "deaf")


async def test_an_ask_whose_answer_would_follow_too_many_is_given_up_at_once(file: Path) -> None:
    class First(Bot):
        @on(Word)
        async def pass_on(self, word: Word, turn: Turn) -> None:
            turn.send("asker", word)

    class Asker(Bot):
        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            await turn.ask("echo", Question(1), Answer)

    async with stage(file, First, Asker, Echo, clock=JumpClock()) as here:
        await here.send("first", Word("go"), headers={"max-hops": "2"})
        await here.quiet("first", "asker", "echo")
        (letter,) = await here.store.dead_letters()
        assert (letter.reason, letter.attempts) == ("HOP_LIMIT", 1)
        assert letter.message is not None
        assert here.clock.monotonic() < 1
        assert await here.said(pair=("asker", "echo")) == []
        await nothing_is_left(here, "asker", "echo")
        await here.bus.redrive(letter.letter)  # then hops are counted from 0
        await here.quiet("asker", "echo")
        assert await outcomes(here, "echo", "asker") == ["handled"]


async def test_an_answer_that_was_recorded_is_given_again_and_one_that_timed_out_is_asked_anew(
    file: Path,
) -> None:
    class Again(Bot):
        got: ClassVar[list[int]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            Again.got.append((await turn.ask("echo", Question(1), Answer)).n)
            await turn.ask("deaf", Question(2), Answer, timeout="1s")

    Again.attempts = 3
    async with stage(file, Again, Echo, Deaf, clock=JumpClock()) as here:
        await here.send("again", Word("go"))
        await here.quiet("again", "deaf", "echo")
        assert Again.got == [1, 1, 1]
        assert len([row for row in await here.said(pair=("again", "echo")) if row.message.asks]) == 1
        assert len(await here.said(pair=("again", "deaf"))) == 3
        await nothing_is_left(here, "again")


@pytest.mark.parametrize("change", ["another body", "another bot", "another type", "another order"])
async def test_a_retry_that_asks_something_else_is_refused(file: Path, change: str) -> None:
    class Fickle(Bot):
        tries: ClassVar[int] = 0
        got: ClassVar[list[int]] = []

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            Fickle.tries += 1
            again = change if Fickle.tries > 1 else ""
            first, second = (2, 1) if again == "another order" else (1, 2)
            await turn.ask(
                "second" if again == "another bot" else "echo",
                Question(7 if again == "another body" else first),
                Answer,
                type="question-two" if again == "another type" else None,
            )
            Fickle.got.append((await turn.ask("echo", Question(second), Answer)).n)
            raise RuntimeError("once more")

    class Second(Echo):
        name = "second"

    async with stage(file, Fickle, Echo, Second, clock=JumpClock()) as here:
        await here.send("fickle", Word("go"))
        await here.quiet("fickle", "echo", "second")
        (letter,) = await here.store.dead_letters()
        assert (letter.reason, letter.attempts, Fickle.got) == ("ASK_CHANGED", 2, [2])
        assert "same questions in the same order" in letter.error
        await nothing_is_left(here, "fickle")
        await here.send("fickle", Word("another message may ask what it likes"))
        await here.until(lambda: Fickle.tries > 2)


async def test_a_retry_that_asks_something_else_is_refused_after_a_restart_too(file: Path) -> None:
    class Fickle(Bot):
        asks: ClassVar[int] = 1

        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            await turn.ask("deaf", Question(Fickle.asks), Answer)

    async with stage(file, Fickle, Deaf, clock=JumpClock()) as here:
        await here.send("fickle", Word("go"))
        await here.until(lambda: here.said(pair=("fickle", "deaf")))
    Fickle.asks = 2
    async with stage(file, Fickle, Deaf, clock=JumpClock()) as here:
        await here.quiet("fickle", "deaf")
        assert [letter.reason for letter in await here.store.dead_letters()] == ["ASK_CHANGED"]
        await nothing_is_left(here, "fickle")


async def test_a_question_that_was_given_up_is_forgotten_though_its_wait_outlived_two_lives(
    file: Path,
) -> None:
    """A process died after it was asked anew, and before the disk had taken the end of the first wait."""

    class Patient(Bot):
        @on(Word)
        async def ask(self, word: Word, turn: Turn) -> None:
            await turn.ask("deaf", Question(1), Answer)

    Patient.attempts = 1
    async with stage(file, Patient, Deaf) as here:
        await here.send("patient", Word("go"))
        owner = StreamId("bot:patient")
        while not (waits := await here.store.waits(owner)):
            await asyncio.sleep(0.001)
        (wait,) = waits
        turn = here.company.services.journal.turn()
        anew, name = turn.send(sender="patient", to=To.bot("deaf"), type="question", body={"n": 1}, asks=True)
        data = bytes(wait.data).decode()
        turn.change(OpenWait(WaitId(SystemIds().new()), owner, wait.kind, str(name), anew, wait.due_at, data))
        await here.company.services.journal.commit(turn)
    async with stage(file, Patient, Deaf, clock=JumpClock()) as here:
        await here.quiet("patient", "deaf")
        assert len(await here.said(pair=("patient", "deaf"))) == 2, "the later one is the one that is open"
        await nothing_is_left(here, "patient", "deaf")
