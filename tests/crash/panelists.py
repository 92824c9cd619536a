"""A run that asks a panel, in a process that dies at a commit of its own choice.

Run as `python -m tests.crash.panelists DATABASE [WHEN NUMBER]`, as `waiters.py`. Two bots answer by a
handler, a person by a message from outside, under the same key in each life; they do not agree, so a further
rater is asked, and then an adjudicator.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from callboard.clock import SystemClock
from callboard.ids import LOCAL_USER
from callboard.messages import To
from callboard.stores.sqlite import SqliteStore
from tests.crash.waiters import Dying
from tests.unit.runs.house import House, house
from tests.unit.runs.panel import panel, votes

RATERS = {"ann": "pay", "ben": "refuse", "kim": "refuse", "chief": "pay"}
WORKFLOW = panel(
    "threshold: 1, resolve: more, raters: [kim], fallback: adjudicator, adjudicator: chief",
    bots=["ann", "ben", "joe"],
)


async def live(store: SqliteStore, database: Path) -> None:
    """Want the run, and the answer of the person, until the run has ended."""
    async with house(database, WORKFLOW, clock=SystemClock(), store=store) as here:
        bus: Any = here.stage.bus
        if here.stage.bus.board.find("joe") is None:
            await bus.guests.declare("joe", "person", "Votes.", [], principal=LOCAL_USER)
        await here.stage.engage(*(votes(name, vote) for name, vote in RATERS.items()))
        began = await here.start(request="the one run")
        while await here.status(began.run) not in {"completed", "failed", "cancelled"}:
            await _reply(here)
            await asyncio.sleep(0.002)


async def _reply(here: House) -> None:
    for one in await here.stage.said(type="ask"):
        question = one.message
        if question.to.name == "joe":
            to, key = To.bot(question.sender), "the one answer"
            send = partial(here.stage.bus.send, sender="joe", to=to, type="answer", json='"pay"')
            await send(reply_to=question.id, key=key)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    when, number = sys.argv[2:] or ("", "0")
    file = Path(sys.argv[1])
    asyncio.run(live(Dying(file, when, int(number)), file))
