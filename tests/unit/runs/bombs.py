"""The bombs of `tests/unit/expressions`, set off in runs; `python -m tests.unit.runs.bombs COUNT` measures.

Each is put where an author may write an expression: into what a step is given, the condition of an edge, an
`again`, and the output. What the bombs work on comes as the trigger, as large as a door lets it in; so some
of them are none here, and end well. While they go off, another run goes on. `test_bombs.py` reads what this
prints.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from callboard.clock import SystemClock
from callboard.errors import WorkflowInvalid
from callboard.ids import Position
from tests.unit.expressions.bombs import CONDITIONS, ROWS, SCOPE, TEMPLATES
from tests.unit.runs.house import House, house

CUT = 60_000
"""Characters of the long texts: all of them together pass for a trigger."""
OTHER = """
name: other
steps:
  - {id: a, uses: core.delay, with: {for: 1ms}}
  - {id: b, uses: core.echo, again: {to: a, if: "true", max: 100}}
"""


def trigger() -> dict[str, Any]:
    """Return what the bombs work on, as far as JSON can hold it."""
    made: dict[str, Any] = {
        name: value[:CUT] for name, value in SCOPE.items() if isinstance(value, str) and name != "lists"
    }
    return made | {
        "rows": ROWS[:2_000],
        "deep": _nested(50),
        "deep2": _nested(50),
        "lists": "[" + "[]," * 20_000 + "1]",
        "many": ["x" * 200] * 1_000,
        "wide": [[[]] * 100] * 300,
        "bits": [[[]] * 100] * 100,
        "keys": {f"key {place}": place for place in range(5_000)},
        "big": 2**63,
        "circle": [[], []],
        "circle2": [[], []],
    }


def _nested(depth: int) -> object:
    made: object = 1
    for _ in range(depth):
        made = [made]
    return made


_NAMES = re.compile(r"(?<![\w.'\"|])(" + "|".join(sorted(SCOPE, key=len, reverse=True)) + r")\b(?!['\"(])")


def at_home(text: str) -> str:
    """Return an expression that finds its values in the trigger."""
    return _NAMES.sub(r"trigger.\1", text)


def places() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return a workflow for each bomb at each place."""
    echo = {"id": "a", "uses": "core.echo"}
    after = {"id": "b", "uses": "core.echo"}
    for name, text in TEMPLATES.items():
        bomb = at_home(text)
        yield "with", name, {"steps": [{**echo, "with": {"message": bomb}}]}
        yield "output", name, {"steps": [echo], "output": bomb}
    for name, text in CONDITIONS.items():
        bomb = at_home(text)
        yield "if", name, {"steps": [{**echo, "next": [{"to": "b", "if": bomb}]}, after]}
        yield "again", name, {"steps": [{**echo, "again": {"to": "a", "if": bomb, "max": 1}}]}
    for name, text in TEMPLATES.items():
        inner = text.strip().removeprefix("{{").removesuffix("}}").strip()
        if "{{" not in inner and "{%" not in inner:
            bomb = at_home(inner)
            yield "if", f"{name}, bare", {"steps": [{**echo, "next": [{"to": "b", "if": bomb}]}, after]}


def some(count: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Return so many of them, of every place."""
    found = list(places())
    return found if count >= len(found) else random.Random(11).sample(found, count)


async def outcome(here: House, number: int, written: dict[str, Any]) -> tuple[str, str]:
    """Publish a bomb and have it go off; return how it ended, and what was said of it."""
    name = f"bomb-{number}"
    try:
        await here.publish(json.dumps({"name": name, **written}))
    except WorkflowInvalid as error:
        return "refused", error.message
    began = await here.start(name, trigger())
    await here.stage.until(lambda: _over(here, began.run), within=60)
    row = await here.store.run(began.run)
    assert row is not None
    reasons = [
        one.reason for one in await here.store.decisions(began.run, Position(0), 100) if not one.result
    ]
    said = "" if row.error is None else row.error.message
    return row.status, said or "; ".join(reasons)


async def _over(here: House, run: str) -> bool:
    return await here.status(run) in {"completed", "failed"}


async def main() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with tempfile.TemporaryDirectory() as folder:
        async with house(Path(folder) / "db", OTHER, clock=SystemClock()) as here:
            other = await here.start("other")
            base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            for number, (place, name, written) in enumerate(some(int(sys.argv[1]))):
                before = time.process_time()
                status, said = await outcome(here, number, written)
                told: dict[str, Any] = {"place": place, "name": name, "status": status, "said": said}
                told["seconds"] = time.process_time() - before
                told["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - base
                sys.stdout.write(json.dumps(told) + "\n")
            await here.comes_to(other.run)
            sys.stdout.write(json.dumps({"place": "beside", "status": await here.status(other.run)}) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
