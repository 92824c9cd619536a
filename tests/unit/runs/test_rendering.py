"""What a step is given: rendered once or anew, and everything in it literally."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard.clock import SystemClock
from callboard.ids import Position
from callboard.planning.step import Action, action, marked
from callboard.steps.client import Session, anywhere
from callboard.testing.clock import JumpClock
from tests.unit.runs.house import House, house
from tests.unit.runs.test_http import serving

# ── rendered once, or anew ───────────────────────────────────────────────────────────────────────────────

CHANGING = """
name: w
timeout: 1d
vars: {{price: 1}}
steps:
  - {{id: first, uses: core.echo, next: [asks, clock]}}
  - id: asks
    uses: {kind}
    timeout: 12h
    with:
      {given}: {{price: "{{{{ vars.price }}}}", attempt: "{{{{ run.attempt }}}}", at: "{{{{ now }}}}"}}
      {more}
    retry: {{delay: 1h, max_delay: 1h, jitter: none, rerender: {rerender}}}
  - {{id: clock, uses: core.delay, with: {{for: 90m}}}}
  - {{id: dearer, needs: [clock], uses: core.set, with: {{price: 2}}}}
"""


async def inputs(here: House, run: str, step: str) -> list[Any]:
    rows = await here.store.attempts(run, Position(0), 100)
    return [row.input for row in rows if row.step == step]


@pytest.mark.parametrize(
    ("rerender", "prices", "attempts"), [("false", [1, 1, 1], [1, 1, 1]), ("true", [1, 1, 2], [1, 2, 3])]
)
async def test_a_retry_has_the_same_input_unless_it_is_to_be_rendered_anew(
    tmp_path: Path, rerender: str, prices: list[int], attempts: list[int]
) -> None:
    text = CHANGING.format(kind="core.echo", given="message", more="simulate: transient", rerender=rerender)
    async with house(tmp_path / "db", text) as here:
        began = await here.start()
        await here.comes_to(began.run)
        found = [one["message"] for one in await inputs(here, began.run, "asks")]
        assert [one["price"] for one in found] == prices
        assert [one["attempt"] for one in found] == attempts
        assert len({one["at"] for one in found}) == (3 if rerender == "true" else 1)


class Given(msgspec.Struct):
    price: int
    attempt: int
    at: str


class Stays:
    """An action that does not end in its first life."""

    def __init__(self) -> None:
        self.seen: list[Given] = []
        self.open = asyncio.Event()

        @action("stay")
        async def stay(given: Given) -> int:
            self.seen.append(given)
            await self.open.wait()
            return given.price

        found = marked(stay)
        assert found is not None
        self.actions: dict[str, Action] = {"stay": found}


@pytest.mark.parametrize(("rerender", "prices"), [("false", [1, 1]), ("true", [1, 2])])
async def test_after_a_crash_too(tmp_path: Path, rerender: str, prices: list[int]) -> None:
    stays = Stays()
    text = CHANGING.format(kind="python", given="input", more="action: stay", rerender=rerender)
    async with house(tmp_path / "db", text, actions=stays.actions, grace=0.1) as here:
        began = await here.start()

        async def is_dearer() -> bool:
            return ("dearer", 1, "completed") in await here.attempts(began.run)

        await here.stage.until(is_dearer, within=10_000)
        late = here.clock.now()
    stays.open.set()
    clock = JumpClock(late + timedelta(minutes=1))
    async with house(tmp_path / "db", text, actions=stays.actions, clock=clock) as here:
        await here.comes_to(began.run)
        found = [one["input"] for one in await inputs(here, began.run, "asks")]
        assert [one["price"] for one in found] == prices
        assert [one.price for one in stays.seen] == prices
        assert [status for step, _, status in await here.attempts(began.run) if step == "asks"] == [
            "interrupted",
            "completed",
        ]


# ── literally ────────────────────────────────────────────────────────────────────────────────────────────

NASTY = {
    "quotes": "she said \"it's\" \\ 'so' `here`",
    "lines": "one\ntwo\r\n\tthree\n",
    "template": "{{ 7 * 7 }} {% if true %}x{% endif %} {# gone? #} }} {{",
    "secret": '{{ secret("HOME") }}',
    "unicode": "naïve 日本語 🎭 \u202e \u0000 \u2028 é",
    "yaml": "- {a: 1} # no comment\n---\n!!python/object:os.system",
    "json": '{"a": [1, "2"]}',
    "sql": "'; DROP TABLE workflow_runs; --",
    "empty": "",
    "deep": {"list": [1, 2.5, True, None, {"{{ key }}": "{{ value }}"}], "no": False, "big": 2**53 + 1},
}
LITERAL = """
name: w
steps:
  - {{id: first, uses: core.set, with: {{kept: "{{{{ trigger }}}}"}}}}
  - id: post
    uses: http.request
    needs: [first]
    with: {{url: "{url}", method: POST, json: "{{{{ vars.kept }}}}"}}
  - id: call
    uses: python
    needs: [post]
    with: {{action: keep, input: {{value: "{{{{ steps.post.output.body }}}}"}}}}
  - id: say
    uses: message.publish
    needs: [call]
    with: {{channel: said, type: it, body: "{{{{ steps.call.output }}}}"}}
  - id: text
    uses: core.echo
    needs: [say]
    with: {{message: "<{{{{ trigger.template }}}}{{{{ trigger.quotes }}}}>"}}
output:
  whole: "{{{{ steps.call.output }}}}"
  text: "{{{{ steps.text.output.echo }}}}"
  json: "{{{{ trigger.json }}}}"
"""


class Value(msgspec.Struct):
    value: Any


async def test_values_go_through_every_door_literally_and_an_object_stays_one(tmp_path: Path) -> None:
    seen = []

    @action("keep")
    async def keep(given: Value) -> Any:
        seen.append(given.value)
        return given.value

    found = marked(keep)
    assert found is not None
    async with serving() as service:
        service.answers((200, json.dumps(NASTY), {"Content-Type": "application/json"}))
        text = LITERAL.format(url=service.url)
        async with house(
            tmp_path / "db",
            text,
            actions={"keep": found},
            clock=SystemClock(),
            open_client=lambda: Session(anywhere),
        ) as here:
            began = await here.start(trigger=NASTY)
            await here.comes_to(began.run)
            ((_, _, _, body),) = service.asked
            (said,) = await here.stage.said(conversation=f"run:{began.run}")
            output = (await here.facts(began.run))[-1].final_output
    assert json.loads(body) == NASTY
    assert seen == [NASTY]
    assert said.message.body == NASTY
    assert output == {
        "whole": NASTY,
        "text": f"<{NASTY['template']}{NASTY['quotes']}>",
        "json": NASTY["json"],
    }
