"""Runs are carried out: steps in order and side by side, with retries, waits and messages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callboard import Body, Bot, Memory, Turn, on
from callboard.clock import SystemClock
from callboard.errors import KeyReused, NotFound, WorkflowInvalid
from callboard.ids import BotName
from callboard.outcome import Fail, Failure
from callboard.planning.step import Action, action, marked, this_attempt
from tests.unit.runs.house import Shelf, house

CHAIN = """
name: w
vars: {greeting: hello}
steps:
  - {id: a, uses: core.echo, with: {message: "{{ trigger.name }}"}}
  - {id: b, uses: core.set, with: {greeting: "hi {{ steps.a.output.echo }}"}}
  - {id: c, uses: core.echo, with: {message: "{{ vars.greeting }}"}}
output: "{{ steps.c.output.echo }}"
"""


class Nothing(msgspec.Struct):
    """What the actions of these tests take."""

    n: int = 0


class Token(msgspec.Struct):
    token: str


def actions(*functions: object) -> dict[str, Action]:
    return {one.name: one for one in map(marked, functions) if one is not None}


async def test_a_chain_of_steps_is_carried_out_in_order(tmp_path: Path) -> None:
    async with house(tmp_path / "db", CHAIN) as here:
        began = await here.start(trigger={"name": "ann"})
        await here.comes_to(began.run)
        assert [step for step, _, _ in await here.attempts(began.run)] == ["a", "b", "c"]
        assert (await here.facts(began.run))[-1].final_output == "hi ann"
        await here.asleep()


async def test_a_chain_of_steps_that_touch_nothing_outside_is_one_commit(tmp_path: Path) -> None:
    async with house(tmp_path / "db", CHAIN) as here:
        began = await here.start(trigger={"name": "ann"})
        assert began.status == "completed"


async def test_every_fact_of_a_run_leads_back_to_its_start(tmp_path: Path) -> None:
    async with house(tmp_path / "db", CHAIN) as here:
        began = await here.start(trigger={"name": "ann"})
        events = await here.events(began.run)
        chain = await here.store.causes(events[-1].position, 100)
        assert [entry.type for entry in chain][-1] == "workflow_started"
        assert all(event.cause is not None for event in events[1:])


async def test_fifty_starts_with_one_request_id_make_one_run(tmp_path: Path) -> None:
    async with house(tmp_path / "db", CHAIN) as here:
        began = await asyncio.gather(
            *(here.start(trigger={"name": "ann"}, request="same") for _ in range(50))
        )
        assert len({one.run for one in began}) == 1
        assert sum(not one.repeated for one in began) == 1
        with pytest.raises(KeyReused):
            await here.start(trigger={"name": "ben"}, request="same")
        await here.asleep()


async def test_a_workflow_that_nobody_published_cannot_be_started(tmp_path: Path) -> None:
    async with house(tmp_path / "db", CHAIN) as here:
        with pytest.raises(NotFound):
            await here.start("nobody")


def test_a_kind_that_is_not_allowed_here_is_refused_by_name() -> None:
    text = "name: w\nsteps:\n  - {id: a, uses: shell.run, with: {command: [ls]}}\n"
    with pytest.raises(WorkflowInvalid, match=r"shell\.run are off here"):
        Shelf(text)


# ── side by side ──────────────────────────────────────────────────────────────────────────────────────────

FAN = """
name: w
max_parallel: {most}
steps:
  - {{id: first, uses: core.echo, next: [{names}]}}
{steps}
"""


def fan(width: int, most: int) -> str:
    steps = "\n".join(
        f"  - {{id: s{n}, uses: python, with: {{action: meet, input: {{n: {n}}}}}}}" for n in range(width)
    )
    return FAN.format(most=most, names=", ".join(f"s{n}" for n in range(width)), steps=steps)


class Meeting:
    """An action that counts how many are carried out at once, and waits until it is opened."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0
        self.open = asyncio.Event()

        @action("meet")
        async def meet(_: Nothing) -> None:
            self.now += 1
            self.all += 1
            self.most = max(self.most, self.now)
            await self.open.wait()
            self.now -= 1

        self.actions = actions(meet)


