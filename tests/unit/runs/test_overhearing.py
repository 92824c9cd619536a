"""Runs wait for messages: those that come, those that came before, each once, and none is missed."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.errors import StoreUnavailable
from callboard.facts import encode
from callboard.facts.membership import matches
from callboard.ids import MessageId, Position, StreamId, Tenant, WaitId
from callboard.messages import Message, To
from callboard.run import commands
from callboard.runs import overhearing
from callboard.runs.ears import Ear, Ears
from callboard.steps.listening import Sought
from callboard.store.changes import AnswerWait
from callboard.store.port import Retention
from callboard.testing.clock import JumpClock
from tests.unit.runs.house import ANN, House, house

HEARS = """
name: w
steps:
  - {{id: a, uses: wait.message, with: {{channel: {channel}{more}}}}}
  - {{id: b, uses: core.echo, with: {{message: "{{{{ steps.a.output.body }}}}"}}}}
output: "{{{{ steps.b.output.echo }}}}"
"""
LATE = """
name: w
steps:
  - {{id: z, uses: core.delay, with: {{for: 1h}}}}
  - {{id: a, uses: wait.message, with: {{channel: news{more}}}}}
output: "{{{{ steps.a.output.body }}}}"
"""
TWO = """
name: w
steps:
  - {id: z, uses: core.echo, next: [a, b]}
  - {id: a, uses: wait.message, with: {channel: news}}
  - {id: b, uses: wait.message, with: {channel: "*"}}
output: "{{ [steps.a.output.body, steps.b.output.body] }}"
"""


def hears(channel: str = "news", more: str = "") -> str:
    return HEARS.format(channel=channel, more=more)


async def say(
    here: House, body: Any, channel: str = "news", sender: str = "ann", type_: str = "item"
) -> Position:
    sent = await here.stage.company.bus.send(
        sender=sender, to=To.channel(channel), type=type_, json=encode(body)
    )
    assert sent.position is not None
    return sent.position


async def output(here: House, run: str) -> Any:
    await here.comes_to(run)
    return (await here.facts(run))[-1].final_output


async def waiting(here: House, count: int = 1) -> None:
    """Wait until so many waits for messages are open, and whoever opened them sleeps."""

    async def there() -> bool:
        return len(await here.store.waits_of("message", None, 20_000)) == count

    await here.stage.until(there, within=1_000_000)
    await here.asleep()


# ── what suits ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_lets_the_run_go_on_and_is_its_output(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears().replace("echo }}", "echo }}").replace(".body", "")) as here:
        began = await here.start()
        await waiting(here)
        at = await say(here, {"n": 7})
        heard = await output(here, began.run)
        assert heard | {"id": 0, "at": 0, "conversation": 0} == {
            "id": 0,
            "position": at,
            "sender": "ann",
            "channel": "news",
            "to": None,
            "type": "item",
            "body": {"n": 7},
            "headers": {},
            "conversation": 0,
            "reply_to": None,
            "at": 0,
        }
        answered = next(one for one in await here.events(began.run) if one.type == "wait_answered")
        fact: Any = answered.fact
        assert (answered.cause, fact.message, fact.by) == (at, at, "ann")
        assert await here.store.waits_of("message", None, 10) == []
        assert here.runs._crew.hearing._ears.by_id == {}


@pytest.mark.parametrize(
    ("channel", "more"),
    [
        ("news", ", type: right"),
        ("'*'", ", type: right"),
        ("news", ", sender: eve, type: right"),
        ("news", ", if: item.body.n == trigger.n"),
        ("news", ", if: item.type == 'right' and item.sender == 'eve'"),
        ("'**'", ", if: 'steps.z is undefined and item.body.n > vars.least'"),
    ],
)
async def test_it_must_suit(tmp_path: Path, channel: str, more: str) -> None:
    text = hears(channel, more).replace("steps:", "vars: {least: 6}\nsteps:", 1)
    text = text.replace("steps.z is undefined and ", "")
    async with house(tmp_path / "db", text) as here:
        began = await here.start(trigger={"n": 7})
        await waiting(here)
        await say(here, {"n": 6}, sender="ann", type_="wrong")
        await say(here, {"n": 5}, channel="other.thing", type_="wrong")
        await say(here, {"n": 7}, sender="eve", type_="right")
        assert await output(here, began.run) == {"n": 7}


async def test_one_from_a_sender_suits_wherever_it_went(tmp_path: Path) -> None:
    text = hears().replace("channel: news", "sender: eve")
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await waiting(here)
        await say(here, 1, sender="ann")
        await say(here, 2, sender="eve", channel="any")
        assert await output(here, began.run) == 2


async def test_what_the_run_says_itself_is_not_what_it_waits_for(tmp_path: Path) -> None:
    text = """
