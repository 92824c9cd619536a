"""The example of config/workflows with a workflow for each item, and a loop."""

from __future__ import annotations

from pathlib import Path

from callboard.store.runrows import RunQuery
from tests.unit.runs.house import House, house

FILES = Path(__file__).parents[3] / "config" / "workflows"
TEXTS = [(FILES / name).read_text() for name in ("order.yaml", "order-line.yaml")]
CHAIRS = {"what": "chair", "count": 12, "price": 40}
TABLE = {"what": "table", "count": 1, "price": 68}


async def output(here: House, run: str) -> object:
    return (await here.facts(run))[-1].final_output


async def test_an_order_is_priced_line_by_line_and_paid_in_instalments(tmp_path: Path) -> None:
    async with house(tmp_path / "db", *TEXTS) as here:
        began = await here.start("order", {"lines": [CHAIRS, TABLE], "pays": 200})
        await here.comes_to(began.run)
        assert await output(here, began.run) == "500.0 in 3 instalments"
        said = await here.stage.said(channel="orders")
        assert [one.message.body["left"] for one in said] == [300.0, 100.0, 0]
        assert len(await here.store.runs(RunQuery(parent=began.run))) == 5, "two lines, three rounds"
        assert [row.id for row in await here.store.runs(RunQuery(workflow="order"))] == [began.run]


async def test_an_order_with_a_line_that_is_none_is_not_priced_and_says_why(tmp_path: Path) -> None:
    async with house(tmp_path / "db", *TEXTS) as here:
        began = await here.start("order", {"lines": [CHAIRS, {"what": "table"}], "pays": 200})
        await here.comes_to(began.run)
        (said,) = await here.stage.said(channel="orders")
        assert said.message.body["error"].startswith("Item 1: This is no input of the workflow order-line")
        assert await here.store.runs(RunQuery(parent=began.run)) == []


async def test_an_order_that_would_take_years_to_pay_fails_loudly(tmp_path: Path) -> None:
    async with house(tmp_path / "db", *TEXTS) as here:
        began = await here.start("order", {"lines": [CHAIRS], "pays": 1})
        await here.comes_to(began.run, "failed")
        row = await here.store.run(began.run)
        assert row is not None
        assert row.error is not None
        assert row.error.code == "LOOP_LIMIT"
