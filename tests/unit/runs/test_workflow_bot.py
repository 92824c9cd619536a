"""A message to a workflow bot starts one run, and what that comes to is the reply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard.authoring.bot import Bot, Turn, otherwise
from callboard.botconfig import BotConfig
from callboard.errors import AskTimeout
from callboard.facts import encode
from callboard.ids import ChannelName, Position
from callboard.messages import Body, Message, To
from callboard.run import commands
from callboard.runs.forks import Wanted
from callboard.runs.workflow_bot import Opening, engagement
from callboard.store.boardrows import AuditQuery
from callboard.store.runrows import RunQuery
from callboard.testing.clock import JumpClock
from tests.unit.runs.house import ANN, House, house

DOUBLE = """
name: double
input: {type: object, required: [n], properties: {n: {type: integer}}}
steps:
  - {id: a, uses: core.echo, with: {message: "{{ trigger.n * 2 }}"}}
output: {double: "{{ steps.a.output.echo }}", from: "{{ run.trigger.sender }}", bot: "{{ run.trigger.bot }}"}
"""
FAILS = "name: double\nsteps:\n  - {id: a, uses: core.fail, with: {code: NO, message: Not today.}}\n"
WAITS = """
name: double
steps:
  - {id: a, uses: wait.signal, with: {signal: go}}
output: {said: "{{ steps.a.output }}"}
"""
CIRCLE = """
name: double
steps:
  - {id: a, uses: message.send, with: {to: twice, type: again, body: {n: 1}}}