name: w
steps:
  - {id: z, uses: message.publish, with: {channel: news, type: item, body: 1}}
  - {id: a, uses: wait.message, with: {channel: news}}
output: "{{ steps.a.output.body }}"
"""
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await waiting(here)
        await say(here, 2)
        assert await output(here, began.run) == 2


async def test_a_condition_sees_the_run_as_the_wait_began(tmp_path: Path) -> None:
    text = """
name: w
vars: {wanted: 1}
steps:
  - {id: z, uses: core.set, with: {wanted: 2}}
  - id: a
    uses: wait.message
    with: {channel: news, if: "item.body == vars.wanted and steps.z.status == 'completed'"}
output: "{{ steps.a.output.body }}"
"""
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await waiting(here)
        (wait,) = await here.store.waits_of("message", None, 10)
        assert b'"sees":{"vars":{"wanted":2},"steps":{"z":{"status":"completed"}}}' in bytes(wait.data)
        await say(here, 1)
        await say(here, 2)
        assert await output(here, began.run) == 2


async def test_a_condition_that_cannot_be_evaluated_does_not_hold(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears(more=", if: item.body.n / item.body.d > 1")) as here:
        began = await here.start()
        await waiting(here)
        await say(here, {"n": 1, "d": 0})
        await say(here, "text")
        await say(here, {"n": 4, "d": 2})
        assert await output(here, began.run) == {"n": 4, "d": 2}
        (why,) = [one.answer for one in await here.facts(began.run) if type(one).__name__ == "WaitAnswered"]
        assert why == {"reason": "item.body.n / item.body.d > 1: 2.0 > 1 is true"}


async def test_one_that_does_not_come_fails_the_step(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears(more=", timeout: 2h")) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        error = (await here.facts(began.run))[-1].error
        assert (error.code, error.message) == ("WAIT_EXPIRED", "No such message came within 2h.")
        assert here.runs._crew.hearing._ears.by_id == {}


async def test_an_item_of_each_waits_by_itself_and_sees_its_index(tmp_path: Path) -> None:
    text = """
name: w
steps:
  - id: all
    uses: each
    with:
      items: [x, y]
      parallel: 2
      steps:
        - {id: a, uses: wait.message, with: {channel: news, if: item.body == index}}
