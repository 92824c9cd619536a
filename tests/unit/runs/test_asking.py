"""Asks: who is asked, whose answer counts, and when; late answers and bots that fail."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from callboard import Answer, Ask, Bot, Turn, on
from callboard.company.outside import Ack, Outgoing
from callboard.facts.events import run_stream
from callboard.ids import LOCAL_USER
from callboard.messages import MAX_HOPS, To
from callboard.planning.questions import MOST_BOTS
from callboard.run import commands
from tests.unit.runs.house import house
from tests.unit.runs.panel import ANN, BEN, EVE, QUESTION, error, output, panel, people, questions, reply


async def test_the_majority_of_all_answers_is_the_result(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await here.stage.engage(ANN, BEN, EVE)
        began = await here.start(trigger=7)
        await here.comes_to(began.run)
        assert await output(here, began.run) == {
            "answers": {"ann": "pay", "ben": "pay", "eve": "refuse"},
            "missing": {},
            "agreement": pytest.approx(2 / 3),
            "metric": "percent",
            "result": "pay",
            "resolved_by": "majority",
        }
        (calculated,) = [
            one for one in await here.facts(began.run) if type(one).__name__ == "ConsensusCalculated"
        ]
        assert (calculated.result.metric, calculated.result.resolved_by) == ("percent", "majority")
        assert await here.store.waits_of("ask", None, 10) == []


async def test_a_bot_is_asked_by_a_message_of_the_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await here.stage.engage(ANN, BEN, EVE)
        began = await here.start(trigger=7)
        question = (await questions(here))["ann"]
        assert question.type == "ask"
        assert question.asks
        assert question.conversation == f"run:{began.run}"
        assert question.body == {"question": "Pay 7?", "answer": {"choices": ["pay", "refuse"]}}
        await here.comes_to(began.run)


# ── how many, and until when ─────────────────────────────────────────────────────────────────────────────


async def test_no_more_answers_are_waited_for_than_are_wanted(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(answers=2)) as here:
        await people(here, "eve")
        await here.stage.engage(ANN, BEN)
        began = await here.start()
        await here.comes_to(began.run)
        found = await output(here, began.run)
        assert found["agreement"] == 1.0
        assert found["missing"] == {"eve": "It had not answered when the others were enough."}
        assert here.clock.monotonic() < 60


async def test_at_the_deadline_what_came_is_what_counts(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(deadline="10m")) as here:
        await people(here, "eve")
        await here.stage.engage(ANN, BEN)
        began = await here.start()
        await here.asleep()
        await here.comes_to(began.run)
        assert 600 <= here.clock.monotonic() < 700
        found = await output(here, began.run)
        assert found["agreement"] == pytest.approx(2 / 3), "who is missing does not agree"
        assert found["missing"] == {"eve": "It did not answer within 10m."}
        assert await here.store.timers(None, 10) == []
        assert await here.store.waits_of("ask", None, 10) == []


async def test_with_fewer_than_min_answers_the_step_fails_and_says_who_is_missing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(min_answers=2)) as here:
        await people(here, "ben", "eve")
        await here.stage.engage(ANN)
        began = await here.start()
        await here.comes_to(began.run, "failed")
        failure = await error(here, began.run)
        assert failure.code == "ASK_UNANSWERED"
        assert failure.details["answers"] == {"ann": "pay"}
        assert set(failure.details["missing"]) == {"ben", "eve"}


# ── whose answer counts ──────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_that_does_not_fit_is_missing_and_its_rater_has_no_second(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await reply(here, "ann", "maybe")
        await reply(here, "ann", "pay")
        await reply(here, "ben", {"answer": "refuse"})
        await reply(here, "eve", {"text": "Refuse"})
        await here.comes_to(began.run)
        found = await output(here, began.run)
        assert found["answers"] == {"ben": "refuse", "eve": "refuse"}
        assert found["missing"] == {"ann": "It answered 'maybe', which is none of 'pay' and 'refuse'."}
        assert found["agreement"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "json", ["[" * 900 + "]" * 900, "[" * 20_000 + "]" * 20_000, '{"answer": {"a": "é"}}']
)
async def test_no_reply_is_so_odd_that_it_stops_the_run(tmp_path: Path, json: str) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await people(here, "ann")
        await here.stage.engage(BEN, EVE)
        began = await here.start()
        ann = (await questions(here))["ann"]
        bus = here.stage.bus
        await bus.send(sender="ann", to=To.bot(ann.sender), type="answer", json=json, reply_to=ann.id)
        await here.comes_to(began.run)
        assert here.clock.monotonic() < 60
        assert set((await output(here, began.run))["missing"]) == {"ann"}


async def test_one_rater_counts_once(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(answers=2)) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await reply(here, "ann", "refuse")
        await reply(here, "ann", "refuse")
        await reply(here, "ann", "pay")
        await here.asleep()
        assert await here.status(began.run) == "running"
        await reply(here, "ben", "refuse")
        await here.comes_to(began.run)
        assert (await output(here, began.run))["answers"] == {"ann": "refuse", "ben": "refuse"}


async def test_nobody_answers_for_another(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(deadline="10m")) as here:
        await people(here, "ann", "ben", "eve", "joe")
        began = await here.start()
        await reply(here, "joe", "refuse", to="ann")
        await reply(here, "eve", "refuse", to="ann")
        await reply(here, "ben", "pay")
        await here.comes_to(began.run)
        assert (await output(here, began.run))["answers"] == {"ben": "pay"}


async def test_a_late_answer_is_kept_and_changes_nothing(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(deadline="10m")) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await reply(here, "ben", "pay")
        await here.comes_to(began.run)
        await reply(here, "ann", "refuse")
        await here.asleep()
        assert (await output(here, began.run))["answers"] == {"ben": "pay"}
        assert len(await here.stage.said(conversation=f"run:{began.run}")) == 5
        assert (await here.kinds(began.run)).count("wait_answered") == 1


async def test_a_reply_to_another_conversation_counts_all_the_same(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(answers=1)) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        question = (await questions(here))["ann"]
        await here.stage.bus.send(
            *(), sender="ann", to=To.bot("workflow.w"), type="answer", json='"pay"',
            reply_to=question.id, conversation="elsewhere",
        )  # fmt: skip
        await here.comes_to(began.run)
        assert here.clock.monotonic() < 60


# ── who is asked ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (panel(), "RECIPIENT_UNKNOWN", "no bot called 'eve'"),
        (panel(bots="{{ ['ann', 'ben', 'ann'] }}"), "BAD_INPUT", "twice"),
        (panel(bots="{{ ['ann'] }}", answers=2), "BAD_INPUT", "2 answers are more than the 1"),
        (panel(bots="{{ [] }}"), "BAD_INPUT", "with.bots"),
        (panel(bots=["ann"], question="x" * 300_000), "MESSAGE_TOO_LARGE", "262,144"),
        (panel(bots=["ann", "ben"], answer={"choices": "{{ [] }}"}), "BAD_INPUT", "with.answer.choices"),
        (
            panel("ties: escalate, adjudicator: chief", bots=["ann", "ben"]),
            "RECIPIENT_UNKNOWN",
            "chief",
        ),
        (
            panel("resolve: more, raters: [joe]", bots=["ann", "ben"]),
            "RECIPIENT_UNKNOWN",
            "joe",
        ),
    ],
)
async def test_what_cannot_be_asked_fails_and_nobody_is_asked(
    tmp_path: Path, text: str, code: str, says: str
) -> None:
    async with house(tmp_path / "db", text) as here:
        await here.stage.engage(ANN, BEN)
        began = await here.start()
        await here.comes_to(began.run, "failed")
        failure = await error(here, began.run)
        assert failure.code == code
        assert says in failure.message
        assert await questions(here) == {}
        assert await here.store.waits_of("ask", None, 10) == []


# ── whom nobody need wait for ────────────────────────────────────────────────────────────────────────────


class Broken(Bot):
    """Fails at once."""

    name = "eve"
    attempts = 1

    @on(Ask)
    async def vote(self, ask: Ask, turn: Turn) -> Answer:
        raise ValueError("I cannot decide")


async def test_a_bot_that_gives_the_question_up_is_not_waited_for(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await here.stage.engage(ANN, BEN, Broken)
        began = await here.start()
        await here.comes_to(began.run)
        assert here.clock.monotonic() < 60
        why = (await output(here, began.run))["missing"]["eve"]
        assert why == "It gave the question up (FAILED): ValueError: I cannot decide"


async def test_a_bot_that_may_not_reply_any_more_is_not_waited_for(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await here.stage.engage(ANN, BEN, EVE)
        began = await here.start(envelope={"kind": "message", "hops": MAX_HOPS - 1})
        await here.comes_to(began.run, "failed")
        assert here.clock.monotonic() < 60
        missing = (await error(here, began.run)).details["missing"]
        assert set(missing) == {"ann", "ben", "eve"}
        assert "HOP_LIMIT" in missing["ann"]


async def test_a_bot_that_is_removed_is_not_waited_for(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await people(here, "eve")
        await here.stage.engage(ANN, BEN)
        began = await here.start()
        await here.asleep()
        await here.stage.bus.remove("eve")
        await here.comes_to(began.run)
        assert here.clock.monotonic() < 60
        assert "REMOVED" in (await output(here, began.run))["missing"]["eve"]


async def test_an_answer_to_a_question_that_was_given_up_comes_too_late(tmp_path: Path) -> None:
    tries = []

    class Unsure(Bot):
        """Fails the first time."""

        name = "eve"
        attempts = 1

        @on(Ask)
        async def vote(self, ask: Ask, turn: Turn) -> Answer:
            tries.append(ask.question)
            if len(tries) == 1:
                raise ValueError("I cannot decide")
            return Answer("refuse")

    async with house(tmp_path / "db", panel()) as here:
        await people(here, "ann")
        await here.stage.engage(BEN, Unsure)
        began = await here.start()
        await here.stage.until(here.store.dead_letters)
        (letter,) = await here.store.dead_letters()
        await here.stage.bus.redrive(letter.letter)
        await here.stage.until(lambda: len(tries) == 2)
        await here.stage.quiet("eve")
        await reply(here, "ann", "pay")
        await here.comes_to(began.run)
        assert (await output(here, began.run))["answers"] == {"ann": "pay", "ben": "pay"}


# ── other ways to answer, and to end ─────────────────────────────────────────────────────────────────────


async def test_a_cancelled_run_waits_for_no_answer(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel()) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        await here.runs.do(began.run, commands.Cancel(by="ann"), principal=LOCAL_USER)
        assert await here.store.waits_of("ask", None, 10) == []
        await reply(here, "ann", "pay")
        await here.asleep()
        assert await here.status(began.run) == "cancelled"


async def test_a_person_answers_with_an_acknowledgement(tmp_path: Path) -> None:
    async with house(tmp_path / "db", panel(answers=1)) as here:
        await people(here, "ann", "ben", "eve")
        began = await here.start()
        served = await here.stage.bus.guests.read("eve", limit=10)
        (question,) = [one.message for one in served.given]
        says = Outgoing(None, "answer", '{"answer": "refuse"}', {}, None, None, 0.0)
        await here.stage.bus.guests.acknowledge("eve", Ack(question.position, [says]))
        await here.comes_to(began.run)
        assert (await output(here, began.run))["answers"] == {"eve": "refuse"}


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_several_panels_of_the_largest_size_are_asked_at_once(tmp_path: Path) -> None:
    names = [f"bot-{number}" for number in range(MOST_BOTS)]
    with_ = msgspec.json.encode({**QUESTION, "bots": names, "question": "x" * 5_000}).decode()
    steps = "".join(f"  - {{id: p{n}, uses: ask, with: {with_}, needs: []}}\n" for n in range(5))
    last = "  - {id: end, needs: [p0, p1, p2, p3, p4], uses: core.echo}\n"
    async with house(tmp_path / "db", f"name: w\nsteps:\n{steps}{last}") as here:
        for name in names:
            await here.stage.bus.declare(name, "python", "Is not there.", {})
        began = await here.start()
        await here.asleep()
        assert len(await here.store.waits(run_stream(began.run))) == 5 * MOST_BOTS
        assert (await here.kinds(began.run)).count("step_waiting") == 5


async def test_more_than_may_be_sent_at_once_is_refused(tmp_path: Path) -> None:
    names = [f"bot-{number}" for number in range(20)]
    async with house(tmp_path / "db", panel(bots=names, question="x" * 200_000)) as here:
        for name in names:
            await here.stage.bus.declare(name, "python", "Is not there.", {})
        began = await here.start()
        await here.comes_to(began.run, "failed")
        failure = await error(here, began.run)
        assert failure.code == "MESSAGE_TOO_LARGE"
        assert "to 20 bots is more than the 2,097,152 that are sent at once" in failure.message


async def test_answers_that_are_too_large_together_fail_the_step(tmp_path: Path) -> None:
    names = ["ann", "ben", "eve", "joe", "kim"]
    async with house(tmp_path / "db", panel(bots=names, answer={"text": True})) as here:
        await people(here, *names)
        began = await here.start()
        for name in names:
            await reply(here, name, name * 80_000)
        await here.comes_to(began.run, "failed")
        assert (await error(here, began.run)).code == "OUTPUT_TOO_LARGE"
