"""A workflow that asks a panel, bots and persons that answer, and what tests look at."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from callboard import Answer, Ask, Bot, Turn, on
from callboard.ids import LOCAL_USER
from callboard.messages import To
from tests.unit.runs.house import House


def votes(name_: str, vote: Any) -> type[Bot]:
    """Return a bot that always answers the same."""

    class Voter(Bot):
        """Votes."""

        name = name_

        @on(Ask)
        async def vote(self, ask: Ask, turn: Turn) -> Answer | None:
            return None if vote is None else Answer(vote)

    return Voter


ANN, BEN, EVE = votes("ann", "pay"), votes("ben", "pay"), votes("eve", "refuse")
MUTE = votes("eve", None)

QUESTION = {
    "bots": ["ann", "ben", "eve"],
    "question": "Pay {{ trigger }}?",
    "answer": {"choices": ["pay", "refuse"]},
}


def panel(consensus: str = "", **more: Any) -> str:
    """Return a workflow that asks three, and gives what that comes to."""
    with_ = msgspec.json.encode({**QUESTION, **more}).decode()
    said = f"    consensus: {{{consensus}}}\n" if consensus else ""
    return (
        f"name: w\nsteps:\n  - id: panel\n    uses: ask\n    with: {with_}\n{said}"
        'output: "{{ steps.panel.output }}"\n'
    )


async def output(here: House, run: str) -> dict[str, Any]:
    return cast("dict[str, Any]", (await here.facts(run))[-1].final_output)


async def error(here: House, run: str) -> Any:
    (failed,) = [fact for fact in await here.facts(run) if type(fact).__name__ == "StepFailed"]
    return failed.error


async def questions(here: House) -> dict[str, Any]:
    """Return the newest question to each bot."""
    return {one.message.to.name: one.message for one in await here.stage.said(type="ask")}


async def reply(here: House, by: str, body: Any, to: str | None = None) -> None:
    """Answer the question to a bot, as somebody outside."""
    question = (await questions(here))[to or by]
    json = msgspec.json.encode(body).decode()
    await here.stage.bus.send(
        sender=by, to=To.bot(question.sender), type="answer", json=json, reply_to=question.id
    )


async def people(here: House, *names: str) -> None:
    for name in names:
        await here.stage.bus.guests.declare(name, "person", "Votes.", [], principal=LOCAL_USER)