output: "{{ steps.all.output }}"
"""
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await waiting(here, 2)
        await say(here, 1)
        await say(here, 0)
        heard = await output(here, began.run)
        assert [one["body"] for one in heard] == [0, 1], heard


# ── what came before ─────────────────────────────────────────────────────────────────────────────────────


async def test_what_came_since_the_run_began_is_found_the_oldest_first(tmp_path: Path) -> None:
    async with house(tmp_path / "db", LATE.format(more="")) as here:
        await say(here, "before the run")
        began = await here.start()
        await here.asleep()
        for number in range(3):
            await say(here, number)
        assert await output(here, began.run) == 0


async def test_one_can_look_back_further_than_the_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db") as here:
        await say(here, "too old")
        await here.clock.sleep(100)
        since = here.clock.now().isoformat()
        await say(here, "old")
    text = LATE.format(more=", since: '{{ trigger }}'")
    async with house(tmp_path / "db", text, clock=JumpClock(here.clock.now())) as here:
        began = await here.start(trigger=since)
        assert await output(here, began.run) == "old"


async def test_the_log_is_read_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhearing, "PAGE", 3)
    async with house(tmp_path / "db", LATE.format(more=", if: item.body == 20")) as here:
        began = await here.start()
        await here.asleep()
        await asyncio.gather(*(say(here, number) for number in range(25)))
        assert await output(here, began.run) == 20


# ── each once, and none missed ───────────────────────────────────────────────────────────────────────────


async def test_two_steps_of_a_run_get_a_message_each(tmp_path: Path) -> None:
    async with house(tmp_path / "db", TWO) as here:
        began = await here.start()
        await waiting(here, 2)
        await say(here, 1)
        await waiting(here, 1)
        await say(here, 2)
        assert sorted(await output(here, began.run)) == [1, 2]


async def test_a_step_that_comes_again_does_not_use_a_message_again(tmp_path: Path) -> None:
    text = """
name: w
steps:
  - {id: a, uses: wait.message, with: {channel: news}, again: {to: a, if: steps.a.output.body < 5, max: 9}}
