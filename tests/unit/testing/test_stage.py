"""The stage on which authors try their bots."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

import pytest

from callboard import Body, Bot, Memory, Settings, Turn, every, on
from callboard.errors import AskTimeout, BadInput, RecipientUnknown
from callboard.testing import Stage


class Ticket(Body):
    thing: str


class Answer(Body):
    text: str


class Counts(Memory):
    taken: int = 0


class Desk(Bot):
    subscribes: ClassVar[Sequence[str]] = ("tickets.new",)
    memory: Counts

    @on(Ticket)
    async def take(self, ticket: Ticket, turn: Turn) -> None:
        self.memory.taken += 1
        turn.publish("tickets.done", await turn.ask("specialist", ticket, Answer))


class Specialist(Bot):
    @on(Ticket)
    async def answer(self, ticket: Ticket, turn: Turn) -> Answer:
        return Answer(f"mend the {ticket.thing}")


async def test_a_bot_is_tried_in_five_lines() -> None:
    async with Stage(Desk, Specialist) as stage:
        await stage.send("desk", Ticket("lamp"))
        await stage.quiet()
        assert stage.memory(Desk).taken == 1
        assert [message.type for message in stage.said("desk", "specialist")] == ["ticket", "answer"]


async def test_what_is_published_is_heard_and_can_be_looked_at() -> None:
    async with Stage(Desk, Specialist) as stage:
        await stage.publish("tickets.new", Ticket("door"), sender="visitor")
        await stage.send("#tickets.new", Ticket("lamp"))
        await stage.quiet()
        heard = [(one.sender, one.body["thing"]) for one in stage.said("#tickets.new")]
        assert heard == [("visitor", "door"), ("local", "lamp")]
        done = [(one.sender, one.type, one.body) for one in stage.said("#tickets.done")]
        assert done == [
            ("desk", "answer", {"text": "mend the door"}),
            ("desk", "answer", {"text": "mend the lamp"}),
        ]
        assert stage.said("#tickets.done", type="ticket") == []


class Manner(Settings):
    greeting: str = "Hello"


class Porter(Bot):
    settings: Manner

    @on(Ticket)
    async def greet(self, ticket: Ticket, turn: Turn) -> Answer:
        return Answer(f"{self.settings.greeting}, {ticket.thing}")


async def test_a_bot_has_the_settings_that_the_stage_gives_it_and_else_its_defaults() -> None:
    async with Stage(Porter, settings={Porter: Manner("Welcome")}) as stage:
        assert await stage.ask("porter", Ticket("Ada"), Answer) == Answer("Welcome, Ada")
    async with Stage(Porter) as stage:
        assert await stage.ask("porter", Ticket("Ada"), Answer) == Answer("Hello, Ada")


@pytest.mark.parametrize(("bot", "takes"), [(Desk, "no settings"), (Porter, "Manner")])
async def test_settings_that_a_bot_does_not_take_are_refused(bot: type[Bot], takes: str) -> None:
    class Other(Settings):
        pass

    with pytest.raises(BadInput, match=f"takes {takes}, not Other"):
        async with Stage(bot, settings={bot: Other()}):
            pass


async def test_an_answer_has_its_type_and_one_that_never_comes_times_out_at_once() -> None:
    class Deaf(Bot):
        @on(Ticket)
        async def hear(self, ticket: Ticket, turn: Turn) -> None:
            pass

    async with Stage(Specialist, Deaf) as stage:
        assert await stage.ask("specialist", Ticket("lamp"), Answer) == Answer("mend the lamp")
        began = time.monotonic()
        with pytest.raises(AskTimeout):
            await stage.ask("deaf", Ticket("lamp"), Answer, timeout="20s")
        assert time.monotonic() - began < 10


async def test_quiet_waits_for_retries_and_what_was_given_up_is_listed() -> None:
    class Shaky(Bot):
        attempts = 3
        tries: ClassVar[list[str]] = []

        @on(Ticket)
        async def take(self, ticket: Ticket, turn: Turn) -> None:
            Shaky.tries.append(ticket.thing)
            if ticket.thing == "bad" or len(Shaky.tries) < 3:
                raise RuntimeError("no")

    async with Stage(Shaky, Specialist) as stage:
        await stage.send("shaky", Ticket("good"))
        await stage.quiet()
        assert Shaky.tries == ["good"] * 3
        assert stage.dead_letters() == []
        await stage.send("shaky", Ticket("bad"))
        await stage.quiet()
        assert [(one.reason, one.attempts) for one in stage.dead_letters(Shaky)] == [("FAILED", 3)]
        assert stage.dead_letters(Specialist) == []


async def test_schedules_and_delayed_messages_fall_due_only_when_time_is_let_pass() -> None:
    class Ticker(Bot):
        memory: Counts

        @every("10m")
        def tick(self, turn: Turn) -> None:
            self.memory.taken += 1

    async with Stage(Ticker, Desk, Specialist) as stage:
        await stage.send("desk", Ticket("lamp"), after="25m")
        await stage.quiet()
        assert (stage.memory(Ticker).taken, stage.memory(Desk).taken) == (0, 0)
        await stage.advance("21m")
        assert (stage.memory(Ticker).taken, stage.memory(Desk).taken) == (2, 0)
        await stage.advance("10m")
        assert (stage.memory(Ticker).taken, stage.memory(Desk).taken) == (3, 1)


async def test_a_plain_function_may_take_its_time_and_is_not_timed_out_by_it() -> None:
    class Slow(Bot):
        timeout = "1s"
        memory: Counts

        @on(Ticket)
        def take(self, ticket: Ticket, turn: Turn) -> None:
            time.sleep(0.2)
            self.memory.taken += 1

    async with Stage(Slow) as stage:
        await stage.send("slow", Ticket("lamp"))
        await stage.quiet()
        assert stage.memory(Slow).taken == 1
        assert stage.dead_letters() == []


async def test_a_bot_that_cannot_start_is_told_and_not_waited_for() -> None:
    class Broken(Bot):
        async def started(self) -> None:
            raise RuntimeError("no lamp oil")

    class Works(Bot):
        pass

    async with Stage(Works) as stage:
        await stage.engage(Broken)
        with pytest.raises(AssertionError, match=r"broken was set aside.*no lamp oil"):
            await stage.advance("10m")


async def test_work_without_end_is_told_with_the_name_of_the_bot() -> None:
    class Endless(Bot):
        @on(Ticket)
        async def take(self, ticket: Ticket, turn: Turn) -> None:
            turn.send("endless", ticket)

    async with Stage(Endless) as stage:
        await stage.send("endless", Ticket("lamp"), headers={"max-hops": "1"})
        await stage.quiet()
        assert [one.reason for one in stage.dead_letters()] == ["HOP_LIMIT"]

    class Stubborn(Bot):
        attempts = 1_000

        @on(Ticket)
        async def take(self, ticket: Ticket, turn: Turn) -> None:
            raise RuntimeError("no")

    async with Stage(Stubborn) as stage:
        await stage.send("stubborn", Ticket("lamp"))
        with pytest.raises(AssertionError, match="still work for stubborn"):
            await stage.quiet(within="1m")


async def test_what_is_not_on_the_stage_is_refused() -> None:
    async with Stage(Specialist) as stage:
        with pytest.raises(RecipientUnknown):
            await stage.send("desk", Ticket("lamp"))
        with pytest.raises(BadInput, match="keeps nothing"):
            stage.memory(Specialist)
        with pytest.raises(BadInput, match="Name two"):
            stage.said("specialist")
