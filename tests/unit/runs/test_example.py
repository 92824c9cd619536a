"""The example of config/workflows runs, each way that it can go."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from callboard.errors import RequestInvalid
from callboard.runs.runturn import Waited
from tests.unit.runs.house import ANN, House, house

EXPENSES = (Path(__file__).parents[3] / "config" / "workflows" / "expenses.yaml").read_text()


async def output(here: House, run: str) -> object:
    return (await here.facts(run))[-1].final_output


async def decide(here: House, word: str) -> None:
    (wait,) = await here.store.waits_of("approval", None, 10)
    waited = msgspec.json.decode(wait.data, type=Waited)
    await here.runs.decide(waited, word, by="local", comment="too much", principal=ANN)  # type: ignore[arg-type]


async def test_a_small_expense_is_paid_at_once(tmp_path: Path) -> None:
    async with house(tmp_path / "db", EXPENSES) as here:
        began = await here.start("expenses", {"who": "ann", "amount": 40})
        assert await output(here, began.run) == "paid at once"
        (said,) = await here.stage.said(channel="expenses")
        assert said.message.body == {"who": "ann", "amount": 40, "decided": "paid at once"}


@pytest.mark.parametrize(
    ("word", "decided"),
    [("approve", "paid, says local"), ("reject", "refused: local rejected it: too much.")],
)
async def test_a_large_expense_is_asked_about(tmp_path: Path, word: str, decided: str) -> None:
    async with house(tmp_path / "db", EXPENSES) as here:
        began = await here.start("expenses", {"who": "ben", "amount": 400})
        await decide(here, word)
        assert await here.status(began.run) == "completed"
        assert await output(here, began.run) == decided


async def test_an_expense_that_nobody_decides_about_is_refused(tmp_path: Path) -> None:
    async with house(tmp_path / "db", EXPENSES) as here:
        began = await here.start("expenses", {"who": "ben", "amount": 400})
        await here.comes_to(began.run)
        assert str(await output(here, began.run)).startswith("refused: Nobody decided within 7d")


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"who": "ann"}, "input.amount"),
        ({"who": "", "amount": 1}, "input.who"),
        ({"who": "ann", "amount": "1"}, "input.amount"),
        ({"who": "ann", "amount": 1, "when": "now"}, "input.when"),
        ([], "input"),
    ],
)
async def test_an_input_that_the_workflow_does_not_take_starts_nothing(
    tmp_path: Path, given: object, place: str
) -> None:
    async with house(tmp_path / "db", EXPENSES) as here:
        with pytest.raises(RequestInvalid, match=place):
            await here.start("expenses", given)
        assert here.runs.awake == 0
