"""What the answers to an ask come to, through runs: by each way to resolve, and with `again`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard import Answer, Ask, Bot, Turn, on
from callboard.testing.clock import JumpClock
from tests.unit.runs.house import House, house
from tests.unit.runs.panel import (
    ANN,
    BEN,
    EVE,
    MUTE,
    error,
    output,
    panel,
    people,
    questions,
    reply,
    votes,
)


async def comes_of(here: House, text: str, *bots: type[Bot]) -> dict[str, Any]:
    await here.stage.engage(*bots)
    began = await here.start()
    await here.comes_to(began.run)
    return await output(here, began.run)


async def fails(here: House, *bots: type[Bot]) -> Any:
    await here.stage.engage(*bots)
    began = await here.start()
    await here.comes_to(began.run, "failed")
    return await error(here, began.run)


@pytest.mark.parametrize(
    ("threshold", "resolved"),
    [("0.66", "majority"), ("0.66666666667", "majority"), ("0.67", "chief")],
)
async def test_below_the_threshold_the_adjudicator_decides_who_sees_all_answers(
    tmp_path: Path, threshold: str, resolved: str
) -> None:
    asked: list[Ask] = []

    class Chief(Bot):
        """Decides."""

        @on(Ask)
        async def decide(self, ask: Ask, turn: Turn) -> Answer:
            asked.append(ask)
            return Answer("refuse", "I know better")

    text = panel(f"threshold: {threshold}, resolve: adjudicator, adjudicator: chief")
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(here, text, ANN, BEN, EVE, Chief)
        if resolved == "majority":
            assert (found["result"], found["resolved_by"], asked) == ("pay", "majority", [])
            return
        assert (found["result"], found["resolved_by"]) == ("refuse", "adjudicator")
        assert found["answers"] == {"ann": "pay", "ben": "pay", "eve": "refuse"}
        (ask,) = asked
        assert ask.answers == found["answers"]
        assert ask.agreement == pytest.approx(2 / 3)
        assert ask.answer == {"choices": ["pay", "refuse"]}


async def test_the_agreement_is_that_of_the_raters_also_where_somebody_else_decides(tmp_path: Path) -> None:
    text = panel("threshold: 1, resolve: adjudicator, adjudicator: chief")
    async with house(tmp_path / "db", text) as here:
        await people(here, "chief")
        await here.stage.engage(ANN, BEN, EVE)
        began = await here.start()
        await here.asleep()
        await reply(here, "chief", "refuse")
        await here.comes_to(began.run)
        (fact,) = [one for one in await here.facts(began.run) if type(one).__name__ == "ConsensusCalculated"]
        assert fact.result.agreement == pytest.approx(2 / 3)
        assert fact.result.resolved_by == "adjudicator"


async def test_an_adjudicator_who_does_not_answer_fails_the_step(tmp_path: Path) -> None:
    text = panel("threshold: 1, resolve: adjudicator, adjudicator: chief", deadline="10m")
    async with house(tmp_path / "db", text) as here:
        await people(here, "chief")
        failure = await fails(here, ANN, BEN, EVE)
        assert failure.code == "ASK_UNANSWERED"
        assert failure.message == "chief, who was to decide, gave no answer: It did not answer within 10m."
        assert failure.details["answers"] == {"ann": "pay", "ben": "pay", "eve": "refuse"}
        assert 600 <= here.clock.monotonic() < 700


async def test_an_adjudicator_whose_answer_does_not_fit_fails_the_step(tmp_path: Path) -> None:
    text = panel("threshold: 1, resolve: adjudicator, adjudicator: chief")
    async with house(tmp_path / "db", text) as here:
        failure = await fails(here, ANN, BEN, EVE, votes("chief", "perhaps"))
        assert "It answered 'perhaps'" in failure.message


async def test_a_tie_is_the_first_named_ones_however_quick_the_others(tmp_path: Path) -> None:
    text = panel(bots=["ann", "eve"])
    async with house(tmp_path / "db", text) as here:
        await people(here, "ann", "eve")
        began = await here.start()
        await reply(here, "eve", "refuse")
        await here.asleep()
        await reply(here, "ann", "pay")
        await here.comes_to(began.run)
        found = await output(here, began.run)
        assert (found["result"], found["resolved_by"], found["agreement"]) == ("pay", "first", 0.5)


async def test_a_tie_escalates_to_the_adjudicator(tmp_path: Path) -> None:
    text = panel("ties: escalate, adjudicator: chief", bots=["ann", "eve"])
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(here, text, ANN, EVE, votes("chief", "refuse"))
        assert (found["result"], found["resolved_by"]) == ("refuse", "adjudicator")


async def test_weights_decide_below_the_threshold(tmp_path: Path) -> None:
    text = panel("threshold: 1, resolve: weighted, weights: {eve: 3}")
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(here, text, ANN, BEN, EVE)
        assert (found["result"], found["resolved_by"]) == ("refuse", "weighted")


async def test_no_consensus_fails_the_step_with_all_that_was_said(tmp_path: Path) -> None:
    text = panel("threshold: 0.9, resolve: fail")
    async with house(tmp_path / "db", text) as here:
        failure = await fails(here, ANN, BEN, EVE)
        assert failure.code == "NO_CONSENSUS"
        assert failure.message == "The answers agree by 0.667 (percent), and 0.9 is wanted."
        assert failure.details["answers"] == {"ann": "pay", "ben": "pay", "eve": "refuse"}


# ── more ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_more_raters_are_asked_one_by_one_until_it_is_enough(tmp_path: Path) -> None:
    text = panel("threshold: 0.7, resolve: more, raters: [joe, kim, lou]")
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(
            here, text, ANN, BEN, EVE, *(votes(one, "pay") for one in ("joe", "kim", "lou"))
        )
        assert found["answers"] == {"ann": "pay", "ben": "pay", "eve": "refuse", "joe": "pay"}
        assert (found["agreement"], found["result"], found["resolved_by"]) == (0.75, "pay", "majority")
        assert set(await questions(here)) == {"ann", "ben", "eve", "joe"}


async def test_when_all_were_asked_it_falls_back(tmp_path: Path) -> None:
    text = panel(
        "threshold: 1, resolve: more, raters: [joe, kim, lou], max: 2, fallback: weighted, weights: {eve: 8}"
    )
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(
            here, text, ANN, BEN, EVE, *(votes(one, "pay") for one in ("joe", "kim", "lou"))
        )
        assert (found["agreement"], found["result"], found["resolved_by"]) == (0.8, "refuse", "weighted")
        assert set(await questions(here)) == {"ann", "ben", "eve", "joe", "kim"}


async def test_a_further_rater_who_is_silent_counts_as_missing(tmp_path: Path) -> None:
    text = panel(
        "threshold: 0.7, resolve: more, raters: [eve, joe, kim]", bots=["ann", "eve"], deadline="10m"
    )
    async with house(tmp_path / "db", text) as here:
        failure = await fails(here, ANN, EVE, votes("joe", None), votes("kim", "pay"))
        assert failure.code == "NO_CONSENSUS"
        assert failure.details == {
            "answers": {"ann": "pay", "eve": "refuse", "kim": "pay"},
            "missing": {"joe": "It did not answer within 10m."},
            "agreement": 0.5,
        }


async def test_more_survives_a_restart_between_two_raters(tmp_path: Path) -> None:
    text = panel("threshold: 0.7, resolve: more, raters: [joe]")
    async with house(tmp_path / "db", text) as here:
        await people(here, "ann", "ben", "eve", "joe")
        began = await here.start()
        for name, said in (("ann", "pay"), ("ben", "pay"), ("eve", "refuse")):
            await reply(here, name, said)
        await here.asleep()
    async with house(tmp_path / "db", text, clock=JumpClock(here.clock.now())) as here:
        await reply(here, "joe", "pay")
        await here.comes_to(began.run)
        assert (await output(here, began.run))["answers"] == {
            "ann": "pay",
            "ben": "pay",
            "eve": "refuse",
            "joe": "pay",
        }


# ── other metrics ────────────────────────────────────────────────────────────────────────────────────────


async def test_spans_come_to_the_one_that_shares_most(tmp_path: Path) -> None:
    text = panel("metric: iou, threshold: 0.3", answer={"shape": "span"})
    spans = (votes("ann", [0, 10]), votes("ben", [2, 12]), votes("eve", [5, 15]))
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(here, text, *spans)
        assert (found["metric"], found["result"], found["resolved_by"]) == ("iou", [2, 12], "majority")


async def test_lists_of_answers_are_measured_against_chance(tmp_path: Path) -> None:
    text = panel("metric: krippendorff", answer={"choices": ["a", "b"], "units": 4})
    lists = (
        votes("ann", ["a", "a", "b", "b"]),
        votes("ben", ["a", "a", "b", None]),
        votes("eve", ["a", "a", "b", "b"]),
    )
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(here, text, *lists)
        assert (found["agreement"], found["result"]) == (1.0, ["a", "a", "b", "b"])


# ── again ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_panel_that_does_not_agree_is_asked_again(tmp_path: Path) -> None:
    rounds: list[str] = []

    class Eve(Bot):
        """Comes round."""

        @on(Ask)
        async def vote(self, ask: Ask, turn: Turn) -> Answer:
            rounds.append(ask.question)
            return Answer("refuse" if len(rounds) == 1 else "pay")

    text = panel(question="Pay in round {{ previous.panel.iteration | default(0) }}?").replace(
        "output:", "    again: {to: panel, if: 'steps.panel.output.agreement < 1', max: 2}\noutput:"
    )
    async with house(tmp_path / "db", text) as here:
        found = await comes_of(here, text, ANN, BEN, Eve)
        assert found["agreement"] == 1.0
        assert rounds == ["Pay in round 0?", "Pay in round 1?"]
        assert len(await here.stage.said(type="ask")) == 6


async def test_one_who_answers_nothing_is_missing_at_the_deadline(tmp_path: Path) -> None:
    text = panel("threshold: 0.9, resolve: fail")
    async with house(tmp_path / "db", text) as here:
        failure = await fails(here, ANN, BEN, MUTE)
        assert failure.details["missing"] == {"eve": "It did not answer within 1h."}
