"""A project with all examples at work, and the people outside: who starts runs, and who acts where one waits.

The workflows are those of `config/workflows/`, with an action in place of `core.echo` that writes each
attempt down outside, in a file that is synced. `errand` is added: all that can happen to an attempt (retried,
failed or held after a crash), and all that a run can wait for (a signal, a message, a child).

What runs wait for is given as soon as they are started, mostly before their steps wait; and given again by
those who were not told what became of it.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec

from callboard.errors import Conflict, NotFound, ServerUnreachable
from callboard.folder import DataFolder
from callboard.web import talk
from callboard.web.client import Client
from callboard.web.runs import StartRequest
from tests.e2e.server import Server

TREE = Path(__file__).parents[2]
SECRET = "a-secret-that-is-long-enough"
ACTIONS = '''
import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from callboard.planning.step import action, this_attempt

PROJECT = Path(__file__).parents[1]
DATABASE = f"file:{PROJECT / 'data' / 'callboard.db'}?mode=ro"
FAULTS = (
    "SELECT count(*) FROM workflow_events WHERE type = 'attempt_retried' AND stream_id = ?"
    " AND json_extract(data, '$.step') = ?"
)
WHEN, NUMBER = (*os.environ.get("DEATH", "").split(), "", "")[:2]
begun = ended = 0


class Said(msgspec.Struct):
    message: Any


class Echo(msgspec.Struct):
    echo: Any


def write(word):
    attempt = this_attempt()
    line = {"word": word, "key": attempt.key, "run": attempt.run, "step": attempt.step}
    line |= {"iteration": attempt.iteration, "attempt": attempt.attempt}
    file = os.open(PROJECT / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (json.dumps(line) + "\\n").encode())
    os.fsync(file)
    os.close(file)


async def work():
    """Be an attempt that has an effect outside; it may be the last one of this life."""
    global begun, ended
    begun += 1
    if (WHEN, NUMBER) == ("attempt", str(begun)):
        os.kill(os.getpid(), signal.SIGKILL)
    write("begin")
    await asyncio.sleep(random.random() / 12)
    write("end")
    ended += 1
    if (WHEN, NUMBER) == ("effect", str(ended)):
        os.kill(os.getpid(), signal.SIGKILL)


@action("echo")
async def echo(said: Said) -> Echo:
    await work()
    return Echo(said.message)


@action("flaky")
async def flaky(said: Said) -> Echo:
    """Time out until two faults are in the log."""
    attempt = this_attempt()
    await work()
    if faults_of(attempt) < 2:
        raise TimeoutError
    return Echo(said.message)


def faults_of(attempt):
    while True:  # where reads are made to fail, this one is, too, and its failure is no fault of the run
        with contextlib.suppress(sqlite3.DatabaseError):
            with contextlib.closing(sqlite3.connect(DATABASE, uri=True)) as db:
                return db.execute(FAULTS, (f"run:{attempt.run}", attempt.step)).fetchone()[0]
'''
ERRAND = """
name: errand
input: {type: object, required: [n]}
steps:
  - id: begin
    uses: python
    with: {action: echo, input: {message: "{{ trigger.n }}"}}
    next: [flaky, once, held, early, told, child]
  - id: flaky
    uses: python
    with: {action: flaky, input: {message: "{{ trigger.n }}"}}
    retry: {attempts: 3, delay: 5ms}
  - id: once
    uses: python
    on_interrupt: fail
    with: {action: echo, input: {message: 1}}
    next: [{to: cut, when: failure}]
  - {id: cut, uses: core.set, with: {cut: true}}
  - id: held
    uses: python
    on_interrupt: hold
    with: {action: echo, input: {message: 2}}
  - {id: early, uses: wait.signal, with: {signal: go}}
  - {id: told, uses: wait.message, with: {channel: news, if: item.body.n == trigger.n}}
  - id: child
    uses: workflow
    with: {name: order-line, input: {what: chair, count: "{{ trigger.n + 1 }}", price: 2}}
  - id: last
    needs: [flaky, held, early, told, child]
    uses: python
    with: {action: echo, input: {message: "{{ steps.early.output }}"}}
vars: {cut: false}
output:
  - "{{ steps.flaky.output.echo }}"
  - "{{ steps.held.output.echo }}"
  - "{{ steps.last.output.echo }}"
  - "{{ steps.told.output.body.n }}"
  - "{{ steps.child.output.costs }}"
