"""The bots that come with Callboard do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard import Answer, Ask, Body, Bot
from callboard.authoring.loading import load
from callboard.testing import Stage

HOUSE = Path(__file__).parents[2]
EXAMPLES = {"desk", "flaky", "jurors", "specialist", "summariser"}
NAMES = (EXAMPLES - {"jurors"}) | {"fair", "generous", "strict"}


@pytest.fixture(scope="module")
def bots() -> dict[str, type[Bot]]:
    found, faults = load(HOUSE / "bots")  # others may be there: whoever has this folder puts their own in it
    assert [str(fault) for fault in faults if Path(fault.file).stem in EXAMPLES] == []
    return {one.shape.name: one.cls for one in found if one.file.stem in EXAMPLES}


class Ticket(Body):
    thing: str


class Advice(Body):
    thing: str
    text: str


class Text(Body):
    text: str


class HowMany(Body):
    pass


class Count(Body):
    taken: int
    things: dict[str, int]


class Job(Body):
    name: str
    failures: int


def test_each_bot_has_a_description(bots: dict[str, type[Bot]]) -> None:
    assert set(bots) == NAMES
    assert all(bot.__doc__ for bot in bots.values())


async def test_the_desk_asks_the_specialist_counts_and_publishes(bots: dict[str, type[Bot]]) -> None:
    async with Stage(bots["desk"], bots["specialist"]) as stage:
        for thing in ("lamp", "door", "lamp"):
            await stage.publish("tickets.new", Ticket(thing))
        await stage.quiet()
        done = [one.body for one in stage.said("#tickets.done")]
        assert [one["thing"] for one in done] == ["lamp", "door", "lamp"]
        assert done[0]["text"] == "Change the bulb."
        assert [one.type for one in stage.said("desk", "specialist")] == ["ticket", "advice"] * 3
        assert stage.memory(bots["desk"]).taken == 3
        assert await stage.ask("desk", HowMany(), Count) == Count(3, {"lamp": 2, "door": 1})


async def test_the_specialist_answers_bots_and_people(bots: dict[str, type[Bot]]) -> None:
    async with Stage(bots["specialist"]) as stage:
        assert await stage.ask("specialist", Ticket("door"), Advice) == Advice("door", "Oil the hinges.")
        assert (await stage.ask("specialist", Ticket("moon"), Advice)).text == "Ask the stage manager."
        assert await stage.ask("specialist", Text("my Lamp is dark"), Text) == Text("Change the bulb.")
        assert "curtain" in (await stage.ask("specialist", Text("hello"), Text)).text


async def test_the_summariser_publishes_what_it_heard_once(bots: dict[str, type[Bot]]) -> None:
    async with Stage(bots["desk"], bots["specialist"], bots["summariser"]) as stage:
        await stage.publish("tickets.new", Ticket("lamp"))
        await stage.publish("tickets.new", Ticket("door"))
        await stage.quiet()
        assert stage.said("#summaries") == []
        await stage.advance("3m")
        (summary,) = stage.said("#summaries")
        assert summary.body == {"heard": {"tickets.new": 2, "tickets.done": 2}}
        assert stage.memory(bots["summariser"]).channels == {}


async def test_the_flaky_one_is_retried_and_gives_up(bots: dict[str, type[Bot]]) -> None:
    async with Stage(bots["flaky"]) as stage:
        await stage.send("flaky", Job("sweep", 2))
        await stage.send("flaky", Job("fly", 9))
        await stage.quiet()
        assert stage.memory(bots["flaky"]).jobs == ["sweep"]
        (letter,) = stage.dead_letters()
        assert (letter.reason, letter.attempts) == ("FAILED", 3)
        assert "fly failed on purpose, time 3 of 9" in letter.error


async def test_the_jurors_judge_a_claim_each_by_a_mind_of_its_own(bots: dict[str, type[Bot]]) -> None:
    async with Stage(*(bots[name] for name in ("fair", "generous", "strict"))) as stage:
        claim = Ask({"who": "ann", "amount": 40}, {"choices": ["pay", "refuse"]})
        said = {
            name: (await stage.ask(name, claim, Answer)).answer for name in ("fair", "generous", "strict")
        }
        assert said == {"fair": "pay", "generous": "pay", "strict": "refuse"}
        assert (await stage.ask("fair", Ask("what?", {"text": True}), Answer)).answer is None


async def test_the_bot_of_the_readme_greets(tmp_path: Path) -> None:
    text = (HOUSE / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "greeter.py").write_text(text, encoding="utf-8")
    (greeter,), faults = load(tmp_path)
    assert faults == []
    async with Stage(greeter.cls) as stage:
        assert await stage.ask("greeter", Text("Ada"), Text) == Text("Good evening, Ada.")