"""


class Said(Body, frozen=True, forbid_unknown_fields=False):
    said: int


class Doubled(Body, frozen=True, forbid_unknown_fields=False):
    double: int


async def engage(here: House, *, name: str = "twice", workflow: str = "double", **said: Any) -> None:
    opening = Opening()
    opening.open(here.runs)
    cls, shape, terms = engagement(name, BotConfig(kind="workflow", workflow=workflow, **said), opening)
    await here.stage.company.engage(cls, shape, terms, kind="workflow")


async def send(here: House, body: Any, to: str = "twice", **more: Any) -> Position:
    sent = await here.stage.company.bus.send(
        sender="local", to=To.bot(to), type="job", json=encode(body), principal=ANN, **more
    )
    assert sent.position is not None
    return sent.position


async def ask(here: House, body: Any, seconds: float = 30) -> Message:
    bus = here.stage.company.bus
    return await bus.ask(
        sender="local", to=To.bot("twice"), type="job", json=encode(body), seconds=seconds, principal=ANN
    )


async def runs(here: House) -> list[str]:
    return [row.id for row in await here.store.runs(RunQuery())]


async def replies(here: House, sender: str = "twice") -> list[Message]:
    found = await here.store.audit(AuditQuery(bot=sender))
    return [one.message for one in found if one.message.sender == sender]


async def until_replied(here: House, count: int = 1) -> list[Message]:
    async def there() -> bool:
        return len(await replies(here)) >= count

    await here.stage.until(there)
    return await replies(here)


async def test_the_output_of_the_run_answers_an_ask(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here)
        answer = await ask(here, {"n": 21})
        assert (answer.sender, answer.type) == ("twice", "completed")
        assert answer.body == {"double": 42, "from": "local", "bot": "twice"}


async def test_the_message_is_the_cause_of_the_run_and_the_end_of_the_run_that_of_the_reply(
    tmp_path: Path,
) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here)
        at = await send(here, {"n": 1}, conversation="c-1")
        (reply,) = await until_replied(here)
        (run,) = await runs(here)
        first, *_, last = await here.events(run)
        assert (first.cause, first.principal) == (at, ANN)
        fact: Any = first.fact
        assert fact.envelope["position"] == at
        sent = await here.store.message_at(at)
        assert sent is not None
        assert (reply.cause, reply.reply_to, reply.to) == (last.position, sent.id, To.bot("local"))
        assert (reply.conversation, reply.hops) == ("c-1", 1)


async def test_a_run_that_fails_or_is_cancelled_says_so(tmp_path: Path) -> None:
    async with house(tmp_path / "db", FAILS) as here:
        await engage(here)
        answer = await ask(here, None)
        (run,) = await runs(here)
        assert (answer.type, answer.body) == ("failed", {"run": run, "code": "NO", "message": "Not today."})
    async with house(tmp_path / "other", WAITS) as here:
        await engage(here)
        await send(here, None)

        async def begun() -> bool:
            return len(await runs(here)) == 1

        await here.stage.until(begun)
        (run,) = await runs(here)
        await here.runs.do(run, commands.Cancel("ann", "no more"), principal=ANN)
        (reply,) = await until_replied(here)
        assert (reply.type, reply.body) == (
            "cancelled",
            {"run": run, "code": "CANCELLED", "message": "no more"},
        )


async def test_an_output_that_is_too_large_for_a_message_says_so(tmp_path: Path) -> None:
    text = "name: double\nsteps:\n  - {id: a, uses: core.echo}\noutput: '{{ trigger ~ trigger ~ trigger }}'\n"
    async with house(tmp_path / "db", text) as here:
        await engage(here)
        answer = await ask(here, "x" * 100_000)
        assert (answer.type, answer.body["code"]) == ("failed", "MESSAGE_TOO_LARGE")


async def test_a_bot_asks_a_workflow_as_it_asks_any_bot(tmp_path: Path) -> None:
    class Clerk(Bot):
        @otherwise
        async def job(self, message: Message, turn: Turn) -> None:
            answer = await turn.ask("twice", message.body, Doubled, type="job")
            turn.reply({"heard": answer.double}, type="done")

    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here)
        await here.stage.engage(Clerk)
        bus = here.stage.company.bus
        answer = await bus.ask(sender="local", to=To.bot("clerk"), type="job", json='{"n": 4}', seconds=30)
        assert answer.body == {"heard": 8}


class Waiter(Bot):
    """Asks once, and publishes what it hears."""

    @otherwise
    async def job(self, message: Message, turn: Turn) -> None:
        answer = await turn.ask("twice", {"n": 1}, Said, type="job", timeout="9m")
        turn.publish("heard", {"said": answer.said}, type="heard")


async def test_the_reply_answers_an_ask_that_has_outlived_the_server(tmp_path: Path) -> None:
    async with house(tmp_path / "db", WAITS, grace=0.1) as here:
        await engage(here)
        await here.stage.engage(Waiter)
        await send(here, {}, to="waiter")

        async def begun() -> bool:
            return len(await runs(here)) == 1

        await here.stage.until(begun)
    async with house(tmp_path / "db", WAITS, clock=JumpClock(here.clock.now())) as here:
        (run,) = await runs(here)
        await here.runs.do(run, commands.Give("go", 5, "ann"), principal=ANN)
        await here.comes_to(run)
        await engage(here)
        await here.stage.engage(Waiter)

        async def heard() -> bool:
            return bool(await here.store.audit(AuditQuery(channel=ChannelName("heard"))))

        await here.stage.until(heard)
        (said,) = await here.store.audit(AuditQuery(channel=ChannelName("heard")))
        assert said.message.body == {"said": 5}
        assert len(await runs(here)) == 1


async def test_a_fork_of_such_a_run_does_not_reply_again(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here)
        await ask(here, {"n": 21})
        (run,) = await runs(here)
        forked = await here.runs.fork_run(Wanted(run, "a"), principal=ANN)
        await here.comes_to(forked.run)
        assert len(await replies(here)) == 1


@pytest.mark.parametrize(
    ("workflow", "body", "told"),
    [
        ("nobody", {"n": 1}, "There is no workflow nobody."),
        ("double", {"n": "one"}, "This is no input of the workflow double"),
    ],
)
async def test_a_message_that_can_start_no_run_is_a_dead_letter_at_once(
    tmp_path: Path, workflow: str, body: Any, told: str
) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here, workflow=workflow)
        at = await send(here, body)

        async def dead() -> bool:
            return bool(await here.store.dead_letters())

        await here.stage.until(dead)
        (letter,) = await here.store.dead_letters()
        assert (letter.message, letter.attempts) == (at, 1)
        assert told in letter.error
        assert await runs(here) == []


async def test_whoever_asks_for_what_cannot_be_is_told_why_when_the_time_is_up(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here)
        with pytest.raises(AskTimeout, match="This is no input"):
            await ask(here, {}, seconds=5)


async def test_a_delivery_that_is_repeated_starts_no_second_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db", WAITS) as here:
        await engage(here)
        at = await send(here, {"n": 1})

        async def begun() -> bool:
            return len(await runs(here)) == 1 and bool(await here.store.deliveries(at))

        await here.stage.until(begun)
        opening = Opening()
        opening.open(here.runs)
        cls, _, terms = engagement("twice", BotConfig(kind="workflow", workflow="double"), opening)
        bot = cls()
        bot.settings = terms.settings
        message = await here.store.message_at(at)
        assert message is not None
        await bot.start(message, Turn(message, "twice", None))  # type: ignore[arg-type,attr-defined]
        assert len(await runs(here)) == 1


async def test_a_message_that_came_while_nobody_was_there_starts_its_run_at_the_start(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here)
        await here.stage.company.dismiss("twice")
        await send(here, {"n": 1})
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here)
        await until_replied(here)
        assert len(await runs(here)) == 1


async def test_a_bot_waits_for_runs_that_are_not_there_yet(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        opening = Opening()
        cls, shape, terms = engagement("twice", BotConfig(kind="workflow", workflow="double"), opening)
        await here.stage.company.engage(cls, shape, terms, kind="workflow")
        await send(here, {"n": 1})
        opening.open(here.runs)
        assert (await until_replied(here))[0].body["double"] == 2


async def test_a_circle_ends_at_the_hop_limit(tmp_path: Path) -> None:
    async with house(tmp_path / "db", CIRCLE) as here:
        await engage(here)
        await send(here, {"n": 1})

        async def dead() -> bool:
            return bool(await here.store.dead_letters())

        await here.stage.until(dead)
        (letter,) = await here.store.dead_letters()
        assert letter.reason == "HOP_LIMIT"
        assert len(await runs(here)) == 32


async def test_messages_on_its_channels_start_runs_too(tmp_path: Path) -> None:
    async with house(tmp_path / "db", DOUBLE) as here:
        await engage(here, subscribes=("jobs.*",))
        await here.stage.company.bus.send(
            sender="ann", to=To.channel("jobs.new"), type="job", json='{"n": 3}'
        )
        (reply,) = await until_replied(here)
        assert (reply.to, reply.body["double"]) == (To.bot("ann"), 6)
