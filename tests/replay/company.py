"""Who works in the recorded database, and what runs there; the same when it is written and when it is read.

`World` is what it is like outside: while the database is written some actions hang or are put off, and nobody
answers; when it is read all goes well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import msgspec

from callboard import Answer, Ask, Body, Bot, Memory, Turn, every, on
from callboard.outcome import Failure, Retry
from callboard.planning.step import action

LATER = "30d"
"""How long what sleeps in the recording sleeps."""


class World:
    """The world outside."""

    helps = True


class Claim(Body):
    number: int
    kind: str = "good"


class Noted(Body):
    number: int


class Seen(Memory):
    claims: list[int] = msgspec.field(default_factory=list)
    rounds: int = 0


class Clerk(Bot):
    """Notes claims; refuses some."""

    subscribes: ClassVar[Sequence[str]] = ("claims.*",)
    memory: Seen

    @on(Claim)
    async def note(self, claim: Claim, turn: Turn) -> None:
        if claim.kind == "bad" and not World.helps:
            raise ValueError("this claim is bad")
        self.memory.claims.append(claim.number)
        turn.publish("noted", Noted(claim.number))
        if claim.kind == "later":
            turn.send("clerk", Claim(claim.number + 100), after=LATER)

    @every("12h")
    async def round(self, turn: Turn) -> None:
        self.memory.rounds += 1


class Ann(Bot):
    """Is asked; she is on the board when the database is written, and answers when it is read."""

    @on(Ask)
    async def answer(self, ask: Ask, turn: Turn) -> Answer:
        return Answer("pay")


class Ben(Bot):
    """Is asked, too."""

    @on(Ask)
    async def answer(self, ask: Ask, turn: Turn) -> Answer:
        return Answer("pay")


class Nothing(msgspec.Struct):
    pass


@action("dawdle")
async def dawdle(_: Nothing) -> int:
    """Hang, as long as the world does not help."""
    if not World.helps:
        await asyncio.sleep(1e9)
    return 1


@action("stumble")
async def stumble(_: Nothing) -> int | Retry:
    """Be put off for an hour, as long as the world does not help."""
    return 1 if World.helps else Retry(Failure("NOT_NOW", "Not now."))


ACTIONS = (dawdle, stumble)

LETTERS = """
name: letters
documents:
  welcome:
    fields: {customer: {schema: {type: string}}}
    body: "Dear {{ answers.customer }}"
"""

WORKFLOWS = {
    "plain": """
on:
  - {schedule: {every: 1d}, missed: skip}
  - {webhook: plain, auth: {bearer: PLAIN_SECRET}}
  - {message: {channel: noted, type: noted}, if: "trigger.number == 1"}
  - {run: {workflow: sleeping, status: completed}}
vars: {seen: 0}
steps:
  - {id: set, uses: core.set, with: {seen: "{{ vars.seen + 1 }}"}, next: [{to: choose}]}
  - id: choose
    uses: core.echo
    with: {message: "{{ vars.seen }}"}
    again: {to: set, if: "vars.seen < 2", max: 1}
    next: [{to: many, if: "vars.seen > 5"}, {to: few}]
    route: first
  - {id: many, uses: core.echo, with: {message: many}}
  - {id: few, uses: message.publish, with: {channel: told, type: told, body: {seen: "{{ vars.seen }}"}}}
  - id: letter
    needs: [few]
    uses: template.render
    with: {template: letters, document: welcome, answers: {customer: Eve}}
  - id: made
    needs: [letter]
    uses: resource.link
    with: {system: jira, type: issue, id: "{{ run.id }}", how: created}
output: "{{ steps.letter.output.body }}"
""",
    "sleeping": f"steps: [{{id: nap, uses: core.delay, with: {{for: {LATER}}}}}]",
    "approving": "steps: [{id: allow, uses: approval, with: {approvers: [ann], message: May we?}}]",
    "signalled": "steps: [{id: go, uses: wait.signal, with: {signal: go}}]",
    "hearing": "steps: [{id: bell, uses: wait.message, with: {channel: bell, type: ring}}]",
    "asking": """
steps:
  - id: panel
    uses: ask
    with: {bots: [ann, ben], question: Pay it?, answer: {choices: [pay, refuse]}, deadline: 90d}
    consensus: {threshold: 0.5}
output: "{{ steps.panel.output.result }}"
""",
    "parent": "steps: [{id: call, uses: workflow, with: {name: sleeping}}]",
    "items": """
steps:
  - id: all
    uses: each
    with:
      items: [1, 2, 3]
      parallel: 2
      steps:
        - {id: go, uses: wait.signal, with: {signal: go}}
""",
    "long": """
steps:
  - id: all
    uses: each
    with:
      items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26]
      steps:
        - {id: echo, uses: core.echo, with: {message: "{{ item }}"}}
""",
    "rounds": f"""
vars: {{n: 0}}
steps:
  - id: go
    uses: loop
    with:
      until: vars.n >= 2
      steps:
        - {{id: add, uses: core.set, with: {{n: "{{{{ vars.n + 1 }}}}"}}}}
        - {{id: nap, uses: core.delay, with: {{for: {LATER}}}}}
""",
    "flying": "steps: [{id: act, uses: python, with: {action: dawdle, input: {}}}]",
    "holding": "steps: [{id: act, uses: python, with: {action: dawdle, input: {}}, on_interrupt: hold}]",
    "retrying": """
steps:
  - id: act
    uses: python
    with: {action: stumble, input: {}}
    retry: {delay: 1h, max_delay: 1h, jitter: none}
""",
    "failing": "steps: [{id: act, uses: core.fail, with: {code: NO, message: It cannot be.}}]",
    "handling": """
on_failure: continue
steps:
  - {id: act, uses: core.fail, with: {code: NO, message: It cannot be.}, next: {to: mend, when: failure}}
  - {id: mend, uses: core.echo, with: {message: mended}}
  - {id: beside, uses: core.fail, with: {code: NO, message: Nor this.}}
""",
    "crowded": f"""
concurrency: {{key: one, limit: 1, on_limit: queue}}
steps: [{{id: nap, uses: core.delay, with: {{for: {LATER}}}}}]
""",
    "replaced": f"""
concurrency: {{key: one, limit: 1, on_limit: replace}}
steps: [{{id: nap, uses: core.delay, with: {{for: {LATER}}}}}]
""",
    "alone": f"""
concurrency: {{key: one, limit: 1, on_limit: reject}}
steps: [{{id: nap, uses: core.delay, with: {{for: {LATER}}}}}]
""",
    "hopeful": "deadline: 1m\nsteps: [{id: go, uses: wait.signal, with: {signal: go}}]",
    "filed": "steps: [{id: go, uses: core.echo, with: {message: filed}}]",
    "past": "steps: [{id: go, uses: core.echo}]",
}


def text(name: str, more: str = "") -> str:
    """Return the definition of a workflow."""
    return f"name: {name}\n{more}{WORKFLOWS[name]}"


BOTS: tuple[type[Bot], ...] = (Clerk, Ann, Ben)