@pytest.mark.parametrize(("most", "house_most", "together"), [(3, 100, 3), (10, 4, 4)])
async def test_ready_steps_run_side_by_side_up_to_both_limits(
    tmp_path: Path, most: int, house_most: int, together: int
) -> None:
    meeting = Meeting()
    async with house(tmp_path / "db", fan(12, most), actions=meeting.actions, most=house_most) as here:
        began = await here.start()
        await here.stage.until(lambda: meeting.now == together)
        await here.clock.sleep(1)  # nobody has anything to do but wait
        assert meeting.now == together
        meeting.open.set()
        await here.comes_to(began.run)
        assert (meeting.most, meeting.all) == (together, 12)


async def test_one_run_does_not_keep_another_from_its_slot(tmp_path: Path) -> None:
    meeting = Meeting()
    other = "name: other\nsteps:\n  - {id: a, uses: python, with: {action: meet}}\n"
    async with house(tmp_path / "db", fan(12, 3), other, actions=meeting.actions, most=4) as here:
        await here.start()
        await here.stage.until(lambda: meeting.now == 3)
        await here.start("other")
        await here.stage.until(lambda: meeting.now == 4)
        meeting.open.set()


async def test_an_attempt_that_its_own_turn_cancels_is_never_begun(tmp_path: Path) -> None:
    meeting = Meeting()
    text = (
        "name: w\nsteps:\n  - {id: first, uses: core.echo, next: [works, fails]}\n"
        "  - {id: works, uses: python, with: {action: meet}}\n  - {id: fails, uses: core.fail}\n"
    )
    async with house(tmp_path / "db", text, actions=meeting.actions) as here:
        began = await here.start()
        assert began.status == "failed"
        await here.clock.sleep(1)
        assert meeting.all == 0
        assert ("works", 1, "cancelled") in await here.attempts(began.run)


# ── retries ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_passing_fault_is_tried_again_and_holds_no_slot_meanwhile(tmp_path: Path) -> None:
    texts = [
        f"name: w{n}\nsteps:\n  - id: a\n    uses: core.echo\n    with: {{simulate: transient}}\n"
        "    retry: {delay: 1h, max_delay: 2h, jitter: none}\n"
        for n in range(3)
    ]
    async with house(tmp_path / "db", *texts, most=1) as here:
        began = [await here.start(f"w{n}") for n in range(3)]
        await here.asleep()
        for one in began:
            await here.comes_to(one.run)
            assert [status for _, _, status in await here.attempts(one.run)] == [
                "failed",
                "failed",
                "completed",
            ]
        assert here.clock.monotonic() < 4 * 3600
        assert await here.store.timers(None, 10) == []


@pytest.mark.parametrize(
    ("error", "attempts", "code"),
    [
        (ValueError("no"), 1, "STEP_FAILED"),
        (ConnectionResetError("gone"), 3, "CONNECTION_FAILED"),
        (TimeoutError(), 3, "TIMEOUT"),
        (SystemExit(3), 1, "STEP_FAILED"),
    ],
)
async def test_only_passing_faults_are_tried_again(
    tmp_path: Path, error: BaseException, attempts: int, code: str
) -> None:
    @action("fault")
    async def fault(_: Nothing) -> None:
        raise error

    text = "name: w\nsteps:\n  - {id: a, uses: python, with: {action: fault}}\n"
    async with house(tmp_path / "db", text, actions=actions(fault)) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        assert len(await here.attempts(began.run)) == attempts
        assert (await here.facts(began.run))[-1].error.code == code


async def test_an_attempt_that_takes_too_long_is_cancelled_and_tried_again(tmp_path: Path) -> None:
    keys = []

    @action("slow")
    async def slow(_: Nothing) -> str:
        keys.append(this_attempt().key)
        if len(keys) < 3:
            await asyncio.Event().wait()
        return "done"

    text = "name: w\nsteps:\n  - {id: a, uses: python, timeout: 10s, with: {action: slow}}\n"
    async with house(tmp_path / "db", text, actions=actions(slow)) as here:
        began = await here.start()
        await here.comes_to(began.run)
        assert len(keys) == 3
        assert len(set(keys)) == 1