output: "{{ steps.a.output.body }}"
"""
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        for number in (1, 1, 2, 5):
            await say(here, number)
        assert await output(here, began.run) == 5
        used = [one.message for one in await here.facts(began.run) if type(one).__name__ == "WaitAnswered"]
        assert len(set(used)) == 4


async def test_a_message_that_one_step_used_is_not_given_to_another_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path / "db", TWO) as here:
        began = await here.start()
        await waiting(here, 2)
        await say(here, 1)
        await waiting(here, 1)
    async with house(tmp_path / "db", TWO) as here:
        await here.stage.until(lambda: bool(here.runs._crew.hearing._ears.by_id))
        await say(here, 2)
        assert sorted(await output(here, began.run)) == [1, 2]


async def test_every_run_that_waits_gets_it(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears()) as here:
        began = [await here.start() for _ in range(20)]
        await waiting(here, 20)
        await say(here, "all")
        assert [await output(here, one.run) for one in began] == ["all"] * 20


async def test_what_is_said_while_the_wait_opens_is_not_missed(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears(more=", if: item.body == trigger")) as here:

        async def one(number: int) -> None:
            began, _ = await asyncio.gather(here.start(trigger=number), say(here, "noise"))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            await say(here, number)
            assert await output(here, began.run) == number

        await asyncio.gather(*(one(number) for number in range(30)))


async def test_what_is_said_while_the_log_is_read_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "db", hears()) as here:
        real, late = here.store.said, True

        async def said(*about: Any, **more: Any) -> Any:
            nonlocal late
            page = await real(*about, **more)
            if late:
                late = False
                await say(here, "late")
                await here.stage.until(lambda: not here.runs._crew.hearing._unjudged)
            return page

        monkeypatch.setattr(here.store, "said", said)
        began = await here.start()
        assert await output(here, began.run) == "late"


async def test_what_was_said_while_nobody_was_there_is_found_at_the_start(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears()) as here:
        began = await here.start()
        await waiting(here)
    async with house(tmp_path / "db") as elsewhere:
        await elsewhere.runs._crew.hearing.aclose()
        await say(elsewhere, "early")
    async with house(tmp_path / "db", hears()) as here:
        assert await output(here, began.run) == "early"


async def test_an_answer_that_a_crash_kept_from_its_run_is_used_at_the_start(tmp_path: Path) -> None:
    async with house(tmp_path / "db", TWO) as here:
        began = await here.start()
        await waiting(here, 2)
        hearing = here.runs._crew.hearing
        await hearing.aclose()
        at = await say(here, 1)
        wait = (await here.store.waits(StreamId(f"run:{began.run}")))[0]
        turn = here.stage.company.services.journal.turn()
        turn.change(AnswerWait(wait.id, at))
        await here.stage.company.services.journal.commit(turn)
    async with house(tmp_path / "db", TWO) as here:
        await waiting(here, 1)
        await say(here, 2)
        assert sorted(await output(here, began.run)) == [1, 2]


async def test_when_more_is_said_than_can_be_judged_the_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overhearing, "MOST_UNJUDGED", 2)
    async with house(tmp_path / "db", hears(more=", if: item.body == 40")) as here:
        began = await here.start()
        await waiting(here)
        await asyncio.gather(*(say(here, number) for number in range(50)))
        assert await output(here, began.run) == 40


async def test_a_cancelled_run_hears_no_more(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears()) as here:
        began = await here.start()
        await waiting(here)
        await here.runs.do(began.run, commands.Cancel("ann"), principal=ANN)
        assert here.runs._crew.hearing._ears.by_id == {}
        await say(here, 1)
        assert await here.status(began.run) == "cancelled"


async def test_retention_leaves_what_a_wait_may_look_back_at(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears(more=", if: item.body == 'right'")) as here:
        old = await say(here, "before")
        await here.start()
        await waiting(here)
        kept = await say(here, "wrong")
        await here.clock.sleep(1_000)
        await here.store.prune(Retention(messages_before=here.clock.now()))
        assert await here.store.message_at(old) is None
        assert await here.store.message_at(kept) is not None


async def test_a_disk_that_fails_for_a_while_loses_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path / "db", hears()) as here:
        began = await here.start()
        await waiting(here)
        real, faults = here.store.waits, 2

        async def failing(owner: StreamId, **more: Any) -> Any:
            nonlocal faults
            if faults:
                faults -= 1
                raise StoreUnavailable("The disk is away.")
            return await real(owner, **more)

        monkeypatch.setattr(here.store, "waits", failing)
        await say(here, 1)
        assert await output(here, began.run) == 1


async def test_a_message_that_none_of_ten_thousand_waits_is_for_is_not_even_judged(tmp_path: Path) -> None:
    async with house(tmp_path / "db", hears()) as here:
        hearing = here.runs._crew.hearing
        await hearing.aclose()
        hearing._closed = False
        for number in range(10_000):
            name = WaitId(here.stage.company.services.ids.new())
            about = {"run": "r", "workflow": "w", "channel": f"much.*.wanted{number}"}
            hearing.opened(name, StreamId(f"run:{number}"), Position(0), encode({"about": about}))
        ears, sent = hearing._ears, await say(here, 1, channel="much.too.unwanted")
        message = await here.store.message_at(sent)
        assert message is not None
        began = time.perf_counter()
        for _ in range(1_000):
            assert not ears.concerns(message)
        assert time.perf_counter() - began < 1  # a look at each wait would take a minute


PARTS = st.sampled_from(["a", "b", "*", "**"])


@given(
    patterns=st.lists(st.lists(PARTS, min_size=1, max_size=5), min_size=1, max_size=8),
    names=st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), min_size=1, max_size=8),
)
def test_the_tree_of_channels_finds_whom_their_patterns_say(
    patterns: list[list[str]], names: list[list[str]]
) -> None:
    ears = Ears()
    made = [
        Ear(WaitId(uuid4()), StreamId("run:r"), Position(0), Sought("r", "w", ".".join(parts)))
        for parts in patterns
    ]
    for ear in made:
        ears.add(ear)
    for parts in names:
        name = ".".join(parts)
        message = on_channel(name)
        wanted = {ear.id for ear in made if matches(ear.sought.channel or "", name)}
        heard = [ear.id for ear in ears.hear(message)]
        assert set(heard) == wanted
        assert len(heard) == len(wanted)
        assert ears.concerns(message) is bool(wanted)
    for ear in made:
        assert ears.remove(ear.id) is ear
    assert ears._channels.next == {}


def on_channel(name: str) -> Message:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    to = To.channel(name)
    return Message(
        Position(1),
        None,
        Tenant("default"),
        ANN,
        MessageId(uuid4()),
        "ann",
        to,
        "item",
        "null",
        {},
        None,
        None,
        0,
        now,
    )
