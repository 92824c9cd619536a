"""The exchanges on DBOS send/recv, and runs of its workflows, with its system database in an SQLite file.

A recipient is a workflow that loops on `DBOS.recv_async`. Its memory is a local variable, and that is durable
in the way of DBOS: `recv` commits the message it consumed together with the workflow's position, and a
workflow that is recovered runs again over what is recorded, which counts up to the same number. A step, an
event or a table of its own for the count would be one more commit for each message; this is the fastest way
that loses nothing. A message counts as handled when `recv` has committed and the count was raised.

A run is a workflow of ten steps that is called directly: nobody polls for its result, and each step is one
commit. The workflow itself is two more, at its start and its end.

What was chosen in its favour, each measured against its neighbours:

* Senders stand outside workflows. Inside one, a send is a step, and each is recorded in addition.
* A publication is one `send_bulk`, so that 100 messages are one commit; DBOS has no channels.
* The file is put in WAL mode before DBOS opens it (see `new_file`). In the mode that SQLite gives a new file,
  it did six to eight tenths as much.
* One connection, `sys_db_pool_size`: SQLite has one writer at a time. With the 20 connections that are the
  default it was slower in both exchanges with 100 in flight, by a fifth to a third, presumably since threads
  then sleep in SQLite's busy handler instead of waiting in the queue of the pool.
* `notification_listener_polling_interval_sec`: on SQLite a thread polls for each workflow that waits. The
  least that it takes is 1 ms, but it takes the interpreter and the connection away from those that work: 1,
  5 and 20 ms differ by less than the rounds do, and 5 ms was best with one in flight. The default is 1 s.

With `--as-it-comes` the file and the connections are left as DBOS makes them. That is for runs, in which
nobody polls.
"""

# ruff: noqa: INP001 - the programs of this folder are started one by one, each in an environment of its own
from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

# The project checks types without the peers; with them, these are no errors, hence the `unused-ignore`.
from dbos import DBOS, DBOSConfig, SendMessage  # type: ignore[import-not-found, unused-ignore]
from exchange import (
    STEPS,
    Exchange,
    Figures,
    Message,
    Options,
    SendAndWait,
    Waiters,
    check,
    check_run,
    measure,
    options,
    show,
)
from sqlalchemy import Engine, event  # type: ignore[import-not-found, unused-ignore]

POLLING_SECONDS = 0.005
CONNECTIONS = 1
AS_IT_COMES = "--as-it-comes"
END = -1
SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}

WAITERS = Waiters()
"""Here, and not an argument of the workflow: what a workflow is given is stored."""


@DBOS.workflow()  # type: ignore[untyped-decorator, unused-ignore]
async def recipient() -> int:
    """Count what is received, and return the count when told to end."""
    memory = 0
    while True:
        message: Message | None = await DBOS.recv_async()
        if message is None:  # nothing came for as long as recv waits
            continue
        if message.number == END:
            return memory
        memory += 1
        WAITERS.handled(message.number)


@DBOS.step()  # type: ignore[untyped-decorator, unused-ignore]
async def add(given: Message) -> Message:
    """Add 1."""
    return Message(given.number + 1, given.text)


@DBOS.workflow()  # type: ignore[untyped-decorator, unused-ignore]
async def flow(given: Message) -> Message:
    """Add 1 ten times."""
    for _ in range(STEPS):
        given = await add(given)
    return given


async def one_run(_: int) -> None:
    """Have one run."""
    check_run((await flow(Message(0))).number)


@asynccontextmanager
async def cast(exchange: Exchange) -> AsyncIterator[SendAndWait]:
    """Make what the exchange needs."""
    if exchange.steps:
        yield one_run
        return
    async with recipients(exchange) as send_and_wait:
        yield send_and_wait


@asynccontextmanager
async def recipients(exchange: Exchange) -> AsyncIterator[SendAndWait]:
    """Start a workflow for each recipient; when it is over, end them and compare what they counted."""
    handles = [await DBOS.start_workflow_async(recipient) for _ in range(exchange.recipients)]
    ids = [handle.workflow_id for handle in handles]
    before = WAITERS.deliveries

    async def send(lane: int) -> None:
        number, done = WAITERS.expect()
        await DBOS.send_async(ids[exchange.recipient(lane)], Message(number))
        await done

    async def publish(_: int) -> None:
        number, done = WAITERS.expect(exchange.deliveries)
        message = Message(number)
        await DBOS.send_bulk_async([SendMessage(one, message) for one in ids])
        await done

    yield publish if exchange.deliveries > 1 else send
    await DBOS.send_bulk_async([SendMessage(one, Message(END)) for one in ids])
    counts = [await handle.get_result() for handle in handles]
    check(WAITERS.deliveries - before, sum(counts))


def new_file(folder: Path, *, as_it_comes: bool) -> Path:
    """Make the file of the system database.

    DBOS leaves the journal mode alone, and SQLite's own default (DELETE) needs several fsyncs for a commit.
    WAL needs one and is as durable, since DBOS also leaves `synchronous` at FULL; the mode stays with the
    file, so anyone can choose it with one statement, as here.
    """
    path = folder / "system.sqlite"
    if as_it_comes:
        return path
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    return path


def listen(found: dict[str, Any]) -> None:
    """Ask each connection that DBOS opens, as it opens it, how durable it is."""

    def connected(db: Any, _: object) -> None:  # noqa: ANN401 - SQLAlchemy hands over whatever the driver made
        for pragma in ("journal_mode", "synchronous"):
            found[pragma] = db.execute(f"PRAGMA {pragma}").fetchone()[0]

    event.listen(Engine, "connect", connected)


async def measured(told: Options, path: Path) -> dict[str, Figures]:
    """Launch DBOS on this file and run the exchanges on it."""
    config: DBOSConfig = {
        "name": "exchange",
        "system_database_url": f"sqlite:///{path}",
        "notification_listener_polling_interval_sec": POLLING_SECONDS,
        "log_level": "ERROR",
        "enable_otlp": False,
    }
    if AS_IT_COMES not in told.flags:
        config["sys_db_pool_size"] = CONNECTIONS
    DBOS(config=config)
    DBOS.launch()
    try:
        return {one.name: await measure(cast, one, told.seconds, told.rounds) for one in told.exchanges}
    finally:
        DBOS.destroy()


def main() -> None:
    """Measure, and print the figures."""
    told = options(
        "The message exchanges on DBOS send/recv, and runs of its workflows.",
        flags={AS_IT_COMES: "leave the file and the connections as DBOS makes them"},
    )
    pragmas: dict[str, Any] = {}
    listen(pragmas)
    with tempfile.TemporaryDirectory(prefix="exchange-dbos-") as folder:
        file = new_file(Path(folder), as_it_comes=AS_IT_COMES in told.flags)
        found = asyncio.run(measured(told, file))
    synchronous = SYNCHRONOUS[pragmas["synchronous"]]
    durability = (
        f"SQLite {sqlite3.sqlite_version}, journal_mode={pragmas['journal_mode']}, synchronous={synchronous}"
    )
    show("dbos", version("dbos"), durability, found)


if __name__ == "__main__":
    main()