async def test_an_action_may_give_back_an_outcome(tmp_path: Path) -> None:
    @action("refuse")
    def refuse(_: Nothing) -> Fail:
        return Fail(Failure("NOT_TODAY", "Come back tomorrow."))

    text = "name: w\nsteps:\n  - {id: a, uses: python, with: {action: refuse}}\n"
    async with house(tmp_path / "db", text, actions=actions(refuse), clock=SystemClock()) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        assert (await here.facts(began.run))[-1].error.code == "NOT_TODAY"


async def test_an_output_that_is_not_what_was_promised_fails_the_step(tmp_path: Path) -> None:
    @action("promise")
    async def promise(_: Nothing) -> int:
        return "text"  # type: ignore[return-value]

    text = "name: w\nsteps:\n  - {id: a, uses: python, with: {action: promise}}\n"
    async with house(tmp_path / "db", text, actions=actions(promise)) as here:
        began = await here.start()
        await here.comes_to(began.run, "failed")
        assert (await here.facts(began.run))[-1].error.code == "OUTPUT_INVALID"


async def test_what_a_template_gave_is_checked_before_the_attempt(tmp_path: Path) -> None:
    text = "name: w\nsteps:\n  - {id: a, uses: core.delay, with: {for: '{{ trigger }}'}}\n"
    async with house(tmp_path / "db", text) as here:
        began = await here.start(trigger="soon")
        await here.comes_to(began.run, "failed")
        error = (await here.facts(began.run))[-1].error
        assert error.code == "BAD_INPUT"
        assert "with.for" in error.message


async def test_a_secret_reaches_the_action_and_not_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @action("login")
    async def login(given: Token) -> str:
        return f"logged in with {given.token}"

    monkeypatch.setenv("LOGIN_TOKEN", "correct-horse")
    text = (
        "name: w\nsteps:\n"
        "  - {id: a, uses: python, with: {action: login, input: {token: '{{ secret(\"LOGIN_TOKEN\") }}'}}}\n"
        "output: '{{ steps.a.output }}'\n"
    )
    async with house(tmp_path / "db", text, actions=actions(login)) as here:
        began = await here.start()
        await here.comes_to(began.run)
        assert (await here.facts(began.run))[-1].final_output == "logged in with •••"
    assert b"correct-horse" not in (tmp_path / "db").read_bytes()


# ── messages ──────────────────────────────────────────────────────────────────────────────────────────────


class Claim(Body):
    amount: int


class Amounts(Memory):
    heard: list[int] = msgspec.field(default_factory=list)


class Clerk(Bot):
    memory: Amounts
    subscribes = ("claims.*",)

    @on(Claim)
    async def take(self, claim: Claim, turn: Turn) -> None:
        self.memory.heard.append(claim.amount)


TALKS = """
name: w
steps:
  - {id: a, uses: message.send, with: {to: clerk, type: claim, body: {amount: "{{ trigger }}"}}}
  - {id: b, uses: message.publish, with: {channel: claims.new, type: claim, body: {amount: 8}}}
  - {id: c, uses: message.send, with: {to: nobody, type: claim}}
on_failure: continue
"""


async def test_messages_of_steps_are_sent_with_the_end_of_the_step(tmp_path: Path) -> None:
    async with house(tmp_path / "db", TALKS) as here:
        await here.stage.engage(Clerk)
        began = await here.start(trigger=7)
        await here.comes_to(began.run, "failed")
        await here.stage.quiet("clerk")
        memory = await here.store.memory(BotName("clerk"))
        assert memory is not None
        assert '"heard":[7,8]' in memory.data
        events: dict[Any, Any] = {event.position: event.fact for event in await here.events(began.run)}
        said = await here.stage.said(conversation=f"run:{began.run}")
        assert [events[one.message.cause].step for one in said] == ["a", "b"]
        assert (await here.facts(began.run))[-1].error.code == "RECIPIENT_UNKNOWN"
