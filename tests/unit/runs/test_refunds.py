"""The example config/workflows/refunds.yaml runs with the bots of bots/jurors.py, each way that it can go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard import Bot
from callboard.authoring.loading import load
from callboard.runs.runturn import Waited
from tests.unit.runs.house import ANN, House, house

HOME = Path(__file__).parents[3]
REFUNDS = (HOME / "config" / "workflows" / "refunds.yaml").read_text()


@pytest.fixture(scope="module")
def jurors() -> list[type[Bot]]:
    found, _ = load(HOME / "bots")
    return [one.cls for one in found if one.file.stem == "jurors"]


async def asked(here: House) -> Any:
    """Return what somebody is asked to approve, once he is."""
    await here.stage.until(lambda: here.store.waits_of("approval", None, 10))
    (wait,) = await here.store.waits_of("approval", None, 10)
    return msgspec.json.decode(wait.data, type=Waited)


async def output(here: House, run: str) -> Any:
    return (await here.facts(run))[-1].final_output


@pytest.mark.parametrize(("amount", "decided"), [(10, "pay, as all say"), (1_000, "refuse, as all say")])
async def test_what_all_agree_on_is_done(
    tmp_path: Path, jurors: list[type[Bot]], amount: int, decided: str
) -> None:
    async with house(tmp_path / "db", REFUNDS) as here:
        await here.stage.engage(*jurors)
        began = await here.start("refunds", {"who": "ann", "amount": amount})
        await here.comes_to(began.run)
        assert await output(here, began.run) == decided
        (said,) = await here.stage.said(channel="refunds")
        assert said.message.body["decided"] == decided


@pytest.mark.parametrize(
    ("word", "decided"), [("approve", "pay, says local"), ("reject", "refuse: local rej")]
)
async def test_where_they_do_not_agree_a_person_is_asked(
    tmp_path: Path, jurors: list[type[Bot]], word: Any, decided: str
) -> None:
    async with house(tmp_path / "db", REFUNDS) as here:
        await here.stage.engage(*jurors)
        began = await here.start("refunds", {"who": "ben", "amount": 40})
        wait = await asked(here)
        panel = '{"fair": "pay", "strict": "refuse", "generous": "pay"}'
        assert wait.about["message"] == f"Pay 40 to ben? The panel said {panel}."
        await here.runs.decide(wait, word, by="local", comment="", principal=ANN)
        await here.comes_to(began.run)
        assert str(await output(here, began.run)).startswith(decided)


async def test_where_too_few_answer_a_person_is_asked(tmp_path: Path, jurors: list[type[Bot]]) -> None:
    async with house(tmp_path / "db", REFUNDS) as here:
        for name in ("fair", "strict"):
            await here.stage.bus.declare(name, "python", "Is not there.", {})
        await here.stage.engage(*(one for one in jurors if one.__name__ == "Generous"))
        await here.start("refunds", {"who": "ben", "amount": 40})
        wait = await asked(here)
        assert wait.about["message"] == "Pay 40 to ben? Of the panel, 1 of 3 answered, and 2 had to."