"""
REPORT = """
name: report
on: [{run: {workflow: order, status: any}}]
steps: [{id: note, uses: python, with: {action: echo, input: {message: "{{ trigger.run_id }}"}}}]
"""
TICK = """
name: tick
on: [{schedule: {every: 1s}, missed: all}]
steps: [{id: note, uses: python, with: {action: echo, input: {message: "{{ trigger.scheduled_for }}"}}}]
"""


def lay_out(project: Path) -> None:
    """Write the project."""
    (project / "actions").mkdir(parents=True)
    (project / "actions" / "work.py").write_text(ACTIONS)
    (project / "bots").mkdir()
    shutil.copy(TREE / "bots" / "jurors.py", project / "bots")
    folder = project / "config" / "workflows"
    folder.mkdir(parents=True)
    for file in (TREE / "config" / "workflows").glob("*.yaml"):
        (folder / file.name).write_text(_with_effects(file.read_text()))
    for name, text in (("errand", ERRAND), ("report", REPORT), ("tick", TICK)):
        (folder / f"{name}.yaml").write_text(text)


def _with_effects(text: str) -> str:
    lines = text.splitlines()
    for place, line in enumerate(lines):
        if line.strip() == "uses: core.echo":
            said = lines[place + 1].partition("with: ")[2]
            lines[place] = line.replace("core.echo", "python")
            lines[place + 1] = f"    with: {{action: echo, input: {said}}}"
    return "\n".join(lines) + "\n"


class People:
    """Who is outside. What they were told is true for ever; what they were not told they try again."""

    def __init__(self, project: Path, dice: random.Random) -> None:
        self.project = project
        self.dice = dice
        self.number = 0
        self.started: dict[str, tuple[str, Any]] = {}
        """Run, to its workflow and the output that it must have."""
        self.claims: list[int] = []
        """Those for which a run of `sorting` must be."""
        self._wanted: list[tuple[str, dict[str, Any], Any]] = []
        self._unsignalled: dict[str, int] = {}
        self._untold: list[int] = []

    def live(self, server: Server, most: int, *, within: float = 60.0) -> None:
        """Want so many more runs, and act where one waits, until the server is gone."""
        ends = time.monotonic() + within
        self._wanted += [self._wish() for _ in range(most)]
        with contextlib.suppress(ServerUnreachable), Client.find(DataFolder(self.project / "data")) as client:
            while server.process.poll() is None and time.monotonic() < ends:
                self._start(client)
                self.act(client)
                time.sleep(0.02)

    def rest(self, client: Client) -> None:
        """Want what was not begun, and act where a run waits, once."""
        while self._wanted:
            self._start(client)
        self.act(client)

    def _wish(self) -> tuple[str, dict[str, Any], Any]:
        self.number = n = self.number + 1
        amount = self.dice.choice([10, 40, 400])
        who = self.dice.choice(["yes", "no"])
        given = {"who": who, "amount": amount}
        match self.dice.randrange(6):
            case 0:
                paid = {"yes": "paid, says local", "no": "refused: local rejected it."}
                return "expenses", given, "paid at once" if amount <= 100 else paid[who]
            case 1:
                paid = {"yes": "pay, says local", "no": "refuse: local rejected it."}
                return "refunds", given, "pay, as all say" if amount == 10 else paid[who]
            case 2:
                lines = [
                    {"what": "chair", "count": 12, "price": 40},
                    {"what": "desk", "count": 1, "price": 68},
                ]
                return "order", {"lines": lines, "pays": 200}, "500.0 in 3 instalments"
            case 3:
                return "claim", {"claim": n, "amount": amount}, None
            case _:
                price = (n + 1) * 2
                costs = price - price * 0.1 if n + 1 >= 10 else price
                return "errand", {"n": n}, [n, 2, f"go {n}", n, costs]

    def _start(self, client: Client) -> None:
        if not self._wanted:
            return
        workflow, given, expected = self._wanted[0]
        if workflow == "claim":
            request = talk.SendRequest(
                channel="intake.desk", type="claim", body=msgspec.Raw(json.dumps(given).encode())
            )
            client.send(request, key=f"claim {given['claim']}")
            self.claims.append(given["claim"])
        else:
            key = f"{workflow} {self.number - len(self._wanted)}"
            run = client.start_run(workflow, StartRequest(input=given, request_id=key)).run_id
            self.started[run] = workflow, expected
            if workflow == "errand":
                self._unsignalled[run] = given["n"]
                self._untold.append(given["n"])
        del self._wanted[0]

    def act(self, client: Client) -> None:
        """Give signals, say news, decide, and release what is held."""
        for run, n in list(self._unsignalled.items()):
            with contextlib.suppress(Conflict):  # it has ended: the signal of an earlier life was received
                client.signal_run(run, "go", f"go {n}")
            del self._unsignalled[run]
        while self._untold:
            n = self._untold[0]
            request = talk.SendRequest(channel="news", type="news", body=msgspec.Raw(b'{"n":%d}' % n))
            client.send(request, key=f"news {n}")
            del self._untold[0]
        for one in client.approvals().data:
            words = one.message.replace(":", " ").replace("?", " ").split()
            with contextlib.suppress(Conflict, NotFound):  # it was decided a moment before the last death
                client.decide(one.id, "approve" if "yes" in words else "reject")
        for row in client.list_runs(workflow="errand", status="paused").data:
            if row.paused_by == "hold":
                with contextlib.suppress(Conflict):
                    client.release_step(row.id, "held", "retry")
